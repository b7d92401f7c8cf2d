//! `m5 why` for people: at most twelve lines.

use super::doc::{Finding, Unseen, Weight, What, Why};
use crate::heap::phrases::{holder, part, signed, signed_bytes, thousands};
use crate::heap::text::diff::{account_line, sizes};
use crate::heap::{MemoryKind, MemoryVerdict};
use crate::list::text::one_line;
use crate::shared::{units, value_words};
use crate::text::Style;
use crate::texts::WhyWords as W;
use m5_heap::{Cause, Culprit};

/// Findings that are told; three lines each.
const TOLD: usize = 3;

/// The report: a title, a verdict, the worst findings with evidence and the next command, what was not seen.
#[must_use]
pub fn why(why: &Why, style: Style) -> String {
    let lang = style.lang;
    let python = why.python.as_ref().map_or_else(String::new, |v| format!(" · CPython {v}"));
    let mut title = format!("PID {}{python} · {}", why.pid, units::span(why.observed_seconds));
    if !why.command.is_empty() {
        title.push_str(&format!(" · {}", one_line(&why.command)));
    }
    let mut lines = vec![style.bold(&title), verdict(why, style)];
    for (i, finding) in why.findings.iter().take(TOLD).enumerate() {
        let mark = if finding.severity == Weight::Problem { style.red("!") } else { style.yellow("·") };
        let (what, evidence, advice) = told(finding, why, style);
        lines.push(format!("{mark} {}. {what}", i + 1));
        if !evidence.is_empty() {
            lines.push(format!("     {}", style.dim(&lang.fill(W::Evidence, &[&evidence]))));
        }
        lines.push(format!("     {}", lang.fill(W::Next, &[&advice, &finding.next])));
    }
    let unseen: Vec<String> = why.unseen.iter().map(|u| not_seen(u, why.pid, style)).collect();
    if !unseen.is_empty() {
        lines.push(style.dim(&lang.fill(W::NotSeen, &[&unseen.join("; ")])));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end().replace('\n', " "))).collect()
}

fn verdict(why: &Why, style: Style) -> String {
    let lang = style.lang;
    let problems = why.findings.iter().filter(|f| f.severity == Weight::Problem).count();
    let rest = why.findings.len() - problems;
    let more = match why.findings.len().saturating_sub(TOLD) {
        0 => String::new(),
        hidden => lang.fill(W::More, &[&hidden]),
    };
    match (problems, rest) {
        (0, 0) => style.green(&lang.fill(W::Fine, &[&units::span(why.observed_seconds)])),
        (0, _) => format!("{}{more}", lang.fill(W::Notices, &[&rest])),
        _ => format!("{}{more}", style.red(&lang.fill(W::Problems, &[&problems]))),
    }
}

/// What, evidence, advice.
fn told(finding: &Finding, why: &Why, style: Style) -> (String, String, String) {
    let lang = style.lang;
    let say = |word: W| lang.say(word).to_owned();
    match &finding.what {
        What::Grows { culprit } => {
            let advice = match culprit.holder.cause {
                Cause::Held => lang.fill(W::AdviceHeld, &[&culprit.holder.name]),
                Cause::Uncollectable if culprit.holder.name.is_empty() => say(W::AdviceOutlives),
                Cause::Uncollectable => lang.fill(W::AdviceUncollectable, &[&culprit.holder.name]),
                _ => say(W::AdviceLost),
            };
            let what = lang.fill(W::Grows, &[&amount(culprit, style), &rate(culprit_rate(culprit, why))]);
            (format!("{what} {}", who(culprit, style)), evidence(culprit, why, style), advice)
        }
        What::Fills { culprit } => {
            let what = lang.fill(W::Fills, &[&amount(culprit, style), &rate(culprit_rate(culprit, why))]);
            (format!("{what} {}", who(culprit, style)), evidence(culprit, why, style), say(W::AdviceFills))
        }
        What::NativeGrows { block, bytes_per_second } => {
            let owner = match &block.owner {
                Some(owner) => lang.fill(W::KeptBy, &[owner]),
                None => say(W::KeptByNobody),
            };
            let values = [signed(block.count), sizes(block), rate(*bytes_per_second)];
            let what = lang.fill(W::NativeGrows, &[&values[0], &values[1], &values[2], &owner]);
            (what, account(why, style), say(W::AdviceNative))
        }
        What::PartGrows { part: name, bytes, bytes_per_second } => {
            let name = name.split_once('/').map_or_else(|| part(name, lang), |(_, file)| file.to_owned());
            let values = [name, signed_bytes(*bytes), rate(*bytes_per_second)];
            let what = lang.fill(W::PartGrows, &[&values[0], &values[1], &values[2]]);
            (what, account(why, style), say(W::AdvicePart))
        }
        What::NeverFreed { garbage, through } => {
            let through = if through.is_empty() { "?".to_owned() } else { through.join(", ") };
            let values = [thousands(garbage.objects), units::bytes(garbage.bytes as f64)];
            let what = lang.fill(W::NeverFreed, &[&values[0], &values[1], &through]);
            (what, String::new(), lang.fill(W::AdviceUncollectable, &[&through]))
        }
        What::CollectorOff { garbage } => {
            let values = [thousands(garbage.objects), units::bytes(garbage.bytes as f64)];
            let what = lang.fill(W::CollectorOff, &[&values[0], &values[1]]);
            (what, String::new(), say(W::AdviceCollector))
        }
        What::NearLimit { headroom_bytes, seconds } => {
            let left = units::bytes(*headroom_bytes as f64);
            let what = match seconds {
                Some(seconds) => lang.fill(W::LimitIn, &[&left, &units::span(*seconds)]),
                None => lang.fill(W::Limit, &[&left]),
            };
            (what, account(why, style), say(W::AdviceLimit))
        }
        What::Fragmented { verdict } => (free(verdict, style), String::new(), say(W::AdviceFree)),
        What::Missed { criterion } => {
            let value = value_words::maybe(criterion.value, |v| value_words::in_unit(&criterion.name, v));
            let goal = value_words::goal(&criterion.name, lang);
            let level = value_words::level(criterion, lang);
            (lang.fill(W::Missed, &[&goal, &value, &level]), String::new(), say(W::AdviceMissed))
        }
    }
}

