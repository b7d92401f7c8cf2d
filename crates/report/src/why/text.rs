//! `m5 why` for people: at most twelve lines.

use super::doc::{Finding, Unseen, Weight, What, Why};
use crate::doc::ObjectivesFrom;
use crate::heap::phrases::{holder, part, signed, signed_bytes, thousands};
use crate::heap::text::diff::{account_line, made, sizes};
use crate::heap::{MemoryKind, MemoryVerdict};
use crate::list::text::process_line;
use crate::objectives::text::objectives_from;
use crate::shared::{units, value_words};
use crate::text::Style;
use crate::texts::{Goal, WhyWords as W};
use m5_heap::trim::FreeElsewhere;
use m5_heap::{Cause, Culprit};

/// Lines of the report, at most.
const LINES: usize = 12;
/// Findings that are told; three lines each.
const TOLD: usize = 3;
/// Longest command line and longest path that are told whole, in characters.
const COMMAND: usize = 80;
const PATH: usize = 100;

/// The report: a title, a verdict, the worst findings with evidence and the next command, what was not seen.
#[must_use]
pub fn why(why: &Why, style: Style) -> String {
    let lang = style.lang;
    let python = why.python.as_ref().map_or_else(String::new, |v| format!(" · CPython {v}"));
    let mut title = format!("PID {}{python} · {}", why.pid, units::span(why.observed_seconds));
    if !why.command.is_empty() {
        title.push_str(&format!(
            " · {}",
            shortened(&process_line(why.service.as_deref(), &why.command), COMMAND)
        ));
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
    if lines.len() >= LINES || why.objectives_from == ObjectivesFrom::default() {
        lines.truncate(LINES);
    } else {
        lines.push(style.dim(&objectives_from(&why.objectives_from, why.pid, lang)));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end().replace('\n', " "))).collect()
}

