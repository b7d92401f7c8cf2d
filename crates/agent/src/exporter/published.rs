//! What was published last. Texts are made, and packed for those who scrape them packed, once per round of
//! samples, so that a scrape costs a copy.

use crate::web::Source;
use axum::body::Bytes;
use flate2::{Compression, write::GzEncoder};
use m5_report::metrics::{Family, Format, render};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Clone, Default)]
struct Texts {
    classic: Bytes,
    openmetrics: Bytes,
    /// The same two packed; empty where nobody asked for it yet.
    packed: [Bytes; 2],
    data: Bytes,
}

/// The shared page.
#[derive(Debug, Default)]
pub struct Published {
    page: String,
    texts: Mutex<Texts>,
    /// Whether a format, classic or OpenMetrics, is scraped packed.
    wanted: [AtomicBool; 2],
}

impl Published {
    /// Nothing but the page.
    #[must_use]
    pub fn new(page: String) -> Self {
        let texts = Texts { data: Bytes::from_static(b"null"), ..Texts::default() };
        Self { page, texts: Mutex::new(texts), wanted: Default::default() }
    }

    /// Replaces what is shown.
    pub fn publish(&self, families: &[Family], data: String) {
        let mut texts = Texts {
            classic: render(families, Format::Text).into(),
            openmetrics: render(families, Format::OpenMetrics).into(),
            packed: Default::default(),
            data: data.into(),
        };
        for format in [Format::Text, Format::OpenMetrics] {
            if self.wanted[place(format)].load(Ordering::Relaxed) {
                texts.packed[place(format)] = pack(texts.plain(format));
            }
        }
        *self.texts.lock().unwrap_or_else(PoisonError::into_inner) = texts;
    }

    fn texts(&self) -> Texts {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Texts {
    fn plain(&self, format: Format) -> &Bytes {
        match format {
            Format::Text => &self.classic,
            Format::OpenMetrics => &self.openmetrics,
        }
    }
}

fn place(format: Format) -> usize {
    usize::from(format == Format::OpenMetrics)
}

/// Fast rather than small: the text repeats itself so much that even this makes a fiftieth of it.
fn pack(text: &[u8]) -> Bytes {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into a Vec does not fail; if it did, the plain text would serve.
    packer.write_all(text).and_then(|()| packer.finish()).unwrap_or_default().into()
}

impl Source for Published {
    fn metrics(&self, format: Format) -> Bytes {
        self.texts().plain(format).clone()
    }

    fn packed_metrics(&self, format: Format) -> Option<Bytes> {
        self.wanted[place(format)].store(true, Ordering::Relaxed);
        Some(self.texts().packed[place(format)].clone()).filter(|packed| !packed.is_empty())
    }

    fn page(&self) -> String {
        self.page.clone()
    }

    fn data(&self, what: &str) -> Option<Bytes> {
        (what == "processes.json").then(|| self.texts().data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_report::metrics::{Kind, Labels};
    use std::io::Read;

    #[test]
    fn what_is_scraped_packed_is_packed_from_the_next_round_on() {
        let mut family = Family::new("x", Kind::Gauge, "Things.");
        family.push(&Labels::new(), Some(1.0));
        let published = Published::new(String::new());
        published.publish(&[family.clone()], String::new());
        assert_eq!(published.packed_metrics(Format::OpenMetrics), None);
        published.publish(&[family], String::new());
        let packed = published.packed_metrics(Format::OpenMetrics).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text.as_bytes(), published.metrics(Format::OpenMetrics));
        assert_eq!(published.packed_metrics(Format::Text), None, "nobody asked for it");
    }
}