fn free(verdict: &MemoryVerdict, style: Style) -> String {
    let word = match verdict.kind {
        MemoryKind::PymallocFragmentation => W::FreePymalloc,
        _ => W::FreeNative,
    };
    style.lang.fill(word, &[&units::bytes(verdict.bytes as f64), &units::percent(verdict.share)])
}

fn amount(culprit: &Culprit, style: Style) -> String {
    match culprit.count {
        0 => style.bold(&culprit.type_name),
        count => format!("{} {}", signed(count), style.bold(&culprit.type_name)),
    }
}

fn who(culprit: &Culprit, style: Style) -> String {
    let lang = style.lang;
    let who = holder(&culprit.holder, lang);
    match culprit.holder.cause {
        Cause::Held => lang.fill(W::HeldBy, &[&style.bold(&who)]),
        _ => format!("({who})"),
    }
}

fn culprit_rate(culprit: &Culprit, why: &Why) -> f64 {
    culprit.bytes_per_second.unwrap_or(culprit.bytes as f64 / why.observed_seconds.max(1e-3))
}

fn rate(bytes_per_second: f64) -> String {
    units::growth(bytes_per_second)
}

fn evidence(culprit: &Culprit, why: &Why, style: Style) -> String {
    let lang = style.lang;
    let mut parts = vec![lang.fill(W::Bytes, &[&signed_bytes(culprit.bytes), &signed(culprit.objects)])];
    if culprit.native_bytes * 10 > culprit.bytes {
        parts.push(lang.fill(W::OfItNative, &[&signed_bytes(culprit.native_bytes)]));
    }
    if !culprit.holder.path.is_empty() && culprit.holder.path != culprit.holder.name {
        parts.push(culprit.holder.path.clone());
    }
    if let Some(account) = &why.account {
        parts.push(format!("RSS {}", signed_bytes(account.rss_bytes)));
    }
    parts.join("; ")
}

fn account(why: &Why, style: Style) -> String {
    let plain = Style { color: false, ..style };
    why.account.as_ref().map_or_else(String::new, |a| account_line(a, plain).trim_end().to_owned())
}

fn not_seen(unseen: &Unseen, pid: i32, style: Style) -> String {
    let lang = style.lang;
    match unseen {
        Unseen::SlowGrowth { bytes_per_second } => {
            lang.fill(W::SlowGrowth, &[&rate(*bytes_per_second).trim_start_matches('+'), &pid])
        }
        Unseen::Objects { reason } => lang.fill(W::NoObjects, &[reason]),
        Unseen::References { explained } => lang.fill(W::References, &[&units::percent(1.0 - explained)]),
        Unseen::Rss { explained } => lang.fill(W::UnnamedRss, &[&units::percent(1.0 - explained)]),
        Unseen::Pauses => lang.say(W::NoPauses).to_owned(),
        Unseen::Children { count } => lang.fill(W::Children, &[count]),
    }
}
