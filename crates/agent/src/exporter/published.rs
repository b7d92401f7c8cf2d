//! What was published last. Texts are made once per round of samples, so that a scrape costs a copy.

use crate::web::Source;
use axum::body::Bytes;
use m5_report::metrics::{Family, Format, render};
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Clone, Default)]
struct Texts {
    classic: Bytes,
    openmetrics: Bytes,
    data: Bytes,
}

/// The shared page.
#[derive(Debug, Default)]
pub struct Published {
    page: String,
    texts: Mutex<Texts>,
}

impl Published {
    /// Nothing but the page.
    #[must_use]
    pub fn new(page: String) -> Self {
        let texts = Texts { data: Bytes::from_static(b"null"), ..Texts::default() };
        Self { page, texts: Mutex::new(texts) }
    }

    /// Replaces what is shown.
    pub fn publish(&self, families: &[Family], data: String) {
        let texts = Texts {
            classic: render(families, Format::Text).into(),
            openmetrics: render(families, Format::OpenMetrics).into(),
            data: data.into(),
        };
        *self.texts.lock().unwrap_or_else(PoisonError::into_inner) = texts;
    }

    fn texts(&self) -> Texts {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Source for Published {
    fn metrics(&self, format: Format) -> Bytes {
        match format {
            Format::Text => self.texts().classic,
            Format::OpenMetrics => self.texts().openmetrics,
        }
    }

    fn page(&self) -> String {
        self.page.clone()
    }

    fn data(&self, what: &str) -> Option<Bytes> {
        (what == "processes.json").then(|| self.texts().data)
    }
}
