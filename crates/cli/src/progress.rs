//! A progress bar, on a terminal only.

use crate::ctx::Ctx;
use indicatif::{ProgressBar, ProgressStyle};
use m5_agent::record::Progress;
use m5_report::texts::{Say, Soak};
use m5_report::{Lang, units};
use std::io::Write;
use std::time::Duration;

/// The bar of one recording; it draws nothing where standard error is no terminal.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    lang: Lang,
}

impl Bar {
    /// A bar over a span of time.
    pub(crate) fn new(ctx: &Ctx, total: Duration) -> Self {
        let bar =
            if ctx.progress { ProgressBar::new(total.as_millis() as u64) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        Self { bar, lang: ctx.lang }
    }

    /// Shows how far the recording is.
    pub(crate) fn show(&self, progress: &Progress) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position((progress.elapsed_seconds * 1e3) as u64);
        let rss = progress.rss_bytes.map_or_else(|| "–".to_owned(), |b| units::bytes(b as f64));
        let left = self.bar.length().unwrap_or(0) as f64 / 1e3 - progress.elapsed_seconds;
        let message = self.lang.fill(Say::Progress, &[&rss, &progress.pauses, &units::span(left.max(0.0))]);
        self.bar.set_message(message);
    }

    /// Shows how far a soak test is, on its own clock.
    pub(crate) fn show_time(&self, done_seconds: f64, rss_bytes: Option<u64>) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position((done_seconds * 1e3) as u64);
        let rss = rss_bytes.map_or_else(|| "–".to_owned(), |b| units::bytes(b as f64));
        let left = self.bar.length().unwrap_or(0) as f64 / 1e3 - done_seconds;
        self.bar.set_message(self.lang.fill(Soak::Progress, &[&rss, &units::span(left.max(0.0))]));
    }

    /// Says something above the bar; on standard error where there is no bar.
    pub(crate) fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            let _ = writeln!(std::io::stderr(), "{line}");
        } else {
            self.bar.println(line);
        }
    }

    /// Takes the bar away again.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar over a number of steps.
#[derive(Debug)]
pub(crate) struct Counter(ProgressBar);

impl Counter {
    /// A bar over so many steps.
    pub(crate) fn new(ctx: &Ctx, steps: usize) -> Self {
        let bar = if ctx.progress { ProgressBar::new(steps as u64) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Shows how many of them are done.
    pub(crate) fn set(&self, done: usize) {
        self.0.set_position(done as u64);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
