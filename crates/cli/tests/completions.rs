//! Completions as the shells of this machine take them. A shell that is not here is left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;
use support::{clean, file, folder, run, which};

/// What offers the words that may follow `m5 heal` and `m5 gc --opt`, with the script as the first argument.
const SHELLS: [(&str, &[&str], &str); 3] = [
    (
        "bash",
        &["--norc", "--noprofile", "-c"],
        "source \"$0\"; COMP_WORDS=(m5 heal); COMP_CWORD=1; _m5 m5 heal m5; echo \"${COMPREPLY[@]}\"\n\
         COMP_WORDS=(m5 gc --opt); COMP_CWORD=2; _m5 m5 --opt gc; echo \"${COMPREPLY[@]}\"",
    ),
    ("fish", &["--no-config", "-c"], "source $argv[1]; complete -C 'm5 heal'; complete -C 'm5 gc --opt'"),
    // What zsh offers is seen on a terminal only: it takes the script, and names its words.
    (
        "zsh",
        &["-f", "-c"],
        "autoload -U compinit; compinit -D -u; source \"$0\"; whence -w _m5; whence -f _m5 _m5_commands",
    ),
];

#[test]
fn shells_offer_commands_and_options() {
    let place = folder();
    for (name, options, script) in SHELLS {
        let made = run(&["completions", name]);
        assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
        let Some(shell) = which(name) else {
            eprintln!("left out: no {name} here");
            continue;
        };
        let path = file(place.path(), name);
        std::fs::write(&path, &made.stdout).unwrap();
        let mut command = clean(Command::new(shell));
        command.args(options).args([script, &path]).current_dir(&place).env("HOME", place.path());
        let out = command.output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{name}: {out:?}");
        assert!(said.contains("health") && said.contains("--optimize"), "{name}: {said} {out:?}");
    }
}
