//! A table of texts, each once, that the rest of a file refers to by number.

use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Strings {
    all: Vec<String>,
    numbers: BTreeMap<String, u64>,
}

impl Strings {
    /// Number of a text in the table.
    pub(crate) fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.all.len() as u64;
        self.all.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    /// The texts by number.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }
}
