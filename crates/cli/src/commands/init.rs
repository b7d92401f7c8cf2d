//! `m5 init`: an `m5.toml` for this service, from what is measured.

use crate::args::{Span, TargetArgs};
use crate::commands::health::short;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::objectives::DEFAULT;
use crate::progress::Bar;
use crate::signals::Stop;
use crate::{output, target};
use clap::Args;
use m5_agent::record::record;
use m5_report::texts::Record;
use m5_stats::Objectives;
use std::path::PathBuf;

/// Arguments of `m5 init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every level is what was seen and room above it, with both in a comment: look through them. Measure while the service does \
its real work. `m5 health`, `check`, `baseline`, `rules` and `watch` take m5.toml from the directory that they run in, or \
--config FILE.

Examples:\n  m5 init -p 4711\n  m5 init -p 4711 --duration 10m --save engine.toml\n  m5 init -p 4711 --save -")]
pub(crate) struct InitArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How long to measure; Ctrl-C ends earlier
    #[arg(short, long, default_value = "1m", env = "M5_DURATION")]
    duration: Span,
    /// Write the settings here; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = DEFAULT)]
    save: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

/// What tracing may add to the target's CPU.
const OVERHEAD: f64 = 0.02;
/// Samples in that time.
const SAMPLES: u32 = 60;

pub(crate) fn run(args: &InitArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let shown = args.save.as_os_str() == "-";
    if !shown {
        if args.save.exists() && !args.force {
            return Err(CliError::Exists { path: args.save.display().to_string() });
        }
        output::check_writable(&args.save)?;
    }
    let stop = Stop::listen();
    let (process, launched) = target::one(&args.target, ctx)?;
    let doubt = target::doubt(&process, ctx)?;
    let options = short(args.duration.0, SAMPLES, OVERHEAD);
    let bar = Bar::new(ctx, args.duration.0);
    let mut baseline = record(&[process], &options, &mut |progress| {
        bar.show(progress);
        !stop.asked()
    })?;
    drop((launched, bar));
    m5_agent::derive::complete(&mut baseline, &Objectives::default().into());
    let process = baseline.processes.first().ok_or(CliError::NoTarget)?;
    ctx.looked.whole()?;
    let derived = process.derived.as_ref().filter(|d| d.samples > 0);
    let Some(derived) = derived else { return Err(CliError::Gone { pid: process.identity.pid }) };
    let text = m5_report::text::settings(process, derived);
    if shown {
        ctx.emit(&text)?;
    } else {
        output::write_file(&args.save, text.as_bytes())?;
        ctx.note(Record::Saved, &[&args.save.display()]);
    }
    Ok(doubt.unwrap_or(Exit::Fine))
}

#[cfg(test)]
mod tests {
    use m5_agent::record::bare_record;
    use m5_process::Identity;
    use m5_report::doc::Derived;

    #[test]
    fn what_it_writes_of_a_process_of_which_nothing_is_known_is_a_settings_file() {
        let process = bare_record(Identity { pid: 1, start_ticks: 1 });
        let text = m5_report::text::settings(&process, &Derived::default());
        let (objectives, _) = crate::objectives::parse(&text, None).unwrap();
        assert_eq!(objectives.growth_24h_ratio.unwrap().pass, 0.05);
        assert_eq!(objectives.rss_peak_bytes, None);
    }
}
