//! The forms of report that each command has: one table for its help and for what it takes.

use super::Format;
use clap::Command;

/// Of most commands.
pub(crate) const PLAIN: &[Format] = &[Format::Text, Format::Json];
pub(crate) const ALLOC: &[Format] =
    &[Format::Text, Format::Json, Format::Pprof, Format::Folded, Format::Speedscope, Format::Html];
pub(crate) const COMPARE: &[Format] =
    &[Format::Text, Format::Json, Format::Markdown, Format::Github, Format::Junit];
pub(crate) const GC: &[Format] = &[Format::Text, Format::Json, Format::Chrome];
pub(crate) const RULES: &[Format] = &[Format::Text];
pub(crate) const STALLS: &[Format] = &[Format::Text, Format::Json, Format::Chrome];
pub(crate) const SNAPSHOT: &[Format] =
    &[Format::Text, Format::Json, Format::Html, Format::Pprof, Format::Folded, Format::Heapsnapshot];

/// Commands that have others than the plain ones.
const OTHERS: &[(&str, &[Format])] = &[
    ("alloc", ALLOC),
    ("bench-run", COMPARE),
    ("compare", COMPARE),
    ("completions", &[]),
    ("gc", GC),
    ("init", &[]),
    ("manual", &[]),
    ("rules", RULES),
    ("serve", &[]),
    ("snapshot", SNAPSHOT),
    ("stalls", STALLS),
    ("top", &[]),
];

/// Lets the help of each command offer its own forms only: a global option that a command has already is left as the
/// command has it. (To change the options of a command that is built makes it forget which letters mean which.)
pub(crate) fn add(mut command: Command) -> Command {
    let global = |id: &str| command.get_arguments().find(|arg| arg.get_id() == id).cloned();
    let (Some(format), Some(json)) = (global("format"), global("json")) else { return command };
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        let forms = OTHERS.iter().find(|(of, _)| *of == name).map_or(PLAIN, |(_, forms)| forms);
        let known: Vec<String> = forms.iter().map(|f| f.name()).collect();
        let help = format!("Form of the report: {}", known.join(", "));
        let format = format.clone().hide_possible_values(true).help(help).hide(forms.len() < 2);
        let json = json.clone().hide(!forms.contains(&Format::Json));
        command = command.mut_subcommand(name, |c| c.arg(json).arg(format));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::Format;
    use crate::commands::{Cli, command};
    use clap::FromArgMatches;

    #[test]
    fn help_offers_what_a_command_has() {
        let mut whole = command();
        whole.build();
        let mut help = |name: &str| {
            let sub = whole.find_subcommand_mut(name).unwrap();
            sub.render_long_help().to_string().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(help("snapshot").contains("text, json, html, pprof, folded, heapsnapshot"));
        assert!(help("health").contains("Form of the report: text, json [env"));
        assert!(!help("health").contains("junit") && !help("rules").contains("--format"));
        assert!(!help("top").contains("--json"), "it draws");
    }

    #[test]
    fn options_mean_what_their_names_say_before_and_behind_the_command() {
        for words in [["m5", "list", "--json", "-o", "x"], ["m5", "-o", "x", "--json", "list"]] {
            let cli = Cli::from_arg_matches(&command().try_get_matches_from(words).unwrap()).unwrap();
            assert!(cli.global.json && cli.global.output.as_deref() == Some("x".as_ref()), "{words:?}");
        }
        let cli = command().try_get_matches_from(["m5", "snapshot", "-f", "pprof", "-p", "1"]).unwrap();
        assert!(matches!(Cli::from_arg_matches(&cli).unwrap().global.format, Some(Format::Pprof)));
    }
}
