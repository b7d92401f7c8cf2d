//! `m5 manual DIR`: the manual pages and completions that a package installs, made from the commands themselves.

use crate::error::CliError;
use crate::exit::Exit;
use crate::output;
use clap::Args;
use clap_complete::Shell;
use std::path::{Path, PathBuf};

/// Arguments of `m5 manual`.
#[derive(Debug, Args)]
pub(crate) struct ManualArgs {
    /// Folder that is called `share` where it is installed, as in /usr/local/share
    dir: PathBuf,
}

/// Where shells look for completions of a program, below `share`.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/m5"),
    (Shell::Zsh, "zsh/site-functions/_m5"),
    (Shell::Fish, "fish/vendor_completions.d/m5.fish"),
];

/// Writes both of `command`.
pub(crate) fn run(args: &ManualArgs, command: &clap::Command) -> Result<Exit, CliError> {
    for (shell, place) in COMPLETIONS {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), "m5", &mut script);
        write(&args.dir.join(place), &script)?;
    }
    page(command.clone(), "m5", &args.dir)?;
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        let name = format!("m5-{}", sub.get_name());
        let typed = format!("m5 {}", sub.get_name());
        page(sub.clone().display_name(name.clone()).bin_name(typed), &name, &args.dir)?;
    }
    Ok(Exit::Fine)
}

fn page(command: clap::Command, name: &str, dir: &Path) -> Result<(), CliError> {
    let mut page = Vec::new();
    let path = dir.join("man/man1").join(format!("{name}.1"));
    clap_mangen::Man::new(command.disable_help_subcommand(true))
        .render(&mut page)
        .map_err(|e| output::failed(&path, &e))?;
    write(&path, &page)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| output::failed(path, &e))?;
    }
    output::write_file(path, bytes)?;
    // It is for everybody, unlike what m5 writes of a process.
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(path, everybody).map_err(|e| output::failed(path, &e))
}