/// Both ends of a text that is longer than that.
fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let half = most / 2 - 1;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head} … {tail}")
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
        (0, 0) if why.unseen.iter().any(|u| matches!(u, Unseen::Objects { .. })) => {
            lang.fill(W::FineAsSeen, &[&units::span(why.observed_seconds)])
        }
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
                Cause::Held if culprit.holder.name == "sys.intern" => say(W::AdviceInterned),
                Cause::Held => lang.fill(W::AdviceHeld, &[&culprit.holder.name]),
                Cause::Uncollectable if culprit.holder.name.is_empty() => say(W::AdviceOutlives),
                Cause::Uncollectable => lang.fill(W::AdviceUncollectable, &[&culprit.holder.name]),
                _ => say(W::AdviceLost),
            };
            let grows = if culprit.count == 0 { W::GrowsInPlace } else { W::Grows };
            let what = lang.fill(grows, &[&amount(culprit, style), &rate(culprit_rate(culprit, why))]);
            (
                format!("{what} {}{}", who(culprit, style), made(culprit, style)),
                evidence(culprit, why, style),
                advice,
            )
        }
        What::Fills { culprit } => {
            let what = lang.fill(W::Fills, &[&amount(culprit, style), &rate(culprit_rate(culprit, why))]);
            let what = format!("{what} {}{}", who(culprit, style), made(culprit, style));
            (what, evidence(culprit, why, style), say(W::AdviceFills))
        }
        What::NativeGrows { block, bytes_per_second } => {
            let owner = match &block.owner {
                Some(owner) => lang.fill(W::KeptBy, &[owner]),
                None => say(W::KeptByNobody),
            };
            let (count, rate) = (signed(block.count), rate(*bytes_per_second));
            let what = match block.count {
                // Those that are there take more: their pages came into memory, or they became a little larger.
                ..=0 => lang.fill(W::NativeGrowsInPlace, &[&sizes(block), &rate, &owner]),
                _ => lang.fill(W::NativeGrows, &[&count, &sizes(block), &rate, &owner]),
            };
            (what, account(why, style), say(W::AdviceNative))
        }
        What::PartGrows { part: name, bytes, bytes_per_second } => {
            let name = name.split_once('/').map_or_else(|| part(name, lang), |(_, file)| file.to_owned());
            let values = [name, signed_bytes(*bytes), rate(*bytes_per_second)];
            let what = lang.fill(W::PartGrows, &[&values[0], &values[1], &values[2]]);
            (what, account(why, style), say(W::AdvicePart))
        }
        What::RssGrows { bytes, bytes_per_second } => {
            let what = lang.fill(W::RssGrows, &[&signed_bytes(*bytes), &rate(*bytes_per_second)]);
            (what, String::new(), say(W::AdviceRss))
        }
        What::Stopped => (say(W::Stopped), String::new(), say(W::AdviceStopped)),
        What::NeverFreed { garbage, through } => {
            let through = if through.is_empty() { "?".to_owned() } else { through.join(", ") };
            let values = [thousands(garbage.objects), units::bytes(garbage.bytes as f64)];
            let what = lang.fill(W::NeverFreed, &[&values[0], &values[1], &through]);
            (what, String::new(), lang.fill(W::AdviceUncollectable, &[&through]))
        }
        What::GarbageWaits { garbage, bytes_per_second } => {
            let values = [
                thousands(garbage.objects),
                units::bytes(garbage.bytes as f64),
                rate(*bytes_per_second),
                units::span(why.observed_seconds),
            ];
            let what = lang.fill(W::GarbageWaits, &[&values[0], &values[1], &values[2], &values[3]]);
            (what, String::new(), say(W::AdviceWaits))
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
        What::Fragmented { verdict, returnable_bytes, elsewhere } => {
            let tune = tune_line(&why.command);
            let named = elsewhere.as_ref().and_then(FreeElsewhere::named);
            let (evidence, advice) = match (elsewhere, returnable_bytes.filter(|b| *b > 0)) {
                (Some(_), _) => match &named {
                    Some((_, settings)) => (lang.fill(W::Returns, &[settings]), W::AdviceElsewhere),
                    None => (String::new(), W::AdviceFree),
                },
                (None, Some(bytes)) => {
                    (lang.fill(W::Returnable, &[&units::bytes(bytes as f64)]), W::AdviceTrim)
                }
                (None, None) => (String::new(), W::AdviceFree),
            };
            (free(verdict, elsewhere.as_ref(), style), evidence, lang.fill(advice, &[&tune]))
        }
        What::Missed { criterion } => {
            let value = value_words::maybe(criterion.value, |v| value_words::in_unit(&criterion.name, v));
            let mut goal = value_words::goal(&criterion.name, lang);
            if let Some(id) = criterion.interpreter {
                goal = format!("{goal} ({})", lang.fill(Goal::Interpreter, &[&id]));
            }
            let level = value_words::level(criterion, lang);
            (lang.fill(W::Missed, &[&goal, &value, &level]), String::new(), say(W::AdviceMissed))
        }
    }
}

/// The line that proves a setting on fresh processes of this command, where that can be typed.
fn tune_line(command: &[String]) -> String {
    const TYPED: usize = 60;
    let plain = |word: &String| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c))
    };
    let line = command.join(" ");
    let typed = !command.is_empty() && command.iter().all(plain) && line.len() <= TYPED;
    format!("m5 tune -- {}", if typed { line.as_str() } else { "CMD" })
}

