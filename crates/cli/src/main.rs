//! The `m5` binary: what was typed → what is meant → an engine → a report. Only `main` ends the process.

mod args;
mod births;
mod commands;
mod ctx;
mod documents;
mod engine;
mod error;
mod exit;
mod launch;
mod log;
mod looked;
mod objectives;
mod output;
mod page;
mod progress;
mod signals;
mod target;

use m5_report::Lang;
use std::io::Write;
use std::process::ExitCode;

/// Large buffers lie in a file with `--spool`.
#[global_allocator]
static HEAP: m5_process::SpoolAllocator = m5_process::SpoolAllocator;

fn main() -> ExitCode {
    // Before m5 takes any memory: beside a target at its limit it is m5 that goes. What m5 starts would inherit it.
    let starts = std::env::args_os().any(|word| word == "--");
    let first = (!starts).then(m5_process::FirstVictim::begin);
    // What the least of the commands takes, with what a kernel's program takes beside it.
    const LEAST: u64 = 16 << 20;
    // Several files are open at a time while anything is looked at.
    const FILES: usize = 6;
    let room = m5_process::Headroom::check_own(LEAST);
    m5_process::return_large_blocks();
    signals::large_files_are_errors();
    let cli = match commands::parse() {
        Ok(cli) => cli,
        Err(usage) => {
            let lang = ctx::language_as_typed();
            if let (Lang::Zh, Some(explained)) = (lang, error::of_usage(&usage, lang)) {
                let lines = m5_report::text::for_terminal(&explained.lines(lang), false);
                let _ = std::io::stderr().write_all(lines.as_bytes());
                return explained.exit.into();
            }
            // Help goes to standard output and is no failure; a reader that closed early is none either.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let _first = first.filter(|_| cli.command.looks_and_ends());
    // A log would run through the pictures of a terminal program.
    if !matches!(cli.command, commands::Command::Top(_)) {
        log::begin(cli.global.verbose);
    }
    let ctx = ctx::Ctx::new(&cli.global);
    if let (Err(shortage), true) = (room, cli.command.looks_at_processes()) {
        return ctx.report(&error::CliError::NoRoom { reason: shortage.to_string() }).into();
    }
    if cli.command.looks_at_processes() && !m5_process::spare_descriptors(FILES) {
        let most = m5_process::descriptor_limit();
        return ctx.report(&error::CliError::NoFiles { most }).into();
    }
    let no_memory = error::CliError::NoMemory.explain(ctx.lang);
    m5_process::last_word(no_memory.lines(ctx.lang), no_memory.exit as i32);
    threads_that_cannot_be_had(no_memory.lines(ctx.lang), no_memory.exit as i32);
    // Before hours are spent, or anything is changed, for a report that has no place.
    let done = ctx.check_writable().and_then(|()| commands::run(&cli.command, &ctx));
    match ctx.settle(done) {
        Ok(exit) => exit.into(),
        Err(error) => ctx.report(&error).into(),
    }
}

/// Ends with a word where a thread cannot be had, wherever that is: libraries panic there. Targets are let go as when m5 is
/// killed.
#[allow(clippy::exit)]
fn threads_that_cannot_be_had(word: String, code: i32) {
    const TOLD: [&str; 2] = ["failed to spawn thread", "ThreadPoolBuildError"];
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.to_string();
        if TOLD.iter().any(|words| said.contains(words)) {
            let _ = std::io::stderr().write_all(word.as_bytes());
            std::process::exit(code);
        }
        usual(panic);
    }));
}
