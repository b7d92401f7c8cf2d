//! Sizes as people type them: `40MB`, `40MiB`, `512k`. Both spellings are powers of 1024, as the objectives
//! count: "40 MB" has always been 40 · 1024 · 1024 bytes for those who wrote them.

/// Parses a size in bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        other => return Err(format!("unknown unit `{other}`: use 40MB, 40MiB, 512KB or 2GB")),
    };
    let number: f64 =
        number.parse().map_err(|_| "not a size: use 40MB, 40MiB or a number of bytes".to_owned())?;
    let bytes = number * (1_u64 << shift) as f64;
    if bytes.is_finite() && bytes < 9e18 {
        Ok(bytes.round() as u64)
    } else {
        Err("a size must be under 8 EiB".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_people_type_them() {
        for (text, bytes) in
            [("40MB", 40 << 20), ("40MiB", 40 << 20), ("1.5g", 3 << 29), ("7", 7), ("2 KiB", 2048)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "-1MB", "4XB", "99999999TB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,12}") {
            let _ = parse_size(&text);
        }
    }
}
