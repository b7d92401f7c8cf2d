//! Examples for `--help`, the manual pages and the book: the commands that people type first.

/// Examples of the commands that do not have them beside their arguments.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "baseline",
        "m5 baseline -p 4711 -d 30m --save before.json\nm5 baseline -p 4711 -d 30m --compare before.json\n\
      m5 baseline --from-history /var/lib/m5 --name engine --since 24h",
    ),
    (
        "health",
        "m5 health -p 4711\nm5 health -p 4711 --profile trading\nm5 health -p 4711 --json | jq .healthy",
    ),
    (
        "gc",
        "m5 gc -p 4711 -d 5m\nm5 gc -p 4711 --stacks 20ms\nm5 gc -p 4711 --optimize\nm5 gc -p 4711 --show",
    ),
    ("alloc", "m5 alloc -p 4711 -d 1m\nm5 alloc -p 4711 -d 1m -f folded -o alloc.folded"),
    ("stalls", "m5 stalls -p 4711 -d 1m\nm5 stalls -p 4711 --above 5ms --fail-above 100ms"),
    ("check", "m5 check before.json\nm5 check before.json --config m5.toml --json"),
    ("compare", "m5 compare new.json old.json --threshold 15\nm5 compare new.json old.json -f markdown"),
    ("bench-run", "m5 bench-run -n 5 --save runs.json -- python work.py"),
    ("leaks", "m5 leaks -- python -m pytest tests/test_engine.py"),
    ("fleet", "m5 fleet --prometheus http://127.0.0.1:9090"),
    ("rules", "m5 rules > m5.rules.yml\nm5 rules --profile trading --lang zh"),
    (
        "serve",
        "m5 serve\nm5 serve --name 'engine*' --history /var/lib/m5\n\
      m5 serve --listen 0.0.0.0:9464 --token-file token --tls-cert cert.pem --tls-key key.pem",
    ),
    ("watch", "m5 watch --name 'engine*'\nm5 watch --name 'engine*' --config m5.toml --act"),
    ("stress", "m5 stress --engine -d 24h --accelerate\nm5 stress -p 4711 -d 24h"),
    ("top", "m5 top\nm5 top --name 'engine*'"),
    ("trim", "m5 trim -p 4711 --dry-run\nm5 trim -p 4711"),
    (
        "tune",
        "m5 tune -- python work.py\nm5 tune --goal rss,cpu -n 8 --load './load.sh' -- gunicorn app:app\n\
      m5 tune --only arenas-1,gc-10000 -- python work.py",
    ),
    ("completions", "m5 completions bash > ~/.local/share/bash-completion/completions/m5"),
];

/// Adds them below the help of each command that has none yet.
pub(super) fn add(mut command: clap::Command) -> clap::Command {
    for (name, examples) in EXAMPLES {
        if command.find_subcommand(name).is_some() {
            command = command.mut_subcommand(name, |c| with(c, examples));
        }
    }
    command
}

fn with(command: clap::Command, examples: &str) -> clap::Command {
    let before = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if before.contains("Examples:") {
        return command;
    }
    let gap = if before.is_empty() { "" } else { "\n\n" };
    let lines: String = examples.lines().map(|line| format!("\n  {line}")).collect();
    command.after_help(format!("{before}{gap}Examples:{lines}"))
}

/// On a terminal a command's examples come before its options, which fill more than a page.
const EXAMPLES_FIRST: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Puts the examples of each command at the head of its help.
pub(super) fn first(mut command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, |c| {
            let below = c.get_after_help().map(ToString::to_string).unwrap_or_default();
            let Some((before, from)) = below.split_once("Examples:") else { return c };
            let (examples, after) = from.split_once("\n\n").unwrap_or((from, ""));
            let examples = format!("Examples:{}", examples.trim_end());
            let rest = [before.trim(), after.trim()].into_iter().filter(|t| !t.is_empty());
            let rest = rest.collect::<Vec<_>>().join("\n\n");
            c.before_help(examples).after_help(rest).help_template(EXAMPLES_FIRST)
        });
    }
    command
}

