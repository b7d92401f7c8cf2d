//! Objectives, one line each, and the sentence below them.

use crate::doc::{Criterion, Lack, ObjectivesFrom};
use crate::shared::lang::Lang;
use crate::shared::value_words;
use crate::text::{Align, Style, Table};
use crate::texts::Goal;
use m5_stats::{Profile, Status};

/// One line per objective: mark, name, value, level, and why where there is no value.
#[must_use]
pub fn objectives(criteria: &[Criterion], style: Style) -> String {
    let lang = style.lang;
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Right, Align::Left, Align::Left], 2);
    for c in criteria.iter().filter(|c| c.told()) {
        let mut value = value_words::maybe(c.value, |v| value_words::in_unit(&c.name, v));
        if c.value.is_none() && c.status == Status::NotMeasured {
            value = lang.say(Goal::NotMeasured).to_owned();
        }
        let value = match c.status {
            Status::Ok => style.green(&value),
            Status::Warn => style.yellow(&value),
            Status::Fail => style.red(&value),
            Status::NotMeasured => style.dim(&value),
        };
        let mut notes: Vec<String> =
            c.interpreter.iter().map(|id| lang.fill(Goal::Interpreter, &[id])).collect();
        if let Some([low, high]) = c.interval {
            let (low, high) = (value_words::in_unit(&c.name, low), value_words::in_unit(&c.name, high));
            notes.push(lang.fill(Goal::Interval, &[&low, &high]));
        }
        if let Some(whole) = c.whole.filter(|_| c.value.is_some()) {
            notes.push(lang.fill(Goal::Whole, &[&value_words::whole(&c.name, whole)]));
        }
        notes.extend(c.lack.map(|lack| value_words::lack(lack, lang)));
        table.row([
            value_words::mark(c.status).to_owned(),
            value_words::goal(&c.name, lang),
            value,
            value_words::level(c, lang),
            style.dim(&notes.join(" ")),
        ]);
    }
    table.render()
}

/// One objective in a line: name, value, level.
#[must_use]
pub fn objective(c: &Criterion, lang: Lang) -> String {
    let value = value_words::maybe(c.value, |v| value_words::in_unit(&c.name, v));
    format!("{} {value} ({})", value_words::goal(&c.name, lang), value_words::level(c, lang))
}

/// Where the objectives of several processes come from: one line where it is one place, else one for each.
#[must_use]
pub(crate) fn from_each(all: &[(i32, &ObjectivesFrom)], style: Style) -> String {
    let mut places: Vec<(&ObjectivesFrom, Vec<i32>)> = Vec::new();
    for (pid, from) in all {
        match places.iter_mut().find(|(known, _)| known == from) {
            Some((_, pids)) => pids.push(*pid),
            None => places.push((from, vec![*pid])),
        }
    }
    let several = places.len() > 1;
    let line = |(place, pids): &(&ObjectivesFrom, Vec<i32>)| {
        let first = pids.first().copied().unwrap_or_default();
        let said = objectives_from(place, first, style.lang);
        let pids = pids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
        let said = if several { format!("PID {pids} · {said}") } else { said };
        format!("  {}\n", style.dim(&said))
    };
    places.iter().map(line).collect()
}

/// How many objectives are met, missed and not measured.
#[must_use]
pub fn summary(criteria: &[Criterion], style: Style) -> String {
    let lang = style.lang;
    let count = |pick: fn(&Criterion) -> bool| criteria.iter().filter(|c| c.told() && pick(c)).count();
    let missed = count(Criterion::missed);
    let unmeasured = count(|c| c.status == Status::NotMeasured && c.lack != Some(Lack::NoCollections));
    let judged = count(|_| true) - unmeasured;
    let mut out = match missed {
        // What nobody measured is not good.
        0 if judged == 0 => lang.say(Goal::NoneMeasured).to_owned(),
        0 => style.green(&lang.fill(Goal::AllMet, &[&judged])),
        _ => style.red(&lang.fill(Goal::Missed, &[&missed, &judged])),
    };
    if unmeasured > 0 {
        out.push_str(&format!(" {}", lang.fill(Goal::Unmeasured, &[&unmeasured])));
    }
    out.push('\n');
    out
}

/// Where the objectives come from; for the general ones, how to have others.
#[must_use]
pub(crate) fn from(from: &ObjectivesFrom, pid: i32, style: Style) -> String {
    format!("{}\n", style.dim(&objectives_from(from, pid, style.lang)))
}

/// The same without colour and end of line.
#[must_use]
pub fn objectives_from(from: &ObjectivesFrom, pid: i32, lang: Lang) -> String {
    let mut said = match (from.profile, &from.file) {
        (Profile::General, None) => lang.fill(Goal::FromGeneral, &[&pid]),
        (Profile::Trading, None) => lang.say(Goal::FromProfile).to_owned(),
        (Profile::General, Some(file)) => lang.fill(Goal::FromFile, &[file]),
        (Profile::Trading, Some(file)) => lang.fill(Goal::FromFileOver, &[file]),
    };
    if let Some(service) = &from.service {
        said.push_str(&lang.fill(Goal::FromService, &[service]));
    }
    said
}
