//! What the global options mean: language, colour, form and place of the report. Commands see only this.

use crate::args::{ColorArg, Format, GlobalArgs, LangArg, ProfileArg, forms};
use crate::error::CliError;
use crate::exit::Exit;
use crate::looked::Looked;
use crate::output;
use clap::ValueEnum;
use m5_report::text::{Style, for_terminal, json_for_terminal};
use m5_report::{Lang, Text};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Everything that all commands share.
#[derive(Debug)]
pub(crate) struct Ctx {
    /// Language of reports and messages.
    pub(crate) lang: Lang,
    /// Whether reports are coloured.
    pub(crate) color: bool,
    /// 0, 1 or 2.
    pub(crate) verbose: u8,
    /// Whether a progress bar may be drawn: only on a terminal.
    pub(crate) progress: bool,
    /// The settings file that was named, if any.
    pub(crate) config: Option<PathBuf>,
    /// The objectives to begin with, where they were named.
    pub(crate) profile: Option<ProfileArg>,
    /// What the command looks at.
    pub(crate) looked: Looked,
    format: Option<Format>,
    output: Option<PathBuf>,
}

impl Ctx {
    /// Reads the options and the environment.
    pub(crate) fn new(global: &GlobalArgs) -> Self {
        let output = global.output.clone().filter(|path| path != Path::new("-"));
        let terminal = output.is_none() && std::io::stdout().is_terminal();
        Self {
            lang: language(global.lang),
            color: match global.color {
                ColorArg::Always => true,
                ColorArg::Never => false,
                ColorArg::Auto => terminal && !is_set("NO_COLOR"),
            },
            verbose: global.verbose,
            progress: std::io::stderr().is_terminal(),
            config: global.config.clone(),
            profile: global.profile,
            looked: Looked::default(),
            format: if global.json { Some(Format::Json) } else { global.format },
            output,
        }
    }

    /// An error where the report could not be written to where `-o` says, or where that is named as a snapshot is: a report
    /// that is found there later, when the process is gone, is of no use to `m5 diff`.
    pub(crate) fn check_writable(&self) -> Result<(), CliError> {
        let Some(path) = self.output.as_deref() else { return Ok(()) };
        if path.extension().is_some_and(|ending| ending == "m5snap") {
            return Err(CliError::ReportOnly { path: path.display().to_string() });
        }
        output::check_writable(path)
    }

    /// The form of the report, among those that a command has; the first is its default.
    ///
    /// A form that it does not have is wrong usage.
    pub(crate) fn format_among(&self, known: &[Format]) -> Result<Format, CliError> {
        let asked = self.format.or_else(|| known.first().copied()).unwrap_or(Format::Text);
        if known.contains(&asked) {
            return Ok(asked);
        }
        let names: Vec<String> = known.iter().map(|f| f.name()).collect();
        Err(CliError::Format { known: names.join(", ") })
    }

    /// Whether the report is JSON, for commands that have text and JSON.
    pub(crate) fn json(&self) -> Result<bool, CliError> {
        Ok(self.format_among(forms::PLAIN)? == Format::Json)
    }

    /// Whether the report goes to standard output, which a started command must then not write to.
    pub(crate) fn owns_stdout(&self) -> bool {
        self.output.is_none()
    }

    /// Writes the report where `-o` says, without anything in it that steers a terminal. A reader that went away is
    /// no failure.
    pub(crate) fn emit(&self, report: &str) -> Result<(), CliError> {
        self.emit_plain(&for_terminal(report, self.color))
    }

    fn emit_plain(&self, report: &str) -> Result<(), CliError> {
        match &self.output {
            Some(path) => output::write_file(path, report.as_bytes()),
            None => output::write_stdout(report),
        }
    }

    /// Lets `write` write where `-o` says: for reports that are long or no text.
    pub(crate) fn emit_with(
        &self,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), CliError> {
        match &self.output {
            Some(path) => output::write_file_with(path, write),
            None => output::write_stdout_with(write),
        }
    }

    /// Writes a document as JSON or as text.
    pub(crate) fn emit_document<D: serde::Serialize>(
        &self,
        json: bool,
        document: &D,
        text: impl FnOnce(Style) -> String,
    ) -> Result<(), CliError> {
        if json {
            let text = m5_report::json(document).map_err(|e| CliError::Kernel { message: e.to_string() })?;
            return self.emit_plain(&json_for_terminal(&text));
        }
        self.emit(&text(Style { lang: self.lang, color: self.color }))
    }

    /// The same, only where the person wants to hear more.
    pub(crate) fn detail(&self, text: impl Text, values: &[&dyn Display]) {
        if self.verbose > 0 {
            self.note(text, values);
        }
    }

    /// Tells the person what went wrong and what to do about it, and says how to end.
    pub(crate) fn report(&self, error: &CliError) -> Exit {
        let explained = error.explain(self.lang);
        let _ = std::io::stderr().write_all(for_terminal(&explained.lines(self.lang), false).as_bytes());
        explained.exit
    }

    /// How a command ends whose target executed another program meanwhile: incomplete, whatever went wrong for that
    /// reason; an objective that is missed is still told by the code.
    pub(crate) fn settle(&self, ended: Result<Exit, CliError>) -> Result<Exit, CliError> {
        let gone = matches!(&ended, Ok(Exit::Gone) | Err(CliError::Gone { .. }));
        let whole = if gone { self.looked.whole_in_the_end() } else { self.looked.whole() };
        let Err(replaced) = whole else { return ended };
        match ended {
            Ok(Exit::Missed) => {
                self.report(&replaced);
                Ok(Exit::Missed)
            }
            Err(error) if !error.of_target() => Err(error),
            _ => Err(replaced),
        }
    }

    /// Says something to the person, beside the report: standard error.
    pub(crate) fn note(&self, text: impl Text, values: &[&dyn Display]) {
        let said = for_terminal(&self.lang.fill(text, values), false);
        let _ = writeln!(std::io::stderr(), "{said}");
    }
}

/// The language of a command line that is not understood.
pub(crate) fn language_as_typed() -> Lang {
    let words: Vec<String> = std::env::args().collect();
    let typed = |(at, word): (usize, &String)| match word.strip_prefix("--lang")? {
        "" => words.get(at + 1).cloned(),
        value => value.strip_prefix('=').map(str::to_owned),
    };
    let typed = words.iter().enumerate().find_map(typed).or_else(|| std::env::var("M5_LANG").ok());
    language(typed.and_then(|name| LangArg::from_str(&name, true).ok()))
}

fn language(asked: Option<LangArg>) -> Lang {
    match asked {
        Some(LangArg::En) => Lang::En,
        Some(LangArg::Zh) => Lang::Zh,
        None => {
            let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
            let locale = names.iter().find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()));
            Lang::from_locale(&locale.unwrap_or_default())
        }
    }
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|v| !v.is_empty())
}
