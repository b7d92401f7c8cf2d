//! `m5 rules`: Prometheus alert rules made from the objectives.

use crate::args::forms;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::objectives::objectives;
use clap::Args;
use m5_report::rules::{alerts, rules_yaml};

/// Arguments of `m5 rules`.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {}

pub(crate) fn run(_args: &RulesArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    ctx.format_among(forms::RULES)?;
    ctx.emit(&rules_yaml(&alerts(&objectives(ctx)?), ctx.lang))?;
    Ok(Exit::Fine)
}
