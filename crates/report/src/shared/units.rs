//! Numbers for people: MiB, ms and µs, percent, durations. JSON never goes through here.

/// Bytes as `512 B`, `1.5 KiB`, `38.2 MiB`, `1.20 GiB`.
#[must_use]
pub fn bytes(value: f64) -> String {
    let (sign, size) = if value < 0.0 { ("-", -value) } else { ("", value) };
    match size {
        s if s < 1024.0 => format!("{sign}{s:.0} B"),
        s if s < 1_048_576.0 => format!("{sign}{:.1} KiB", s / 1024.0),
        s if s < 1_073_741_824.0 => format!("{sign}{:.1} MiB", s / 1_048_576.0),
        s => format!("{sign}{:.2} GiB", s / 1_073_741_824.0),
    }
}

/// MiB a minute from bytes a second, with its sign; what is nothing to three places falls no more than it grows.
#[must_use]
pub fn growth(bytes_per_second: f64) -> String {
    let rate = bytes_per_second * 60.0 / 1_048_576.0;
    format!("{:+.3} MiB/min", if rate.abs() < 5e-4 { 0.0 } else { rate })
}

/// A short time: `850 ns`, `12.3 µs`, `4.56 ms`, `1.20 s`.
#[must_use]
pub fn time(seconds: f64) -> String {
    match seconds.abs() {
        0.0 => "0".to_owned(),
        s if s < 1e-6 => format!("{:.0} ns", seconds * 1e9),
        s if s < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        s if s < 1.0 => format!("{:.2} ms", seconds * 1e3),
        s if s < 120.0 => format!("{seconds:.2} s"),
        _ => span(seconds),
    }
}

/// A long time: `90 s`, `5 min`, `1 h 30 min`, `3 d 4 h`.
#[must_use]
pub fn span(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match whole {
        0..=1 => format!("{seconds:.1} s"),
        2..=119 => format!("{whole} s"),
        120..=3599 if whole.is_multiple_of(60) => format!("{minutes} min"),
        120..=3599 => format!("{minutes} min {} s", whole % 60),
        3600..=86_399 => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A share as percent: `0.05` is `5.0 %`.
#[must_use]
pub fn percent(ratio: f64) -> String {
    let digits = if ratio.abs() < 0.001 { 3 } else { 1 };
    format!("{:.*} %", digits, ratio * 100.0)
}

/// A change as percent with its sign.
#[must_use]
pub fn change(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

/// A count that may be a mean: whole numbers without decimals.
#[must_use]
pub fn count(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// Events a second: three significant digits.
#[must_use]
pub fn rate(per_second: f64) -> String {
    match per_second.abs() {
        r if r == 0.0 || r >= 100.0 => format!("{per_second:.0}/s"),
        r if r >= 1.0 => format!("{per_second:.1}/s"),
        _ => format!("{per_second:.3}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_people() {
        assert_eq!(bytes(40.0 * 1_048_576.0), "40.0 MiB");
        assert_eq!(bytes(-2048.0), "-2.0 KiB");
        assert_eq!(growth(104_857.6), "+6.000 MiB/min");
        assert_eq!(time(0.004_56), "4.56 ms");
        assert_eq!(time(12.34e-6), "12.3 µs");
        assert_eq!(
            (span(90.0), span(300.0), span(5400.0)),
            ("90 s".into(), "5 min".into(), "1 h 30 min".into())
        );
        assert_eq!((percent(0.05), percent(0.0004)), ("5.0 %".into(), "0.040 %".into()));
        assert_eq!(change(1.153), "+15.3 %");
        assert_eq!((rate(0.14), rate(6337.4)), ("0.140/s".into(), "6337/s".into()));
        assert_eq!((count(3.0), count(3.25)), ("3".into(), "3.2".into()));
    }
}
