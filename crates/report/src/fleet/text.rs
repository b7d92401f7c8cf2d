//! `m5 fleet` for people.

use crate::doc::{Fleet as Document, Group};
use crate::shared::units;
use crate::text::{Align, Style, Table};
use crate::texts::Fleet;

/// How many of a group's instances are shown below the table.
const INSTANCES: usize = 3;

/// A table, the worst first, and below it the worst instances of what grows.
#[must_use]
pub fn fleet(document: &Document, style: Style) -> String {
    let lang = style.lang;
    if document.groups.is_empty() {
        return format!("{}\n", lang.say(Fleet::None));
    }
    let right = Align::Right;
    let mut table = Table::new(&[Align::Left, right, right, right, right, right, Align::Left], 0);
    let heads = [
        Fleet::Group,
        Fleet::Instances,
        Fleet::Growing,
        Fleet::Slope,
        Fleet::Floor,
        Fleet::NearLimit,
        Fleet::Verdict,
    ];
    table.row(heads.map(|h| style.bold(lang.say(h))));
    for group in &document.groups {
        table.row([
            name(group),
            group.instances.to_string(),
            group.growing_share.map_or_else(absent, units::percent),
            group.median_slope.map_or_else(absent, units::growth),
            group.median_floor.map_or_else(absent, units::bytes),
            group.near_limit.to_string(),
            verdict(group, style),
        ]);
    }
    let mut out = table.render();
    for group in document.groups.iter().filter(|g| g.named()) {
        out.push_str(&format!("\n{}\n", lang.fill(Fleet::Worst, &[&name(group)])));
        for one in group.judged.iter().take(INSTANCES) {
            let slope = one.assessment.slope.map_or_else(absent, units::growth);
            out.push_str(&format!("  {}  {slope}\n", one.instance));
        }
    }
    out
}

fn absent() -> String {
    "–".to_owned()
}

fn name(group: &Group) -> String {
    let values: Vec<&str> = group.labels.iter().map(|(_, value)| value.as_str()).collect();
    values.join(" ").trim().to_owned()
}

fn verdict(group: &Group, style: Style) -> String {
    let lang = style.lang;
    if group.judged.is_empty() {
        return style.dim(lang.say(Fleet::NotLooked));
    }
    if group.named() {
        return style.red(&lang.fill(Fleet::Leaks, &[&group.confirmed(), &group.judged.len()]));
    }
    style.green(lang.say(Fleet::Healthy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::doc::Instance;
    use m5_stats::{Assessment, Verdict};

    fn document() -> Document {
        let group = |version: &str, verdict, slope| Group {
            labels: vec![("service".into(), "engine".into()), ("version".into(), version.into())],
            instances: 60,
            growing_share: Some(if verdict == Verdict::Growing { 1.0 } else { 0.0 }),
            median_slope: Some(slope),
            median_floor: Some(64e6),
            near_limit: 0,
            judged: vec![Instance {
                instance: "host-1:9464".into(),
                assessment: Assessment { verdict, slope: Some(slope), ..Assessment::default() },
            }],
        };
        Document::ranked(vec![group("1.0", Verdict::Flat, 0.0), group("1.1", Verdict::Growing, 1165.0)])
    }

    #[test]
    fn english() {
        insta::assert_snapshot!(fleet(&document(), Style { lang: Lang::En, color: false }));
    }

    #[test]
    fn chinese() {
        insta::assert_snapshot!(fleet(&document(), Style { lang: Lang::Zh, color: false }));
    }
}
