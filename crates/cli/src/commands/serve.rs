//! `m5 serve`: the exporter and its page, for every Python process of this machine or those that match.

use super::refused::Refused;
use crate::args::{HistoryArgs, Span, parse_pid};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::objectives::objectives;
use crate::signals::Stop;
use clap::Args;
use m5_agent::exporter::{ExporterOptions, Published, Sinks, run as run_exporter};
use m5_agent::objectives::ObjectivesByService;
use m5_agent::otlp::Pusher;
use m5_agent::pool::{Pool, PoolOptions, Selection};
use m5_agent::web::{Access, AllowedHost, Bounds, Tls, WebError, WebOptions, serve};
use m5_process::Process;
use m5_report::texts::{Fault, Serve};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Arguments of `m5 serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 takes a free one and says which
    #[arg(long, default_value = "127.0.0.1:9464", env = "M5_LISTEN")]
    listen: SocketAddr,
    /// Only services whose name matches (`*` and `?`); several times for several
    #[arg(long, value_name = "GLOB")]
    name: Vec<String>,
    /// Only this process; several times for several
    #[arg(short, long, value_name = "PID", value_parser = parse_pid)]
    pid: Vec<i32>,
    /// Time between samples
    #[arg(long, default_value = "15s", env = "M5_INTERVAL")]
    interval: Span,
    /// Stop after this long [default: never]
    #[arg(short = 'd', long)]
    duration: Option<Span>,
    /// Label every series with the pid too: one series for each process ever started
    #[arg(long)]
    pid_label: bool,
    /// The most that tracing may add to a target's CPU, 0 does not trace
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = crate::args::parse_ratio)]
    max_overhead: f64,
    /// Trace the pauses of at most so many processes
    #[arg(long, default_value_t = 200)]
    max_traced: usize,
    /// Answer to this name too, beside the address and localhost with the port (NAME, or NAME:PORT; several times for
    /// several): behind a proxy or a tunnel, or scraped by name
    #[arg(long, value_name = "NAME")]
    allowed_host: Vec<AllowedHost>,
    /// A file with the bearer token that readers must give
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A file with user:password lines
    #[arg(long, value_name = "FILE")]
    basic_auth_file: Option<PathBuf>,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve other machines without a secret or encryption
    #[arg(long)]
    insecure: bool,
    /// Push every round to this OpenTelemetry receiver too (OTLP over HTTP), for instance http://127.0.0.1:4318
    #[arg(long, value_name = "URL", env = "M5_OTLP")]
    otlp: Option<String>,
    /// A file of `Name: value` lines that go with every push, for receivers that ask who sends
    #[arg(long, value_name = "FILE", requires = "otlp")]
    otlp_headers: Option<PathBuf>,
    #[command(flatten)]
    history: HistoryArgs,
}

/// How far back charts go on from a history.
const CHARTED: Duration = Duration::from_secs(86_400);

pub(crate) fn run(args: &ServeArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let objectives = objectives(ctx)?;
    let mut pool = Pool::new(PoolOptions {
        selection: selection(args)?,
        max_overhead: (args.max_overhead > 0.0).then_some(args.max_overhead),
        traced: args.max_traced,
        limit: None,
    });
    let published = Arc::new(Published::new(m5_report::html::page(None, None)));
    let mut sinks = Sinks { history: args.history.open(args.interval.0)?, otlp: pusher(args)? };
    if let Some(history) = &sinks.history {
        pool.go_on_with(history.recent(CHARTED));
    }
    let stop = Stop::listen();
    let server = serve(&web_options(args)?, published.clone()).map_err(web_error)?;
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    ctx.note(Serve::Listening, &[&scheme, &server.address()]);
    count_turns(&mut pool, &objectives, ctx);
    let options = ExporterOptions { interval: args.interval.0, with_pid: args.pid_label, objectives };
    let begin = Instant::now();
    let over = |d: Duration| begin.elapsed() >= d;
    let mut refused = Refused::default();
    run_exporter(&mut pool, &options, &published, &mut sinks, &mut |pool| {
        refused.tell(pool, ctx);
        !stop.asked() && !args.duration.is_some_and(|d| over(d.0))
    });
    Ok(Exit::Fine)
}

/// Counts turns of event loops of those that ask for it; that the kernel does not allow it is told, and all else goes on.
pub(super) fn count_turns(pool: &mut Pool, objectives: &ObjectivesByService, ctx: &Ctx) {
    if let Err(error) = pool.count_turns(objectives.turns_of()) {
        let permission = error.is_permission();
        let remedy = ctx.lang.say(if permission { Fault::BpfRemedy } else { Fault::BpfLackRemedy });
        ctx.note(Serve::NoTurns, &[&format!("{error} ({remedy})")]);
    }
}

fn selection(args: &ServeArgs) -> Result<Selection, CliError> {
    let identity = |pid: &i32| Process::open(*pid).map(|p| p.identity());
    let processes = args.pid.iter().map(identity).collect::<Result<_, _>>()?;
    Ok(Selection { processes, names: args.name.clone() })
}

fn pusher(args: &ServeArgs) -> Result<Option<Pusher>, CliError> {
    let start = |url: &String| Pusher::start(url, args.otlp_headers.as_deref());
    args.otlp.as_ref().map(start).transpose().map_err(|e| CliError::Otlp { message: e.to_string() })
}

fn web_options(args: &ServeArgs) -> Result<WebOptions, CliError> {
    let access = Access::from_files(args.token_file.as_deref(), args.basic_auth_file.as_deref());
    let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(cert, key)| Tls { cert, key });
    Ok(WebOptions {
        listen: args.listen,
        allowed_hosts: args.allowed_host.clone(),
        access: access.map_err(|e| web_error(e.into()))?,
        tls,
        insecure: args.insecure,
        bounds: Bounds::default(),
    })
}

pub(super) fn web_error(error: WebError) -> CliError {
    let message = error.to_string();
    match error {
        WebError::Access(_) => CliError::Open { message },
        _ => CliError::Web { message },
    }
}
