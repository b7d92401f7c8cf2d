//! The page: live from an exporter, or saved as one file with its data inside. Everything is embedded; nothing
//! is fetched from anywhere else.

pub(crate) mod doc;

use crate::Lang;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const TEXTS: &str = include_str!("texts.js");
const CHART: &str = include_str!("chart.js");
const SCRIPT: &str = include_str!("page.js");

/// The page. With `data` (the JSON of `m5.page/1`) it stands for itself; without, it asks the exporter.
#[must_use]
pub fn page(lang: Option<Lang>, data: Option<&str>) -> String {
    let lang = match lang {
        Some(Lang::En) => "en",
        Some(Lang::Zh) => "zh",
        None => "",
    };
    // `</script>` inside the data would end the element; JSON may spell `<` otherwise.
    let data = data.map_or_else(String::new, |json| json.replace('<', "\\u003c"));
    TEMPLATE
        .replace("{{lang}}", lang)
        .replace("{{style}}", STYLE)
        .replace("{{texts}}", TEXTS)
        .replace("{{chart}}", CHART)
        .replace("{{script}}", SCRIPT)
        // The data comes last: nothing in it is taken for a place to fill.
        .replace("{{data}}", &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_break_out_and_nothing_is_fetched_from_elsewhere() {
        let html = page(Some(Lang::Zh), Some(r#"{"a":"</script><b>"}"#));
        assert!(html.contains(r#"{"a":"\u003c/script>\u003cb>"}"#));
        assert!(html.contains("data-lang=\"zh\"") && !html.contains("{{"));
        assert!(!page(None, None).contains("https://"));
    }
}
