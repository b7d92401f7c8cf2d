//! `m5 rules`: Prometheus alert rules made from the objectives.

use crate::args::forms;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::objectives::objectives;
use clap::Args;
use m5_report::rules::{alerts_by_service, rules_yaml};

/// Arguments of `m5 rules`.
#[derive(Debug, Args)]
#[command(after_help = "\
Services may have objectives of their own in m5.toml; of the names that fit (`*` and `?`) the first holds:\n
  [[services]]\n  name = \"batch*\"\n  [services.objectives]\n  rss_peak_bytes = { alert = \"2GB\" }")]
pub(crate) struct RulesArgs {}

pub(crate) fn run(_args: &RulesArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    ctx.format_among(forms::RULES)?;
    let objectives = objectives(ctx)?;
    let alerts = alerts_by_service(objectives.general().0, objectives.services());
    ctx.emit(&rules_yaml(&alerts, ctx.lang))?;
    Ok(Exit::Fine)
}
