//! `m5 tune` for people.

use super::doc::{Goal, GoalOutcome, Lack, Stage, Tried, TuneDoc};
use super::paste::blocks;
use crate::shared::units;
use crate::text::{Align, Style, Table};
use crate::texts::TuneWords;
use m5_stats::median;
use std::fmt::Write;

/// The table of what was tried, and one block to paste.
#[must_use]
pub fn text(doc: &TuneDoc, style: Style) -> String {
    let lang = style.lang;
    let title = lang.fill(TuneWords::Title, &[&doc.command.join(" ")]);
    let mut out = format!("{}\n", style.bold(&title));
    let right =
        [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Right, Align::Left];
    let mut table = Table::new(&right, 2);
    let heads = [
        TuneWords::Setting,
        TuneWords::Runs,
        TuneWords::Rss,
        TuneWords::Peak,
        TuneWords::Pauses,
        TuneWords::Cpu,
        TuneWords::Result,
    ];
    table.row(heads.map(|h| style.dim(lang.say(h))));
    for tried in &doc.tried {
        let runs = if tried.runs.is_empty() { &tried.screening } else { &tried.runs };
        let [rss, peak, pauses, cpu] = Goal::ALL.map(|goal| figure(tried, goal));
        let count = runs.len().to_string();
        table.row([tried.name.clone(), count, rss, peak, pauses, cpu, result(tried, style)]);
    }
    out.push_str(&table.render());
    for left in &doc.left_out {
        let reason = match &left.lack {
            Lack::Off => lang.say(TuneWords::Off).to_owned(),
            Lack::NotInstalled => lang.say(TuneWords::NotInstalled).to_owned(),
            Lack::Set(variable) => lang.fill(TuneWords::SetAlready, &[variable]),
        };
        let _ = writeln!(out, "{}", style.dim(&lang.fill(TuneWords::LeftOut, &[&left.name, &reason])));
    }
    if !doc.complete {
        let _ = writeln!(out, "{}", style.yellow(lang.say(TuneWords::Incomplete)));
    }
    if doc.recommended.is_empty() && doc.recommended_python.is_empty() {
        let _ = writeln!(out, "{}", lang.fill(TuneWords::Nothing, &[&doc.runs]));
        return out;
    }
    let _ = writeln!(out, "{}", style.green(&lang.fill(TuneWords::Recommended, &[&doc.runs])));
    out.push_str(&effects(doc, style));
    for (form, block) in blocks(&doc.recommended, &doc.recommended_python) {
        let _ = writeln!(out, "\n# {form}\n{block}");
    }
    out
}

/// What the recommendation is proved to change, and what not.
fn effects(doc: &TuneDoc, style: Style) -> String {
    let lang = style.lang;
    let is = |t: &&Tried| {
        t.stage == Stage::Proved && t.environment == doc.recommended && t.python == doc.recommended_python
    };
    let Some(tried) = doc.tried.iter().find(is) else { return String::new() };
    let helps = |o: &&GoalOutcome| o.upper.is_some_and(|upper| upper < 1.0);
    let (helped, not): (Vec<&GoalOutcome>, Vec<&GoalOutcome>) = tried.outcomes.iter().partition(helps);
    let join = |outcomes: Vec<&GoalOutcome>| {
        let said: Vec<String> = outcomes.into_iter().map(|o| change(o, style)).collect();
        said.join(if lang == crate::Lang::Zh { "，" } else { ", " })
    };
    let mut out = String::new();
    if tried.name.contains(" + ") {
        let _ = writeln!(out, "  {}", lang.say(TuneWords::BesideOther));
    }
    for (words, outcomes) in [(TuneWords::Helped, helped), (TuneWords::NotHelped, not)] {
        if !outcomes.is_empty() {
            let _ = writeln!(out, "  {}", lang.fill(words, &[&join(outcomes)]));
        }
    }
    out
}

/// A goal with the ratio to the base and its bounds.
fn change(outcome: &GoalOutcome, style: Style) -> String {
    let name = style.lang.say(match outcome.goal {
        Goal::Rss => TuneWords::Rss,
        Goal::Peak => TuneWords::Peak,
        Goal::Pause => TuneWords::Pauses,
        Goal::Cpu => TuneWords::Cpu,
    });
    match (outcome.lower, outcome.upper) {
        (Some(lower), Some(upper)) => format!("{name} × {:.2} ({lower:.2}–{upper:.2})", outcome.ratio),
        _ => format!("{name} × {:.2}", outcome.ratio),
    }
}

