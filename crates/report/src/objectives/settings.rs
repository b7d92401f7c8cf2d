//! An `m5.toml` from what was measured: each level is what was seen and room above it, with both in a comment.

use crate::doc::{Derived, ProcessRecord};
use crate::shared::units;
use m5_stats::counted;
use m5_stats::objectives::MIB;
use std::fmt::Write;

/// Room above the highest that was seen: until it passes, until it alerts.
const ROOM: [f64; 2] = [1.25, 1.5];
/// The same for what varies more from one minute to another: rates, pauses, counts.
const WIDE: [f64; 2] = [2.0, 4.0];
/// Pauses shorter than this need no objective of their own, seconds.
const SHORT: f64 = 0.005;
/// Characters of the command line that are shown.
const MOST_OF_COMMAND: usize = 100;

/// The settings file of a service, as text. What was not measured is left to the general objectives, and said.
#[must_use]
pub fn settings(process: &ProcessRecord, derived: &Derived) -> String {
    let mut out = String::new();
    let python = process.interpreter.as_ref().map_or("?", |i| i.version.as_str());
    let program =
        process.command.iter().map(|w| w.replace(char::is_control, " ")).collect::<Vec<_>>().join(" ");
    let mut program: String = program.chars().take(MOST_OF_COMMAND + 1).collect();
    if let Some((end, _)) = program.char_indices().nth(MOST_OF_COMMAND) {
        program.replace_range(end.., "…");
    }
    if let Some(service) = &process.service {
        program = format!("{service}: {program}");
    }
    let _ = write!(
        out,
        "# What is normal for this service, measured by `m5 init` in {}: CPython {python},\n# {program}\n#\n\
         # Each level is what was seen and room above it: look through them, and change what you know better.\n\
         # Measure while the service does its real work; a quiet minute gives levels that a busy one will miss.\n\
         # Sizes \"40MB\", times \"50ms\", shares \"5%\". `name = false` is not judged. `m5 health` shows each.\n\n\
         [objectives]\n",
        units::span(derived.observed_seconds),
    );
    memory(&mut out, process, derived);
    collector(&mut out, derived);
    resources(&mut out, process, derived);
    out.push_str(
        "\n# What `m5 watch` does about it: evidence first. Remove the marks to use it.\n\
         # [[watch.rule]]\n# name = \"memory-high\"\n# metric = \"rss\"\n",
    );
    let level = derived.memory.peak_rss_bytes.map_or_else(|| "1GB".to_owned(), |peak| mebibytes(peak * 2.0));
    let _ = write!(out, "# level = \"{level}\"\n# actions = [\"snapshot\"]\n");
    out
}

fn memory(out: &mut String, process: &ProcessRecord, derived: &Derived) {
    match derived.memory.peak_rss_bytes {
        Some(peak) => {
            let [pass, alert] = ROOM.map(|room| mebibytes(peak * room));
            let _ = write!(
                out,
                "# seen: a peak of {} since the process started\nrss_peak_bytes = {{ pass = \"{pass}\", alert = \"{alert}\" }}\n",
                units::bytes(peak)
            );
        }
        None => out.push_str("# the peak of RSS could not be read\n"),
    }
    let limit = process.memory_limit_bytes.map_or_else(|| "not known".to_owned(), |b| units::bytes(b as f64));
    let _ = write!(
        out,
        "# the tightest memory limit around it: {limit}\nrss_limit_ratio = {{ pass = \"80%\", alert = \"90%\" }}\n\
         # growth takes longer than this to measure: `m5 baseline`; a healthy service does not grow\n\
         growth_24h_ratio = {{ pass = \"5%\" }}\n"
    );
}

fn collector(out: &mut String, derived: &Derived) {
    let gc = derived.gc.as_ref();
    match gc.and_then(|gc| gc.pauses) {
        Some(pauses) => {
            let [pass, alert] = WIDE.map(|room| milliseconds(pauses.p95.max(SHORT / WIDE[0]) * room));
            let _ = write!(
                out,
                "# seen: a 95th percentile of {} in {} pauses\n\
                 gc_pause_p95_seconds = {{ pass = \"{pass}\", alert = \"{alert}\" }}\n",
                units::time(pauses.p95),
                gc.map_or(0, |gc| gc.seen),
            );
        }
        None => out.push_str(
            "# no pause was seen: the level that holds for any service\n\
             gc_pause_p95_seconds = { pass = \"50ms\", alert = \"100ms\" }\n",
        ),
    }
    for generation in 0..3 {
        let Some((gc, of)) = gc.and_then(|gc| Some((gc, gc.generations.get(generation)?))) else { continue };
        let Some(rate) = of.per_second.filter(|rate| *rate > 0.0) else { continue };
        // Of a few, many times as many may come in the next minute.
        let most = counted(of.collections)[1] / gc.seconds;
        let _ = write!(
            out,
            "# seen: {}, {} of them\ngc_gen{generation}_per_second = {{ pass = {} }}\n",
            units::rate(rate),
            of.collections,
            round_up((rate * WIDE[0]).max(most))
        );
    }
}

fn resources(out: &mut String, process: &ProcessRecord, derived: &Derived) {
    if let Some(fds) = derived.fds {
        let limit = process.fd_limit.map_or(f64::INFINITY, |limit| limit as f64);
        let [pass, alert] = WIDE.map(|room| (fds.max * room + 10.0).min(limit).round());
        let _ = write!(
            out,
            "# seen: at most {} open descriptors\nopen_fds = {{ pass = {pass}, alert = {alert} }}\n\
             fd_limit_ratio = {{ pass = \"50%\", alert = \"80%\" }}\n",
            fds.max
        );
    }
    if let Some(connections) = derived.connections.filter(|c| c.max > 0.0) {
        let pass = (connections.max * WIDE[0] + 5.0).round();
        let _ = writeln!(
            out,
            "# seen: {} to {} connections\nconnections = {{ pass = {pass} }}",
            connections.min, connections.max
        );
    }
}

/// Whole MiB, as the file spells them.
fn mebibytes(bytes: f64) -> String {
    format!("{}MB", (bytes / MIB).ceil().max(1.0))
}

fn milliseconds(seconds: f64) -> String {
    format!("{}ms", (seconds * 1e3).ceil())
}

/// Two digits, no less than the value.
fn round_up(value: f64) -> f64 {
    let unit = 10_f64.powf(value.log10().floor() - 1.0);
    // Away with what binary fractions leave behind, here and below.
    let rounded = (value / unit - 1e-9).ceil() * unit;
    (rounded * 1e6).round().max(1.0) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_level_is_below_what_was_seen() {
        for value in [0.001_23, 0.14, 1.0, 9.99, 733.3] {
            let rounded = round_up(value);
            assert!(rounded >= value && rounded <= value * 1.11, "{value} {rounded}");
        }
        assert_eq!(
            (round_up(0.28), mebibytes(90.2 * MIB), milliseconds(0.0423)),
            (0.28, "91MB".into(), "43ms".into())
        );
    }
}
