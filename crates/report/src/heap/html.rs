//! One page that needs nothing else: a treemap of RSS, a table of types, a tree of holders; light and dark,
//! English and Chinese.

use super::doc::SnapshotDoc;
use crate::Lang;

const PAGE: &str = include_str!("page.html");

/// The page.
///
/// # Errors
/// Never: the keys of the document are strings.
pub fn html(doc: &SnapshotDoc, lang: Lang) -> serde_json::Result<String> {
    let data = serde_json::to_string(doc)?;
    // Inside a script element only a `<` could end it; JSON strings may spell it otherwise.
    let data = data.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    let lang = match lang {
        Lang::En => "en",
        Lang::Zh => "zh",
    };
    Ok(PAGE.replacen("__LANG__", lang, 1).replacen("__DATA__", &data, 1))
}

#[cfg(test)]
mod tests {
    use super::super::testing::sample;
    use super::*;

    #[test]
    fn the_page_is_whole_and_names_cannot_break_out() {
        let mut doc = sample();
        if let Some(heap) = &mut doc.heap {
            heap.types[0].type_name = "</script><script>alert(1)</script>".into();
        }
        let page = html(&doc, Lang::Zh).unwrap();
        assert!(!page.contains("</script><script>alert"));
        assert!(page.contains(r#"<html lang="zh""#) && page.trim_end().ends_with("</html>"));
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="));
    }
}
