//! A command line that is not understood, in Chinese: the parser itself speaks English only.

use super::explained::Explained;
use crate::exit::Exit;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use m5_report::Lang;
use m5_report::texts::Usage;
use std::error::Error;

/// What is wrong and what to do, in a language; nothing where it is no mistake (help, the version).
pub(crate) fn explain(error: &clap::Error, lang: Lang) -> Option<Explained> {
    let word = |kind| error.get(kind).map(said).unwrap_or_default();
    let (option, value) = (word(ContextKind::InvalidArg), word(ContextKind::InvalidValue));
    let message = match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        ErrorKind::UnknownArgument => lang.fill(Usage::UnknownOption, &[&option]),
        ErrorKind::InvalidSubcommand => {
            lang.fill(Usage::UnknownCommand, &[&word(ContextKind::InvalidSubcommand)])
        }
        ErrorKind::MissingRequiredArgument => lang.fill(Usage::Missing, &[&option]),
        // An option without its value.
        ErrorKind::InvalidValue if value.is_empty() => lang.fill(Usage::Missing, &[&option]),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let why = error.source().map(|why| format!("{value}（{why}）")).unwrap_or(value);
            lang.fill(Usage::BadValue, &[&option, &why])
        }
        ErrorKind::ArgumentConflict => lang.fill(Usage::Conflict, &[&option, &word(ContextKind::PriorArg)]),
        _ => lang.fill(Usage::Other, &[&error.kind()]),
    };
    let mut explained = Explained::new(Exit::Usage, "usage", message);
    let hint = |text, kinds: &[ContextKind]| {
        let found: Vec<String> = kinds.iter().filter_map(|kind| error.get(*kind).map(said)).collect();
        (!found.is_empty()).then(|| lang.fill(text, &[&found.join(", ")]))
    };
    let similar = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    explained.remedies.extend(hint(Usage::Similar, &similar));
    explained.remedies.extend(hint(Usage::Values, &[ContextKind::ValidValue]));
    explained.remedies.push(lang.fill(Usage::Help, &[&command()]));
    Some(explained)
}

fn said(value: &ContextValue) -> String {
    match value {
        ContextValue::Strings(all) => all.join(", "),
        // Styled texts are the parser's own sentences.
        other => other.to_string(),
    }
}

/// The command that was typed, for its help.
fn command() -> String {
    let all = crate::commands::command();
    let typed = std::env::args().skip(1).find(|word| all.find_subcommand(word).is_some());
    typed.map_or_else(|| "m5".to_owned(), |name| format!("m5 {name}"))
}
