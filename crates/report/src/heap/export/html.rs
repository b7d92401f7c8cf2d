//! One page that needs nothing else: a treemap of RSS, a table of types, a tree of holders; light and dark,
//! English and Chinese.

use crate::Lang;
use crate::heap::doc::SnapshotDoc;
use crate::texts::Part;
use std::collections::BTreeMap;

const PAGE: &str = include_str!("page.html");

/// The page.
///
/// # Errors
/// Never: the keys of the document are strings.
pub fn html(doc: &SnapshotDoc, lang: Lang) -> serde_json::Result<String> {
    let data = serde_json::to_string(doc)?;
    // Inside a script element only a `<` could end it; JSON strings may spell it otherwise.
    let data = data.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    let parts = serde_json::to_string(&labels())?;
    Ok(PAGE
        .replacen("__LANG__", lang.code(), 1)
        .replacen("__PARTS__", &parts, 1)
        .replacen("__DATA__", &data, 1))
}

/// Names of the parts of memory in each language, from the one catalogue.
fn labels() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let named = |lang: Lang| {
        let name = |id: &&'static str| Some((*id, lang.say(Part::of(id)?)));
        Part::IDENTIFIERS.iter().filter_map(name).collect()
    };
    BTreeMap::from([("en", named(Lang::En)), ("zh", named(Lang::Zh))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::testing::sample;

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
