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

/// Lets the help of each command offer its own forms only. Wants a command whose global options have reached its
/// subcommands (`Command::build`).
pub(crate) fn add(mut command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names.iter().filter(|n| *n != "help") {
        let forms = OTHERS.iter().find(|(of, _)| of == name).map_or(PLAIN, |(_, forms)| forms);
        command = command.mut_subcommand(name, |c| offer(c, forms));
    }
    command
}

fn offer(command: Command, forms: &[Format]) -> Command {
    let names: Vec<String> = forms.iter().map(|f| f.name()).collect();
    let help = format!("Form of the report: {}", names.join(", "));
    let json = forms.contains(&Format::Json);
    let format = |arg: clap::Arg| arg.hide_possible_values(true).help(help).hide(forms.len() < 2);
    command.mut_arg("format", format).mut_arg("json", |arg| arg.hide(!json))
}

#[cfg(test)]
mod tests {
    use crate::commands::command;

    #[test]
    fn help_offers_what_a_command_has() {
        let mut whole = command();
        let mut help = |name: &str| {
            let sub = whole.find_subcommand_mut(name).unwrap();
            sub.render_long_help().to_string().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(help("snapshot").contains("text, json, html, pprof, folded, heapsnapshot"));
        assert!(help("health").contains("Form of the report: text, json [env"));
        assert!(!help("health").contains("junit") && !help("rules").contains("--format"));
        assert!(!help("top").contains("--json"), "it draws");
    }
}