fn free(verdict: &MemoryVerdict, elsewhere: Option<&FreeElsewhere>, style: Style) -> String {
    let lang = style.lang;
    let (size, share) = (units::bytes(verdict.bytes as f64), units::percent(verdict.share));
    match (verdict.kind, elsewhere) {
        (MemoryKind::PymallocFragmentation, _) => lang.fill(W::FreePymalloc, &[&size, &share]),
        (_, None) => lang.fill(W::FreeNative, &[&size, &share]),
        (_, Some(elsewhere)) => {
            let names = elsewhere.named().map_or_else(|| lang.say(W::Unnamed).to_owned(), |(names, _)| names);
            lang.fill(W::FreeElsewhere, &[&size, &share, &names])
        }
    }
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
        parts.push(shortened(&culprit.holder.path, PATH));
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
        Unseen::Lines { reason } => lang.fill(W::NoLines, &[reason]),
        Unseen::Pauses => lang.say(W::NoPauses).to_owned(),
        Unseen::Children { count } => lang.fill(W::Children, &[count]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::why::doc::WHY_SCHEMA;
    use m5_heap::{Account, BlockGrowth, BlockSource, Holder, Loose, PartGrowth};

    fn culprit(cause: Cause, limit: Option<u64>) -> Box<Culprit> {
        let holder = Holder {
            cause,
            name: "app.Cache.entries".into(),
            path: format!("app.{}", "very_long_name.".repeat(40)),
            type_name: "dict".into(),
            items: Some(700),
            limit,
            address: 4096,
        };
        Box::new(Culprit {
            type_name: "app.Session".into(),
            count: 300,
            count_per_second: Some(10.0),
            objects: 900,
            bytes: 3 << 20,
            in_place_bytes: 0,
            native_bytes: 1 << 20,
            bytes_per_second: Some(104_857.6),
            holder,
            share: None,
            also: Vec::new(),
            made: None,
            unnamed: None,
            made_within: None,
        })
    }

    /// One finding of each kind.
    fn everything() -> Why {
        let loose = Loose { objects: 4000, bytes: 2 << 20 };
        let block = BlockGrowth {
            source: BlockSource::Native,
            owner: None,
            objects: false,
            least: 8008,
            most: 8200,
            count: 40,
            bytes: 320 << 10,
        };
        let all = vec![
            What::Grows { culprit: culprit(Cause::Held, None) },
            What::Grows { culprit: culprit(Cause::NoReferrer, None) },
            What::Grows { culprit: culprit(Cause::Uncollectable, None) },
            What::NativeGrows { block, bytes_per_second: 10_922.0 },
            What::PartGrows {
                part: "libraries/libfoo.so".into(),
                bytes: 5 << 20,
                bytes_per_second: 174_762.0,
            },
            What::NearLimit { headroom_bytes: 20 << 20, seconds: Some(7200.0) },
            What::NeverFreed { garbage: loose, through: vec!["hiredis.Reader".into()] },
            What::CollectorOff { garbage: loose },
            What::GarbageWaits { garbage: loose, bytes_per_second: 34_952.0 },
            What::Fills { culprit: culprit(Cause::Held, Some(1000)) },
            What::RssGrows { bytes: 9 << 20, bytes_per_second: 314_572.8 },
            What::Stopped,
        ];
        let finding =
            |what| Finding { severity: Weight::Problem, what, next: "m5 diff -p 7 --interval 5m".into() };
        Why {
            objectives_from: ObjectivesFrom::default(),
            schema: WHY_SCHEMA.into(),
            pid: 7,
            python: Some("3.12.1".into()),
            command: vec!["python".into(), "x".repeat(900), "two\nlines".into()],
            service: Some("shop/worker".into()),
            observed_seconds: 30.0,
            findings: all.into_iter().map(finding).collect(),
            account: Some(Account {
                rss_bytes: 9 << 20,
                parts: vec![PartGrowth { part: "native_blocks".into(), bytes: 9 << 20 }],
                blocks: Vec::new(),
            }),
            unseen: vec![
                Unseen::Objects { reason: "no\npermission".into() },
                Unseen::SlowGrowth { bytes_per_second: 546.0 },
                Unseen::References { explained: 0.9 },
                Unseen::Rss { explained: 0.8 },
                Unseen::Lines { reason: "not\nallowed".into() },
                Unseen::Pauses,
                Unseen::Children { count: 3 },
            ],
        }
    }

    #[test]
    fn whatever_was_found_is_told_in_twelve_lines() {
        let all = everything();
        for first in 0..all.findings.len() {
            for lang in [Lang::En, Lang::Zh] {
                let mut some = all.clone();
                some.findings.rotate_left(first);
                let text = why(&some, Style { lang, color: false });
                assert!(text.lines().count() <= LINES, "{text}");
                assert!(text.lines().all(|line| line.chars().count() < 400), "{text}");
                let next = some.findings.iter().take(TOLD).map(|f| f.next.as_str());
                assert!(next.clone().all(|command| text.contains(command)), "{text}");
            }
        }
    }

    #[test]
    fn in_english() {
        insta::assert_snapshot!(why(&everything(), Style::default()));
    }

    #[test]
    fn in_chinese() {
        let mut rest = everything();
        rest.findings.drain(..3);
        insta::assert_snapshot!(why(&rest, Style { lang: Lang::Zh, color: false }));
    }
}
