//! An error in words.

use crate::exit::Exit;
use m5_report::texts::Fault;
use m5_report::{Lang, Text};
use rustix::io::Errno;

/// An error as a person and a program are told of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Explained {
    /// How m5 ends.
    pub(crate) exit: Exit,
    /// A word for programs.
    pub(crate) word: &'static str,
    /// What happened.
    pub(crate) message: String,
    /// What to do about it, the likeliest first.
    pub(crate) remedies: Vec<String>,
}

impl Explained {
    /// A row whose remedies are still to come.
    pub(super) fn new(exit: Exit, word: &'static str, message: String) -> Self {
        Self { exit, word, message, remedies: Vec::new() }
    }

    /// Whether the system said that no more files may be open, in m5 or on the whole machine.
    pub(super) fn lacks_descriptors(&self) -> bool {
        [Errno::MFILE, Errno::NFILE]
            .iter()
            .any(|error| self.message.contains(&format!("(os error {})", error.raw_os_error())))
    }

    /// With what to do about it.
    pub(super) fn remedy(mut self, lang: Lang, text: impl Text) -> Self {
        self.remedies.push(lang.say(text).to_owned());
        self
    }

    /// The lines for standard error.
    pub(crate) fn lines(&self, lang: Lang) -> String {
        let mut text = format!("{}: {}\n", lang.say(Fault::Prefix), self.message);
        for remedy in &self.remedies {
            text.push_str(&format!("  {}: {remedy}\n", lang.say(Fault::Remedy)));
        }
        text
    }
}
