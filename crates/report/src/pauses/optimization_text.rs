//! What was tried on a live process: before, after, and what became of it.

use crate::doc::{Optimization, Trial};
use crate::shared::units;
use crate::shared::value_words::maybe;
use crate::text::{Align, Style, Table};
use crate::texts::Gc;
use m5_gc::tune::{Judgement, Model, Outcome, Reject};
use std::fmt::Write;

/// Each trial, then what holds now.
pub(crate) fn optimization(tried: &Optimization, pid: i32, style: Style) -> String {
    let lang = style.lang;
    let mut out = String::new();
    for (i, trial) in tried.trials.iter().enumerate() {
        let to = tried.before.with(trial.proposal.thresholds);
        let title = lang.fill(Gc::TrialTitle, &[&(i + 1), &tried.before, &to]);
        let _ = writeln!(out, "\n{}", style.bold(&title));
        out.push_str(&figures(&trial.judgement, style));
        out.push_str(&expectation(trial, style));
        if trial.judgement.full_unseen {
            let _ = writeln!(out, "   {}", style.yellow(lang.say(Gc::FullUnseen)));
        }
        let _ = writeln!(out, "   {}", outcome(&trial.judgement, style));
    }
    let kept = tried.trials.last().filter(|t| t.judgement.outcome == Outcome::Keep);
    let [young, middle, old] = kept.map_or([0; 3], |t| t.proposal.thresholds);
    let thresholds = format!("({young}, {middle}, {old})");
    let end = match kept {
        None if tried.trials.is_empty() => lang.say(Gc::NothingTried).to_owned(),
        None => lang.say(Gc::NothingKept).to_owned(),
        Some(_) if tried.stays => lang.fill(Gc::Stays, &[&thresholds, &pid]),
        Some(_) => lang.fill(Gc::TakenBack, &[&thresholds]),
    };
    let _ = writeln!(out, "\n{}", style.bold(&end));
    out
}

fn figures(judged: &Judgement, style: Style) -> String {
    let lang = style.lang;
    let (before, after) = (&judged.before, &judged.after);
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Right, Align::Right], 3);
    table.row(["", lang.say(Gc::Before), lang.say(Gc::After), lang.say(Gc::Change)].map(|h| style.dim(h)));
    let rows = [
        (Gc::RowTotal, before.share_of_wall * 60.0, after.share_of_wall * 60.0),
        (Gc::RowP95, before.p95, after.p95),
        (Gc::RowMax, before.max, after.max),
    ];
    for (name, old, new) in rows {
        table.row([lang.say(name).to_owned(), units::time(old), units::time(new), change(old, new)]);
    }
    let count = |m: &Model| m.generations.iter().map(|g| g.count).sum::<u64>();
    let (old, new) = (count(before), count(after));
    let name = lang.say(Gc::RowCount).to_owned();
    table.row([name, old.to_string(), new.to_string(), change(old as f64, new as f64)]);
    if let Some((old, new)) = judged.rss {
        let [a, b] = [old, new].map(|v| units::bytes(v as f64));
        table.row([lang.say(Gc::RowRss).to_owned(), a, b, change(old as f64, new as f64)]);
    }
    if let Some(load) = judged.load {
        let name = lang.say(Gc::RowLoad).to_owned();
        table.row([name, String::new(), String::new(), units::change(load)]);
    }
    table.render()
}

/// Percent, or how many times as much where percent would be a long number.
fn change(old: f64, new: f64) -> String {
    maybe((old > 0.0).then(|| new / old), |ratio| match ratio {
        r if r >= 10.0 => format!("× {r:.0}"),
        r => units::change(r),
    })
}

fn expectation(trial: &Trial, style: Style) -> String {
    let Some(ratio) = trial.judgement.ratio else { return String::new() };
    let values = [trial.proposal.worst, trial.proposal.best, ratio.estimate, ratio.lower, ratio.upper];
    let [worst, best, measured, lower, upper] = values.map(units::change);
    format!("   {}\n", style.lang.fill(Gc::Expected, &[&measured, &lower, &upper, &worst, &best]))
}

fn outcome(judged: &Judgement, style: Style) -> String {
    let lang = style.lang;
    let Outcome::Reject(reject) = judged.outcome else { return style.green(lang.say(Gc::Kept)) };
    let text = match reject {
        Reject::TooFew => lang.say(Gc::RejectTooFew).to_owned(),
        Reject::Unproven => lang.say(Gc::RejectUnproven).to_owned(),
        Reject::LoadChanged => lang.fill(Gc::RejectLoad, &[&maybe(judged.load, units::percent)]),
        Reject::NoGain => lang.say(Gc::RejectNoGain).to_owned(),
        Reject::LongerPauses => lang.say(Gc::RejectLonger).to_owned(),
        Reject::Memory => lang.say(Gc::RejectMemory).to_owned(),
    };
    style.yellow(&text)
}
