//! `m5 completions SHELL`.

use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use clap::Args;
use clap_complete::Shell;

/// Arguments of `m5 completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to write completions for
    shell: Shell,
}

/// Writes completions of `command`.
pub(crate) fn run(args: &CompletionsArgs, command: &mut clap::Command, ctx: &Ctx) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "m5", &mut script);
    ctx.emit(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
