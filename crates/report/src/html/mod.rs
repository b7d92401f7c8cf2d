//! The page: live from an exporter, or saved as one file with its data inside. Everything is embedded; nothing
//! is fetched from anywhere else.

pub(crate) mod doc;

use crate::Lang;
use crate::shared::value_words::verdict_text;
use m5_stats::Verdict;
use std::collections::BTreeMap;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const TEXTS: &str = include_str!("texts.js");
const CHART: &str = include_str!("chart.js");
const SCRIPT: &str = include_str!("page.js");

/// The page. With `data` (the JSON of `m5.page/1`) it stands for itself; without, it asks the exporter.
#[must_use]
pub fn page(lang: Option<Lang>, data: Option<&str>) -> String {
    let lang = lang.map_or("", Lang::code);
    // `</script>` inside the data would end the element; JSON may spell `<` otherwise.
    let data = data.map_or_else(String::new, |json| json.replace('<', "\\u003c"));
    TEMPLATE
        .replace("{{lang}}", lang)
        .replace("{{style}}", STYLE)
        .replace("{{words}}", &words())
        .replace("{{texts}}", TEXTS)
        .replace("{{chart}}", CHART)
        .replace("{{script}}", SCRIPT)
        // The data comes last: nothing in it is taken for a place to fill.
        .replace("{{data}}", &data)
}

/// What verdicts are called, by language: the words of the terminal.
fn words() -> String {
    let all = [
        ("flat", Verdict::Flat),
        ("growing", Verdict::Growing),
        ("saturating", Verdict::Saturating),
        ("step", Verdict::Step),
        ("falling", Verdict::Falling),
        ("insufficient", Verdict::Insufficient),
    ];
    let of =
        |lang: Lang| all.map(|(key, verdict)| (key, lang.say(verdict_text(verdict)))).into_iter().collect();
    let words: BTreeMap<&str, BTreeMap<&str, &str>> = [("en", of(Lang::En)), ("zh", of(Lang::Zh))].into();
    serde_json::to_string(&words).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units;

    /// The page's numbers are the terminal's: `tests/page` holds the script to the same file.
    #[test]
    fn the_page_and_the_terminal_write_numbers_alike() {
        let all: Vec<(String, f64, String)> = serde_json::from_str(include_str!("units.json")).unwrap();
        for (what, value, text) in all {
            let said = match what.as_str() {
                "bytes" => units::bytes(value),
                "rate" => units::growth(value),
                "time" => units::time(value),
                "span" => units::span(value),
                _ => units::percent(value),
            };
            assert_eq!(said, text, "{what} of {value}");
        }
    }

    #[test]
    fn data_cannot_break_out_and_nothing_is_fetched_from_elsewhere() {
        let html = page(Some(Lang::Zh), Some(r#"{"a":"</script><b>"}"#));
        assert!(html.contains(r#"{"a":"\u003c/script>\u003cb>"}"#));
        assert!(html.contains("data-lang=\"zh\"") && !html.contains("{{"));
        assert!(!page(None, None).contains("https://"));
    }
}