#[cfg(test)]
mod tests {
    use crate::commands::{Cli, command};
    use clap::Parser;

    #[test]
    fn examples_stand_before_the_options() {
        for mut sub in super::first(command()).get_subcommands().filter(|c| !c.is_hide_set()).cloned() {
            let help = sub.render_long_help().to_string();
            let (Some(examples), Some(usage)) = (help.find("Examples:"), help.find("Usage:")) else {
                panic!("no example: {help}");
            };
            assert!(examples < usage && help.matches("Examples:").count() == 1, "{help}");
        }
    }

    /// What the documentation types, with the file, and whether it stands in a block of its own.
    fn documented() -> Vec<(String, String, bool)> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = Vec::new();
        for folder in ["", "docs", "docs/zh", "docs/m5mem"] {
            for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
                let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                // What was said in the past is not typed today.
                if path.extension().is_none_or(|e| e != "md") || name == "CHANGELOG.md" {
                    continue;
                }
                let text = std::fs::read_to_string(path).unwrap();
                for (number, part) in text.split("```").enumerate() {
                    let block = number % 2 == 1;
                    let typed: Vec<&str> = match block {
                        true => part.lines().map(|line| line.trim().trim_start_matches("$ ")).collect(),
                        false => part.split('`').skip(1).step_by(2).collect(),
                    };
                    let commands = typed.into_iter().filter(|line| line.starts_with("m5 "));
                    found.extend(commands.map(|line| (name.clone(), line.to_owned(), block)));
                }
            }
        }
        found
    }

    #[test]
    fn what_the_documentation_types_is_what_m5_takes() {
        use clap::error::ErrorKind::{DisplayHelp, DisplayVersion, InvalidSubcommand, UnknownArgument};
        let found = documented();
        assert!(found.len() > 50 || !std::path::Path::new("../../docs").exists(), "{}", found.len());
        for (file, line, block) in found {
            let typed = line
                .split(" #")
                .next()
                .unwrap()
                .split(['|', '>', '…'])
                .next()
                .unwrap()
                .replace(['[', ']', '\''], "");
            let words: Vec<&str> =
                typed.split_whitespace().map(|w| if w == "PID" { "4711" } else { w }).collect();
            let words: Vec<&str> = words.into_iter().map(|w| if w == "SHELL" { "bash" } else { w }).collect();
            let Err(error) = command().try_get_matches_from(&words) else { continue };
            let unknown = matches!(error.kind(), InvalidSubcommand | UnknownArgument);
            let whole = block && !matches!(error.kind(), DisplayHelp | DisplayVersion);
            assert!(!unknown && !whole, "{file}: {line}: {error}");
        }
    }

    /// What the scripts of the guide's names hand on.
    #[test]
    fn the_guides_own_words_are_taken() {
        for words in [
            "baseline --duration 1800 --save output/baseline.json",
            "baseline --duration 1800 --save baseline_v2.json --compare baseline_v1.json",
            "snapshot --continuous 60 --interval 60",
            "snapshot --top 50 --save",
            "snapshot --save --top 10",
            "gc --duration 600 --prometheus",
            "gc --duration 300 --optimize",
            "compare current.json baseline.json --threshold 15",
        ] {
            let typed = format!("m5 {words}");
            if let Err(error) = Cli::try_parse_from(typed.split(' ')) {
                panic!("{words}: {error}");
            }
        }
    }

    #[test]
    fn every_example_is_one_that_m5_takes() {
        for sub in command().get_subcommands().filter(|c| !c.is_hide_set()) {
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            let Some((_, examples)) = help.split_once("Examples:") else { continue };
            for line in examples.lines().filter(|l| l.starts_with("  ")) {
                let typed = line.split(['|', '>']).next().unwrap().replace('\'', "");
                let words: Vec<&str> = typed.split_whitespace().collect();
                assert_eq!(words.first(), Some(&"m5"), "{line}");
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{line}: {error}");
                }
            }
        }
    }
}
