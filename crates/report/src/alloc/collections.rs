//! `m5 alloc` for people where it saw collections only.

use super::doc::AllocDoc;
use super::place::place;
use crate::shared::units;
use crate::text::{Align, Style, Table};
use crate::texts::Alloc;
use m5_kernel::CollectionsSeen;
use std::fmt::Write;

/// What was seen, the lines, what was not seen, and what to do about it.
pub(super) fn text(out: &mut String, doc: &AllocDoc, seen: &CollectionsSeen, top: usize, style: Style) {
    let (lang, p) = (style.lang, &doc.profile);
    let starts = lang.fill(
        Alloc::Starts,
        &[
            &p.samples,
            &seen.in_windows,
            &p.windows,
            &units::time(p.open_s),
            &seen.happened,
            &units::percent(seen.coverage.unwrap_or(0.0)),
            &units::percent(p.overhead),
        ],
    );
    let _ = writeln!(out, "{}", style.dim(&starts));
    if p.samples == 0 {
        let why = if seen.happened == 0 { Alloc::NoCollection } else { Alloc::NoneCaught };
        let _ = writeln!(out, "{}", lang.say(why));
    } else {
        let rate = format!("{:.0}", seen.net_objects_per_second);
        let _ = writeln!(out, "{}", lang.fill(Alloc::NetRate, &[&rate]));
        let mut table = Table::new(&[Align::Right, Align::Right, Align::Left], 2);
        table.row([Alloc::Share, Alloc::Interval, Alloc::Line].map(|h| style.dim(lang.say(h))));
        for site in p.sites.iter().take(top) {
            let [low, high] = site.share_interval.map(|s| 100.0 * s);
            let interval = format!("{low:.0}–{high:.0} %");
            table.row([units::percent(site.share), interval, place(&site.frame, style)]);
        }
        out.push_str(&table.render());
    }
    if 2 * p.samples < seen.in_windows {
        let _ = writeln!(out, "{}", style.yellow(lang.say(Alloc::FewCaught)));
    }
    for (count, sentence) in [(p.without_stack, Alloc::NoStack), (p.cut_stacks, Alloc::OuterMissing)] {
        if count > 0 {
            let _ = writeln!(out, "{}", style.yellow(&lang.fill(sentence, &[&count])));
        }
    }
    let _ = writeln!(out, "{}", style.yellow(&lang.fill(Alloc::Coarse, &[&seen.threshold])));
    let better = if seen.rights_would_help { Alloc::Better } else { Alloc::NoBetter };
    let _ = writeln!(out, "{}", style.yellow(&lang.fill(better, &[&seen.instead_of_kernel])));
}
