//! Values that a settings file may hold as text: `"5%"`, `"0.1MB/min"`.

use super::{parse_duration, parse_size};

/// Parses `5%` or `0.05`.
pub(crate) fn parse_ratio(text: &str) -> Result<f64, String> {
    let (number, factor) = text.trim().strip_suffix('%').map_or((text, 1.0), |n| (n, 0.01));
    let value: f64 = number.trim().parse().map_err(|_| "not a ratio: use 5% or 0.05".to_owned())?;
    if value.is_finite() { Ok(value * factor) } else { Err("not a ratio: use 5% or 0.05".to_owned()) }
}

/// Parses `0.1MB/min` into bytes per second.
pub(crate) fn parse_rate_per_minute(text: &str) -> Result<f64, String> {
    let (amount, per) = text.split_once('/').ok_or("not a rate: use 0.1MB/min")?;
    let per = per.trim();
    let per = if per.starts_with(|c: char| c.is_ascii_digit()) { per.to_owned() } else { format!("1{per}") };
    let size = parse_size(amount)? as f64;
    Ok(size / parse_duration(&per)?.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_rates() {
        assert_eq!(parse_ratio("5%"), Ok(0.05));
        assert_eq!(parse_ratio("0.05"), Ok(0.05));
        assert!(parse_ratio("x%").is_err());
        let rate = parse_rate_per_minute("6MB/min").unwrap();
        assert!((rate - 104_857.6).abs() < 1e-6);
        assert!(parse_rate_per_minute("6MB").is_err());
    }
}
