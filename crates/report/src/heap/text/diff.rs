//! `m5 diff` for people: the culprit and its holder first.

use crate::heap::doc::DiffDoc;
use crate::heap::phrases::{bytes, holder, signed, signed_bytes, thousands};
use crate::shared::units;
use crate::text::{Align, Style, Table};
use crate::texts::Heap;
use m5_heap::{Cause, Culprit};

/// The report; `top` culprits and as many types.
#[must_use]
pub fn diff_text(doc: &DiffDoc, top: usize, style: Style) -> String {
    let mut out = format!("{}\n", style.bold(&head(doc, style)));
    for culprit in doc.diff.culprits.iter().take(top) {
        out.push_str(&told(culprit, style));
    }
    if doc.diff.culprits.is_empty() {
        out.push_str(&format!("{}\n", style.green(style.lang.say(Heap::DiffNone))));
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

/// Two lines: what grew and who holds it; how to get there and what grew with it.
fn told(culprit: &Culprit, style: Style) -> String {
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
    let mut out = format!("{}\n", lang.fill(text, &[&grown, &amount[0], &amount[1], &who]));
    let mut more = Vec::new();
    if let Some(share) = culprit.share {
        more.push(lang.fill(Heap::CulpritShare, &[&units::percent(share), &culprit.type_name]));
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
    use crate::Lang;
    use crate::heap::doc::DIFF_SCHEMA;
    use crate::heap::testing::{grown, sample_snapshot};

    fn sample() -> DiffDoc {
        let before = sample_snapshot();
        let after = grown(350, before.info.taken_at + 30.0);
        let diff = m5_heap::diff(&before, &after);
        DiffDoc { schema: DIFF_SCHEMA.into(), before: before.info, after: after.info, diff }
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
        let doc = DiffDoc { schema: DIFF_SCHEMA.into(), before: info.clone(), after: info, diff };
        assert!(diff_text(&doc, 10, Style::default()).contains("Nothing that holds objects grew"));
    }
}
