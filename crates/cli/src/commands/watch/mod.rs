//! `m5 watch`: the watchdog. Rules from `m5.toml`, or the guide's one: over the watchdog's level, take a snapshot.

mod config;
mod page;
mod supervise;

use super::refused::Refused;
use crate::args::{HistoryArgs, Span, parse_pid};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::objectives::objectives;
use crate::signals::Stop;
use clap::Args;
use m5_agent::history::History;
use m5_agent::pool::{Pool, PoolOptions, Selection};
use m5_agent::watchdog::{Alarm, Journal, JournalError, Metric, Outcome, Watchdog};
use m5_process::Process;
use m5_report::texts::Watch;
use signal_hook::consts::SIGHUP;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use supervise::{Supervised, Supervisor};

/// Arguments of `m5 watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Watch this process; several times for several
    #[arg(short, long, value_name = "PID", value_parser = parse_pid)]
    pid: Vec<i32>,
    /// Watch services whose name matches (`*` and `?`), also those that start later
    #[arg(long, value_name = "GLOB")]
    name: Vec<String>,
    /// Watch this systemd unit; `restart` restarts it
    #[arg(long, value_name = "UNIT", conflicts_with_all = ["pid", "name"])]
    unit: Option<String>,
    /// One JSON line for everything that is noticed and done
    #[arg(long, value_name = "FILE", default_value = "m5-watch.jsonl", env = "M5_JOURNAL")]
    journal: PathBuf,
    /// Where snapshots and profiles go
    #[arg(long, value_name = "DIR", default_value = ".", env = "M5_EVIDENCE")]
    evidence: PathBuf,
    /// Really send signals and restart; without it they are only written down
    #[arg(long)]
    act: bool,
    /// Time between two looks
    #[arg(long, default_value = "5s", env = "M5_INTERVAL")]
    interval: Span,
    /// Stop after this long [default: never]
    #[arg(short = 'd', long)]
    duration: Option<Span>,
    /// Answer scrapes of Prometheus here: what `m5 serve` exports of these processes, and what the rules did
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    history: HistoryArgs,
    /// Start this command, watch it, and start it again when it ends or a rule says so
    #[arg(last = true, value_name = "CMD", conflicts_with_all = ["pid", "name", "unit"])]
    command: Vec<OsString>,
}

/// Time between two looks for new processes.
const DISCOVER: Duration = Duration::from_secs(2);
/// Time between two looks at pauses, what was done, and the supervised command; and where there is no such command.
const STEP: Duration = Duration::from_millis(100);
const LONG_STEP: Duration = Duration::from_millis(250);

pub(crate) fn run(args: &WatchArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let settings = config::settings(args, ctx)?;
    let failed = |e: JournalError| CliError::Write {
        path: args.journal.display().to_string(),
        reason: e.source.to_string(),
    };
    let journal = Journal::open(&args.journal).map_err(failed)?;
    let history = args.history.open(args.interval.0)?;
    // A first Ctrl-C ends the watch; a hang-up reloads the settings.
    let reload = Arc::new(AtomicBool::new(false));
    let stop = Stop::listen_but(SIGHUP);
    let _ = signal_hook::flag::register(SIGHUP, Arc::clone(&reload));
    let supervisor = match args.command.as_slice() {
        [] => None,
        command => Some(Supervisor::start(command, args.act, ctx)?),
    };
    let watchdog = Watchdog::new(settings, journal);
    ctx.note(Watch::Watching, &[&args.journal.display(), &ctx.lang.say(mode(args))]);
    let mut pool = pool(args, supervisor.as_ref())?;
    let page = page::Page::open(args.listen, args.interval.0, ctx)?;
    if page.is_some() {
        super::serve::count_turns(&mut pool, &objectives(ctx)?, ctx);
    }
    let mut watching = Watching {
        args,
        ctx,
        pool,
        watchdog,
        supervisor,
        history,
        page,
        lost: 0,
        missed: false,
        refused: Refused::default(),
    };
    let exit = watching.run(&stop, &reload);
    watching.tell_rest();
    exit
}

/// All that a watch has in its hands.
struct Watching<'a> {
    args: &'a WatchArgs,
    ctx: &'a Ctx,
    pool: Pool,
    watchdog: Watchdog,
    supervisor: Option<Supervisor>,
    history: Option<History>,
    page: Option<page::Page>,
    /// Lines of the journal of whose loss the person was told.
    lost: u64,
    /// Whether it could not help any further at least once.
    missed: bool,
    refused: Refused,
}