/// The value, and how it compares.
fn figure(tried: &Tried, goal: Goal) -> String {
    let runs = if tried.runs.is_empty() { &tried.screening } else { &tried.runs };
    let values: Vec<f64> = runs.iter().filter_map(|r| goal.of(r)).collect();
    let Some(middle) = median(&values) else { return "–".to_owned() };
    let value = match goal {
        Goal::Cpu | Goal::Pause => units::time(middle),
        Goal::Rss | Goal::Peak => units::bytes(middle),
    };
    match tried.outcomes.iter().find(|o| o.goal == goal) {
        Some(o) => match (o.lower, o.upper) {
            (Some(lower), Some(upper)) => format!("{value} ({lower:.2}–{upper:.2})"),
            _ => format!("{value} ({:.2})", o.ratio),
        },
        None => value,
    }
}

fn result(tried: &Tried, style: Style) -> String {
    let lang = style.lang;
    match tried.stage {
        Stage::Base => lang.say(TuneWords::Base).to_owned(),
        Stage::Screened => style.dim(lang.say(TuneWords::Screened)),
        Stage::Raced => lang.say(TuneWords::Raced).to_owned(),
        Stage::Proved => style.green(lang.say(TuneWords::Proved)),
        Stage::Costly => style.yellow(lang.say(TuneWords::Costly)),
        Stage::Failed => {
            style.yellow(&lang.fill(TuneWords::Failed, &[&tried.failure.clone().unwrap_or_default()]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GoalOutcome, LeftOut, TUNE_SCHEMA, TuneRun};
    use super::*;
    use crate::Lang;

    const PYTHON: &str = "import gc; gc.set_threshold(10000, 10, 10)";

    #[test]
    fn it_reads_well_and_can_be_pasted() {
        let run = |mib: f64| TuneRun {
            rss_bytes: mib * 1_048_576.0,
            peak_rss_bytes: mib * 2_097_152.0,
            pause_seconds: Some(0.05),
            cpu_seconds: 1.25,
            elapsed_seconds: 3.0,
        };
        let tried = |name: &str, stage, mib| Tried {
            name: name.into(),
            environment: vec![(name.into(), "2".into())],
            python: if stage == Stage::Proved { vec![PYTHON.into()] } else { vec![] },
            stage,
            failure: None,
            screening: vec![run(mib)],
            runs: if stage == Stage::Screened { vec![] } else { vec![run(mib); 5] },
            outcomes: match stage {
                Stage::Proved => {
                    let outcome = |goal, ratio: f64| {
                        let (lower, upper) = (Some(ratio * 0.96), Some(ratio * 1.06));
                        GoalOutcome { goal, ratio, lower, upper }
                    };
                    vec![outcome(Goal::Rss, 0.5), outcome(Goal::Cpu, 1.01)]
                }
                _ => vec![],
            },
        };
        let mut doc = TuneDoc {
            schema: TUNE_SCHEMA.into(),
            command: vec!["python3".into(), "app.py".into()],
            load: None,
            goals: vec![Goal::Rss],
            runs: 5,
            tried: vec![
                tried("base", Stage::Base, 100.0),
                tried("MALLOC_ARENA_MAX", Stage::Proved, 50.0),
                tried("MALLOC_TOP_PAD_", Stage::Screened, 101.0),
            ],
            left_out: vec![
                LeftOut { name: "jemalloc".into(), lack: Lack::NotInstalled },
                LeftOut { name: "no-tcache".into(), lack: Lack::Set("GLIBC_TUNABLES".into()) },
            ],
            recommended: vec![("MALLOC_ARENA_MAX".into(), "2".into())],
            recommended_python: vec![PYTHON.into()],
            complete: true,
        };
        let mut all = String::new();
        for lang in [Lang::En, Lang::Zh] {
            all.push_str(&text(&doc, Style { lang, color: false }));
            all.push('\n');
        }
        doc.recommended.clear();
        doc.recommended_python.clear();
        all.push_str(&text(&doc, Style::default()));
        insta::assert_snapshot!(all);
    }
}
