//! `m5 fleet`: which service and version of a whole fleet grows, asked of an existing Prometheus.

use crate::args::Span;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use clap::Args;
use m5_agent::fleet::{Client, FleetError, SurveyOptions, survey};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Arguments of `m5 fleet`.
#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    /// Base address of Prometheus, or of what speaks its API
    #[arg(long, value_name = "URL", env = "M5_PROMETHEUS")]
    prometheus: String,
    /// Labels that tell one group from another
    #[arg(long, value_delimiter = ',', default_value = "service,version")]
    by: Vec<String>,
    /// Look at these series only, in Prometheus' spelling: job="m5"
    #[arg(long, value_name = "MATCHERS", default_value = "")]
    matching: String,
    /// How far to look back
    #[arg(short = 'd', long, default_value = "6h", env = "M5_DURATION")]
    duration: Span,
    /// Ask as of this moment, in Unix seconds [default: now]
    #[arg(long, value_name = "SECONDS")]
    at: Option<f64>,
    /// How many groups to look at closely
    #[arg(long, default_value_t = 10)]
    top: usize,
    /// How many instances of each
    #[arg(long, default_value_t = 5)]
    instances: usize,
    /// A file with a bearer token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long one query may take
    #[arg(long, default_value = "30s")]
    timeout: Span,
}

pub(crate) fn run(args: &FleetArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let client = Client::new(&args.prometheus, token(args)?, args.timeout.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
    let options = SurveyOptions {
        by: args.by.clone(),
        matcher: args.matching.clone(),
        window: args.duration.0.as_secs_f64(),
        at: args.at.unwrap_or(now),
        groups: args.top,
        instances: args.instances,
    };
    let fleet = survey(&client, &options)?;
    ctx.emit_document(json, &fleet, |style| m5_report::text::fleet(&fleet, style))?;
    let grows = fleet.groups.iter().any(m5_report::doc::Group::named);
    Ok(match (fleet.groups.is_empty(), grows) {
        (true, _) => Exit::Incomplete,
        (false, true) => Exit::Missed,
        (false, false) => Exit::Fine,
    })
}

fn token(args: &FleetArgs) -> Result<Option<String>, CliError> {
    let Some(path) = &args.token_file else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .map_err(|e| CliError::Unreadable { path: path.display().to_string(), reason: e.to_string() })?;
    Ok(Some(text.trim().to_owned()))
}

impl From<FleetError> for CliError {
    fn from(error: FleetError) -> Self {
        Self::Fleet(error)
    }
}