impl Watching<'_> {
    /// Looks until it is stopped, its time is up, or the supervised command is done with.
    fn run(&mut self, stop: &Stop, reload: &AtomicBool) -> Result<Exit, CliError> {
        let begin = Instant::now();
        let (mut discovered, mut looked) = (None, None);
        let interval = self.args.interval.0;
        while !stop.asked() && self.args.duration.is_none_or(|d| begin.elapsed() < d.0) {
            if reload.swap(false, Ordering::Relaxed) {
                self.reread();
            }
            if due(&mut discovered, DISCOVER.min(interval)) {
                self.pool.refresh();
                self.refused.tell(&self.pool, self.ctx);
            }
            match &mut self.history {
                Some(history) => {
                    self.pool.drain_heard(&mut |who, how, pause| history.on_pause(who, how, pause))
                }
                None => self.pool.drain(),
            }
            if due(&mut looked, interval) {
                self.look();
            }
            let done = self.watchdog.done();
            self.tell(done);
            self.tell_alarms();
            if let Some(exit) = self.supervise()? {
                return Ok(exit);
            }
            if let Some(page) = &self.page {
                page.fill(&self.pool, &self.watchdog);
            }
            self.pool.nap(self.step().min(interval), self.page.as_ref().and_then(page::Page::bell));
        }
        Ok(if self.missed { Exit::Missed } else { Exit::Fine })
    }

    /// The time between two looks at what is under way. A signal and a request are seen at once.
    fn step(&self) -> Duration {
        if self.supervisor.is_some() { STEP } else { LONG_STEP }
    }

    /// Settings with a mistake leave the old ones in force: a watchdog does not die of a typing error.
    fn reread(&mut self) {
        let read = config::settings(self.args, self.ctx);
        match read
            .and_then(|settings| self.page.as_mut().map_or(Ok(()), |p| p.reread(self.ctx)).map(|()| settings))
        {
            Ok(settings) => self.watchdog.reload(settings),
            Err(error) => {
                let message = error.explain(self.ctx.lang).message;
                self.watchdog.note("reload_failed", serde_json::json!({"reason": message}));
                self.ctx.note(Watch::ReloadFailed, &[&message]);
            }
        }
    }

    fn look(&mut self) {
        self.pool.sample(usize::MAX);
        if let Some(history) = &mut self.history {
            history.round(&self.pool);
        }
        self.watchdog.round(&self.pool);
        if let Some(page) = &self.page {
            page.outdate();
        }
        if self.lost == 0 && self.watchdog.lost() > 0 {
            self.tell_lost();
        }
    }

    fn supervise(&mut self) -> Result<Option<Exit>, CliError> {
        let Some(supervisor) = &mut self.supervisor else { return Ok(None) };
        let asked = std::mem::take(&mut self.watchdog.restart_asked);
        Ok(match supervisor.step(asked, self.ctx, &mut self.watchdog)? {
            Supervised::Runs => None,
            Supervised::Anew => {
                self.pool.select(supervisor.selection());
                None
            }
            Supervised::Refused => {
                self.missed = true;
                None
            }
            Supervised::Finished => Some(if self.missed { Exit::Missed } else { Exit::Fine }),
            Supervised::GaveUp => Some(Exit::Missed),
        })
    }

    fn tell(&self, done: Vec<(String, Outcome)>) {
        for (rule, outcome) in done {
            let detail = outcome.detail.unwrap_or_default();
            self.ctx.note(Watch::Did, &[&rule, &outcome.action, &outcome.result, &detail]);
        }
    }

    fn tell_alarms(&mut self) {
        for alarm in self.watchdog.alarms() {
            self.missed = true;
            match alarm {
                Alarm::GaveUp { rule, process, restarts, within_seconds } => {
                    let within = format!("{within_seconds:.0} s");
                    self.ctx.note(Watch::RuleGaveUp, &[&rule, &process, &restarts, &within]);
                }
                Alarm::LevelBelowStart { rule, process, value, level, metric } => {
                    let (level, value) = (amount(metric, level), amount(metric, value));
                    self.ctx.note(Watch::LevelBelowStart, &[&rule, &level, &process, &value]);
                }
            }
        }
    }

    /// What ran still when the watch ended, and what was not written down.
    fn tell_rest(&mut self) {
        let done = self.watchdog.finish();
        self.tell(done);
        if self.watchdog.lost() > self.lost {
            self.tell_lost();
        }
    }

    fn tell_lost(&mut self) {
        self.lost = self.watchdog.lost();
        self.ctx.note(Watch::JournalLost, &[&self.lost]);
    }
}

fn amount(metric: Metric, value: f64) -> String {
    if metric == Metric::Rss { format!("{:.1} MiB", value / f64::from(1 << 20)) } else { format!("{value}") }
}

fn mode(args: &WatchArgs) -> Watch {
    if args.act { Watch::Acts } else { Watch::DryRun }
}

fn due(last: &mut Option<Instant>, every: Duration) -> bool {
    let due = last.is_none_or(|at| at.elapsed() >= every);
    if due {
        *last = Some(Instant::now());
    }
    due
}

fn pool(args: &WatchArgs, supervisor: Option<&Supervisor>) -> Result<Pool, CliError> {
    let identity = |pid: &i32| Process::open(*pid).map(|p| p.identity());
    let mut selection = Selection {
        processes: args.pid.iter().map(identity).collect::<Result<_, _>>()?,
        names: args.name.clone(),
    };
    if let Some(unit) = &args.unit {
        selection.names.push(unit.strip_suffix(".service").unwrap_or(unit).to_owned());
    }
    if let Some(supervisor) = supervisor {
        selection = supervisor.selection();
    }
    if selection.processes.is_empty() && selection.names.is_empty() {
        return Err(CliError::NoTarget);
    }
    Ok(Pool::new(PoolOptions { selection, max_overhead: Some(0.01), traced: 64, limit: None }))
}

/// Where evidence goes, made if it is not there.
fn evidence_dir(path: &Path) -> Result<PathBuf, CliError> {
    std::fs::create_dir_all(path)
        .map_err(|e| CliError::Write { path: path.display().to_string(), reason: e.to_string() })?;
    Ok(path.to_owned())
}
