//! The table of names at the end of the file.

use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Strings {
    all: Vec<String>,
    numbers: BTreeMap<String, u64>,
}

impl Strings {
    /// Number of a text in the table.
    pub(super) fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.all.len() as u64;
        self.all.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    /// Number of a class by its name. Names that mean something to the panel say that they are Python's: it groups
    /// instances of `Object` by their attributes, and names in angle brackets by the first word.
    pub(super) fn class(&mut self, name: &str) -> u64 {
        if name == "Object" || name.starts_with('<') || name.starts_with("Detached <") {
            return self.number(&format!("Python {name}"));
        }
        self.number(name)
    }

    pub(super) fn all(&self) -> &[String] {
        &self.all
    }
}
