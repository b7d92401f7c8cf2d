//! `m5 tune`: settings of the allocator tried on fresh processes; only what is proved is recommended.

use crate::args::Span;
use crate::commands::bench_run::shown;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signals::Stop;
use clap::{Args, ValueEnum};
use m5_agent::tune::{Header, Log, Plan, Runner, Setting, candidates, measure, names, race};
use m5_report::texts::TuneWords;
use m5_report::tune::{Goal, TUNE_SCHEMA, TuneDoc, TuneRun, text};
use std::ffi::OsString;
use std::path::PathBuf;

/// Arguments of `m5 tune`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each setting gets one run; the better half, at most four, then -n runs each in turns with the command as it is. What is \
recommended is proved: the gate's statistics, at 5 % for all settings together, on runs that did not choose it.")]
pub(crate) struct TuneArgs {
    /// Runs a side for proof
    #[arg(short = 'n', long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(5..=100))]
    runs: u64,
    /// What loads the command, by `sh -c`, with its PID in M5_TUNE_PID; when it has ended the command is ended
    #[arg(long, value_name = "CMD")]
    load: Option<String>,
    /// End the command after this time; without it and --load it ends by itself
    #[arg(long, value_name = "TIME")]
    duration: Option<Span>,
    /// After this time the command is warm: settings of its collector are written into it then
    #[arg(long, value_name = "TIME", default_value = "2s")]
    warmup: Span,
    /// What should become less: the first decides, the next where that makes no difference; nothing else may grow by a tenth
    #[arg(long, value_enum, value_delimiter = ',', default_value = "rss,peak,pause,cpu")]
    goal: Vec<GoalArg>,
    /// Try only these, by their names in the table
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", value_parser = parse_name)]
    only: Vec<String>,
    /// Keep each run in this file, and take up from it what was run before
    #[arg(long = "continue", value_name = "FILE")]
    log: Option<PathBuf>,
    /// The command
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The name of a setting, whether or not it can be tried here.
fn parse_name(text: &str) -> Result<String, String> {
    let known = names();
    if known.iter().any(|name| name == text) {
        Ok(text.to_owned())
    } else {
        Err(format!("known are {}", known.join(", ")))
    }
}

/// What a variable is set to for the command, by us or by words before it (`env NAME=VALUE …`).
fn set_for(command: &[String], name: &str) -> Option<String> {
    let word = |word: &String| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    command.iter().find_map(word).or_else(|| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
}

/// Goals by their names on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GoalArg {
    /// Resident memory in the last third of a run
    Rss,
    /// The most that was resident
    Peak,
    /// Seconds in collections of garbage
    Pause,
    /// CPU seconds
    Cpu,
}

impl From<GoalArg> for Goal {
    fn from(goal: GoalArg) -> Self {
        match goal {
            GoalArg::Rss => Self::Rss,
            GoalArg::Peak => Self::Peak,
            GoalArg::Pause => Self::Pause,
            GoalArg::Cpu => Self::Cpu,
        }
    }
}

/// Runs the command, or knows what a run came to.
struct Runs<'a> {
    plan: Plan,
    log: Option<Log>,
    stop: Stop,
    ctx: &'a Ctx,
    count: usize,
}

impl Runner for Runs<'_> {
    fn run(&mut self, setting: Option<&Setting>) -> Result<TuneRun, String> {
        let name = setting.map_or("base", |s| s.name.as_str());
        self.count += 1;
        if let Some(known) = self.log.as_mut().and_then(|log| log.known(name)) {
            return known;
        }
        self.ctx.detail(TuneWords::Round, &[&name, &self.count]);
        let run = measure(&self.plan, setting, &|| !self.stop.asked());
        if !self.stop.asked()
            && let Some(log) = &mut self.log
        {
            log.add(name, &run).map_err(|e| e.to_string())?;
        }
        run
    }

    fn goes_on(&self) -> bool {
        !self.stop.asked()
    }
}

pub(crate) fn run(args: &TuneArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let json = ctx.json()?;
    let goals: Vec<Goal> = args.goal.iter().map(|g| (*g).into()).collect();
    let command: Vec<String> = args.command.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    let most = args.duration.map(|d| d.0);
    let mut of = command.clone();
    of.push(format!("load {:?}, duration {most:?}, warm-up {:?}", args.load, args.warmup.0));
    let header = Header { schema: "m5.tune-runs/1".to_owned(), of };
    let log = args.log.as_ref().map(|path| {
        let shown = path.display().to_string();
        Log::open(path, &header).map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => CliError::OtherSearch { path: shown },
            _ => CliError::Unreadable { path: shown, reason: e.to_string() },
        })
    });
    let plan = Plan { command: args.command.clone(), load: args.load.clone(), most, warm_up: args.warmup.0 };
    let (mut settings, mut left_out) = candidates(|name| set_for(&command, name));
    let wanted = |name: &String| args.only.is_empty() || args.only.contains(name);
    settings.retain(|s| wanted(&s.name));
    left_out.retain(|l| wanted(&l.name));
    if settings.is_empty() {
        let [one, other] = [&args.only, &names()].map(|names| names.join(", "));
        return Err(CliError::NothingToTry { asked: one, known: other });
    }
    let mut runs = Runs { plan, log: log.transpose()?, stop: Stop::listen(), ctx, count: 0 };
    let done = race(&settings, args.runs as usize, &goals, &mut runs)
        .map_err(|reason| CliError::NotMeasured { command: shown(&args.command), reason })?;
    let doc = TuneDoc {
        schema: TUNE_SCHEMA.to_owned(),
        command,
        load: args.load.clone(),
        goals,
        runs: args.runs,
        tried: done.tried,
        left_out,
        recommended: done.recommended,
        recommended_python: done.recommended_python,
        complete: done.complete,
    };
    ctx.emit_document(json, &doc, |style| text(&doc, style))?;
    Ok(if doc.complete { Exit::Fine } else { Exit::Incomplete })
}
