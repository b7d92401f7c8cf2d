//! `m5 diff` for people: the culprit and its holder first.

use crate::Lang;
use crate::heap::doc::{Allocations, DiffDoc};
use crate::heap::phrases::{bytes, holder, part, signed, signed_bytes, thousands};
use crate::shared::units;
use crate::text::{Align, Style, Table, place};
use crate::texts::Heap;
use m5_heap::{Account, BlockGrowth, Cause, Culprit, Diff, PartGrowth, Unnamed};

/// The report; `top` culprits and as many types.
#[must_use]
pub fn diff_text(doc: &DiffDoc, top: usize, style: Style) -> String {
    let mut out = format!("{}\n", style.bold(&head(doc, style)));
    let mut lines = told_lines(&doc.diff, style);
    lines.truncate(top);
    lines.iter().for_each(|line| out.push_str(line));
    if lines.is_empty() {
        out.push_str(&format!("{}\n", style.green(style.lang.say(Heap::DiffNone))));
    }
    if !lines.is_empty()
        && let Some(word) = doc.allocations.as_ref().and_then(|a| unseen_lines(a, style))
    {
        out.push_str(&format!("{}\n", style.dim(&word)));
    }
    if let Some(account) = &doc.diff.account {
        out.push_str(&account_line(account, style));
    }
    if !doc.diff.types.is_empty() {
        out.push_str(&format!("\n{}\n", style.bold(style.lang.say(Heap::GrownTypesHead))));
        out.push_str(&types(doc, top, style));
    }
    out
}

fn head(doc: &DiffDoc, style: Style) -> String {
    let diff = &doc.diff;
    let (before, after) = (doc.before.identity.pid, doc.after.identity.pid);
    if !diff.same_process {
        return style.lang.fill(Heap::DiffOther, &[&before, &after]);
    }
    let apart = diff.seconds.map_or_else(|| "?".to_owned(), units::span);
    let objects = signed(diff.objects.1 as i64 - diff.objects.0 as i64);
    let of_objects = signed_bytes(diff.bytes.1 as i64 - diff.bytes.0 as i64);
    let rss = match diff.rss_bytes {
        (Some(before), Some(after)) => signed_bytes(after as i64 - before as i64),
        _ => "?".to_owned(),
    };
    style.lang.fill(Heap::DiffHead, &[&after, &apart, &objects, &of_objects, &rss])
}

/// Holders of growth and native blocks that nobody's object owns, the worst first: holders keep their order, and
/// blocks come before whatever has fewer bytes.
pub(crate) fn told_lines(diff: &Diff, style: Style) -> Vec<String> {
    let blocks = diff.account.iter().flat_map(|a| &a.blocks).filter(|b| !b.objects);
    let mut blocks = blocks.peekable();
    let mut out = Vec::new();
    for (n, culprit) in diff.culprits.iter().enumerate() {
        while let Some(block) = blocks.next_if(|b| b.bytes > culprit.bytes) {
            out.push(told_block(block, style));
        }
        out.push(told(culprit, n == 0, style));
    }
    out.extend(blocks.map(|block| told_block(block, style)));
    out
}

/// Why no line, or not every line, is told.
pub(crate) fn unseen_lines(allocations: &Allocations, style: Style) -> Option<String> {
    let lang = style.lang;
    match &allocations.reason {
        Some(reason) => {
            let remedy = allocations.remedy.as_deref().unwrap_or_default();
            let why = lang.fill(Heap::NoLines, &[reason, &remedy]);
            let told = [coarse_line(allocations, style), Some(why)];
            Some(told.into_iter().flatten().collect::<Vec<_>>().join("\n"))
        }
        None => allocations.partial.then(|| lang.say(Heap::LinesPartial).to_owned()),
    }
}

/// The line at which most young collections began, where that is all that could be seen.
#[must_use]
pub fn coarse_line(allocations: &Allocations, style: Style) -> Option<String> {
    let made = allocations.by_collections.as_ref()?;
    let line = made.lines.first()?;
    let at = [plain(&place(&line.frame)), plain(&line.frame.function)];
    Some(style.lang.fill(Heap::LinesCoarse, &[&at[0], &at[1], &line.samples, &made.survivors]))
}

/// `, made at market.py:88 in on_tick (212 of 220 surviving samples)`; nothing where the samples do not bear it.
pub(crate) fn made(culprit: &Culprit, style: Style) -> String {
    let lang = style.lang;
    let Some((made, line)) = culprit.made.as_ref().and_then(|m| Some((m, m.lines.first()?))) else {
        return String::new();
    };
    let at = style.bold(&plain(&place(&line.frame)));
    let told = lang.fill(Heap::MadeAt, &[&at, &plain(&line.frame.function), &line.samples, &made.survivors]);
    let told = match &line.inside {
        Some(inside) => lang.fill(Heap::MadeInside, &[&told, &plain(&place(inside))]),
        None => told,
    };
    format!("{}{told}", lang.say(Heap::Comma))
}

/// Why no line is named of a holder.
#[must_use]
pub fn unnamed(culprit: &Culprit, lang: Lang) -> Option<String> {
    let why = match culprit.unnamed.as_ref()? {
        Unnamed::Few { survivors, needed } => lang.fill(Heap::UnnamedFew, &[survivors, needed]),
        Unnamed::ManyLines { survivors } => lang.fill(Heap::UnnamedMany, &[survivors]),
        Unnamed::Reused { survivors } => lang.fill(Heap::UnnamedReused, &[survivors]),
        Unnamed::HandedOn { samples } => lang.fill(Heap::UnnamedHandedOn, &[samples]),
        Unnamed::LargeBlocks => lang.say(Heap::UnnamedLarge).to_owned(),
    };
    let within = culprit.made_within.as_ref().and_then(|within| {
        let line = within.made.lines.first()?;
        let at = [plain(&within.type_name), plain(&place(&line.frame)), plain(&line.frame.function)];
        Some(lang.fill(Heap::MadeWithin, &[&at[0], &at[1], &at[2], &line.samples, &within.made.survivors]))
    });
    Some([Some(why), within].into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// The further lines that made it.
fn also_made(culprit: &Culprit, style: Style) -> impl Iterator<Item = String> {
    let lines = culprit.made.iter().flat_map(|m| m.lines.iter().skip(1));
    lines.map(move |line| {
        let at = [plain(&place(&line.frame)), plain(&line.frame.function), units::percent(line.share)];
        style.lang.fill(Heap::MadeAlso, &[&at[0], &at[1], &at[2]])
    })
}

/// Names of a target steer no terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// `7.8 KiB`, `7.8 KiB–8.2 KiB`.
pub(crate) fn sizes(block: &BlockGrowth) -> String {
    match (bytes(block.least), bytes(block.most)) {
        (least, most) if least == most => least,
        (least, most) => format!("{least}–{most}"),
    }
}

fn told_block(block: &BlockGrowth, style: Style) -> String {
    let lang = style.lang;
    let what = [signed(block.count), style.bold(&sizes(block)), signed_bytes(block.bytes)];
    let line = match &block.owner {
        Some(owner) => lang.fill(Heap::BlocksOwned, &[&what[0], &what[1], &what[2], owner]),
        None => lang.fill(Heap::BlocksLoose, &[&what[0], &what[1], &what[2]]),
    };
    format!("{line}\n")
}

/// `RSS +9.2 MiB: +9.1 MiB native memory in use, +0.1 MiB objects`: parts that add up, small ones as one.
pub(crate) fn account_line(account: &Account, style: Style) -> String {
    const TOLD: usize = 5;
    let lang = style.lang;
    let all: i64 = account.parts.iter().map(|p| p.bytes.abs()).sum();
    let mut parts: Vec<&PartGrowth> = account.parts.iter().filter(|p| p.bytes.abs() * 50 >= all).collect();
    parts.sort_by_key(|p| std::cmp::Reverse(p.bytes.abs()));
    parts.truncate(TOLD);
    let rest = account.rss_bytes - parts.iter().map(|p| p.bytes).sum::<i64>();
    let name = |p: &PartGrowth| match p.part.split_once('/') {
        Some((_, file)) => file.to_owned(),
        None => part(&p.part, lang),
    };
    let mut told: Vec<String> =
        parts.iter().map(|p| format!("{} {}", signed_bytes(p.bytes), name(p))).collect();
    if rest != 0 && !told.is_empty() {
        told.push(format!("{} {}", signed_bytes(rest), lang.say(Heap::AccountRest)));
    }
    if told.is_empty() {
        return String::new();
    }
    let line = lang.fill(Heap::AccountLine, &[&signed_bytes(account.rss_bytes), &told.join(", ")]);
    format!("{}\n", style.dim(&line))
}

/// Two lines: what grew and who holds it; how to get there and what grew with it. Of the worst, why no line is named: the others
/// would say the same.
fn told(culprit: &Culprit, worst: bool, style: Style) -> String {
    let lang = style.lang;
    let name = style.bold(&culprit.type_name);
    let grown = match culprit.count_per_second {
        Some(rate) => {
            let rate = if rate.abs() < 0.1 { format!("{rate:+.3}") } else { format!("{rate:+.1}") };
            lang.fill(Heap::PerSecond, &[&rate, &name])
        }
        None => lang.fill(Heap::Grown, &[&signed(culprit.count), &name]),
    };
    let text = match culprit.holder.cause {
        Cause::Held => Heap::CulpritHeld,
        _ => Heap::CulpritLoose,
    };
    let who = holder(&culprit.holder, lang);
    let who = if culprit.holder.cause == Cause::Held { style.red(&who) } else { style.yellow(&who) };
    let amount = [signed(culprit.objects), signed_bytes(culprit.bytes)];
    let mut out = match culprit.count {
        0 if culprit.in_place_bytes > 0 => {
            let rate = culprit.bytes_per_second.map(|r| signed_bytes(r as i64));
            let rate = rate.map_or_else(String::new, |r| lang.fill(Heap::ASecond, &[&r]));
            let amount = format!("{}{rate}", amount[1]);
            lang.fill(Heap::GrewInPlace, &[&name, &amount, &who])
        }
        _ => lang.fill(text, &[&grown, &amount[0], &amount[1], &who]),
    };
    out.push_str(&made(culprit, style));
    out.push('\n');
    let mut more: Vec<String> = also_made(culprit, style).collect();
    more.extend(unnamed(culprit, lang).filter(|_| worst));
    if let Some(share) = culprit.share {
        more.push(lang.fill(Heap::CulpritShare, &[&units::percent(share), &culprit.type_name]));
    }
    if culprit.native_bytes * 10 > culprit.bytes {
        more.push(lang.fill(Heap::OfItNative, &[&signed_bytes(culprit.native_bytes)]));
    }
    if !culprit.holder.path.is_empty() && culprit.holder.path != culprit.holder.name {
        more.push(lang.fill(Heap::Path, &[&culprit.holder.path]));
    }
    if !culprit.also.is_empty() {
        let also: Vec<String> = culprit.also.iter().map(|(n, c)| format!("{} {n}", signed(*c))).collect();
        more.push(lang.fill(Heap::Also, &[&also.join(", ")]));
    }
    if !more.is_empty() {
        out.push_str(&format!("    {}\n", style.dim(&more.join("; "))));
    }
    out
}

fn types(doc: &DiffDoc, top: usize, style: Style) -> String {
    let align = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right];
    let mut table = Table::new(&align, 2);
    let heads = [Heap::Type, Heap::Count, Heap::Change, Heap::Bytes, Heap::Change];
    table.row(heads.map(|h| style.dim(style.lang.say(h))));
    for row in doc.diff.types.iter().take(top) {
        table.row([
            row.type_name.clone(),
            thousands(row.count_after),
            signed(row.count()),
            bytes(row.bytes_after),
            signed_bytes(row.bytes()),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::doc::DIFF_SCHEMA;
    use crate::heap::testing::{grown, sample_snapshot};
    use m5_cpython::PyFrame;
    use m5_heap::{Made, MadeAt};

    fn sample() -> DiffDoc {
        let before = sample_snapshot();
        let after = grown(350, before.info.taken_at + 30.0);
        let mut diff = m5_heap::diff(&before, &after);
        let frame = |function: &str, line| m5_cpython::PyFrame {
            function: function.into(),
            file: "market\n.py".into(),
            line: Some(line),
        };
        let at = |frame, inside, samples| MadeAt { frame, inside, samples, share: 0.4, interval: [0.3, 0.5] };
        let inside = Some(frame("__init__", 7));
        let lines = vec![at(frame("on_tick", 88), inside, 132), at(frame("replay", 9), None, 88)];
        if let Some(culprit) = diff.culprits.first_mut() {
            culprit.made = Some(Made { survivors: 220, lines });
        }
        DiffDoc {
            schema: DIFF_SCHEMA.into(),
            before: before.info,
            after: after.info,
            diff,
            allocations: Some(no_lines()),
        }
    }

    fn no_lines() -> Allocations {
        let (reason, remedy) = (Some("not allowed".into()), Some("run m5 as root".into()));
        let frame = PyFrame { function: "on_tick".into(), file: "market.py".into(), line: Some(88) };
        let line = MadeAt { frame, inside: None, samples: 41, share: 0.68, interval: [0.56, 0.79] };
        let by_collections = Some(Made { survivors: 60, lines: vec![line] });
        Allocations { reason, remedy, by_collections, ..Allocations::default() }
    }

    #[test]
    fn why_no_line_is_named_is_told() {
        let told = |why: Unnamed| {
            let mut doc = sample();
            if let Some(culprit) = doc.diff.culprits.first_mut() {
                (culprit.made, culprit.unnamed) = (None, Some(why));
            }
            diff_text(&doc, 10, Style::default())
        };
        let few = |survivors| told(Unnamed::Few { survivors, needed: 5 });
        assert!(few(3).contains("3 sampled objects of it live, 5 are needed"), "{}", few(3));
        assert!(few(1).contains("1 sampled object of it lives, 5 are needed"), "{}", few(1));
        assert!(told(Unnamed::LargeBlocks).contains("of large blocks none was sampled"));
    }

    #[test]
    fn in_english() {
        insta::assert_snapshot!(diff_text(&sample(), 10, Style::default()));
    }

    #[test]
    fn in_chinese() {
        insta::assert_snapshot!(diff_text(&sample(), 10, Style { lang: Lang::Zh, color: false }));
    }

    #[test]
    fn the_same_twice_says_that_nothing_grew() {
        let before = sample_snapshot();
        let diff = m5_heap::diff(&before, &before);
        let info = before.info;
        let doc = DiffDoc {
            schema: DIFF_SCHEMA.into(),
            before: info.clone(),
            after: info,
            diff,
            allocations: None,
        };
        assert!(diff_text(&doc, 10, Style::default()).contains("Nothing that holds objects grew"));
    }
}
