//! What was published last. Texts are made once a round of samples for those who ask about as often, so that a scrape costs
//! a copy, and when they are asked for, for those who ask now and then: what nobody reads costs neither time nor memory.

use crate::web::{Bytes, Source, Wanted};
use flate2::{Compression, write::GzEncoder};
use m5_report::metrics::{Family, Format, render};
use rustix::event::{EventfdFlags, eventfd};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Classic and OpenMetrics, the same two packed, the values behind the page.
const KINDS: usize = 5;
const DATA: usize = 4;

#[derive(Debug, Default)]
struct Texts {
    /// Of the last round of samples.
    made: [Option<Bytes>; KINDS],
    asked: [Option<Instant>; KINDS],
}

/// The shared page.
#[derive(Debug)]
pub struct Published {
    page: String,
    texts: Mutex<Texts>,
    /// Wakes whoever makes texts.
    bell: Option<OwnedFd>,
    rung: AtomicBool,
}

impl Published {
    /// Nothing but the page.
    #[must_use]
    pub fn new(page: String) -> Self {
        // Without a bell texts are made a little later.
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        Self { page, texts: Mutex::default(), bell, rung: AtomicBool::new(false) }
    }

    /// There are new samples: what was made is of the past.
    pub fn outdate(&self) {
        self.lock().made = Default::default();
    }

    /// What becomes readable when somebody asks for something that is still to be made.
    #[must_use]
    pub fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.bell.as_ref().map(AsFd::as_fd)
    }

    /// Makes what was asked for within that time and is not there.
    pub fn fill(
        &self,
        asked: Duration,
        families: impl FnOnce() -> Vec<Family>,
        data: impl FnOnce() -> String,
    ) {
        if self.rung.swap(false, Ordering::AcqRel)
            && let Some(bell) = &self.bell
        {
            // How often it was rung does not matter.
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
        let texts = self.lock();
        let due = [0, 1, 2, 3, 4].map(|kind: usize| {
            texts.made[kind].is_none() && texts.asked[kind].is_some_and(|at| at.elapsed() <= asked)
        });
        drop(texts);
        if due[..DATA].contains(&true) {
            let families = families();
            for format in [Format::Text, Format::OpenMetrics] {
                let [plain, packed] = [false, true].map(|packed| place(format, packed));
                if due[plain] || due[packed] {
                    let text = Bytes::from(render(&families, format));
                    if due[packed] {
                        self.lock().made[packed] = Some(pack(&text));
                    }
                    if due[plain] {
                        self.lock().made[plain] = Some(text);
                    }
                }
            }
        }
        if due[DATA] {
            let data = Bytes::from(data());
            self.lock().made[DATA] = Some(data);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Texts> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self, kind: usize) -> Option<Bytes> {
        self.lock().made[kind].clone()
    }
}

fn place(format: Format, packed: bool) -> usize {
    usize::from(format == Format::OpenMetrics) + if packed { 2 } else { 0 }
}

/// Fast rather than small: the text repeats itself so much that even this makes a fiftieth of it.
fn pack(text: &[u8]) -> Bytes {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into a Vec does not fail; if it did, nothing would come of it but an empty page.
    packer.write_all(text).and_then(|()| packer.finish()).unwrap_or_default().into()
}

impl Source for Published {
    fn is_making(&self, what: Wanted) -> bool {
        let kind = match what {
            Wanted::Metrics { format, packed } => place(format, packed),
            Wanted::Data => DATA,
        };
        let mut texts = self.lock();
        texts.asked[kind] = Some(Instant::now());
        let making = texts.made[kind].is_none();
        drop(texts);
        if making
            && !self.rung.swap(true, Ordering::AcqRel)
            && let Some(bell) = &self.bell
        {
            // It is full only where it was rung already.
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
        making
    }

    fn metrics(&self, format: Format) -> Bytes {
        self.made(place(format, false)).unwrap_or_default()
    }

    fn packed_metrics(&self, format: Format) -> Option<Bytes> {
        self.made(place(format, true))
    }

    fn page(&self) -> String {
        self.page.clone()
    }

    fn data(&self, what: &str) -> Option<Bytes> {
        (what == "processes.json").then(|| self.made(DATA).unwrap_or_else(|| Bytes::from_static(b"null")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_report::metrics::{Kind, Labels};
    use std::cell::Cell;
    use std::io::Read;

    const EVER: Duration = Duration::from_secs(3600);

    fn families() -> Vec<Family> {
        let mut family = Family::new("x", Kind::Gauge, "Things.");
        family.push(&Labels::new(), Some(1.0));
        vec![family]
    }

    #[test]
    fn what_nobody_asks_for_is_not_made_and_what_is_asked_for_is_made_each_round() {
        let (published, made) = (Published::new(String::new()), Cell::new([0, 0]));
        let round = |asked| {
            published.outdate();
            let count = |which: usize| {
                let mut counts = made.get();
                counts[which] += 1;
                made.set(counts);
            };
            let all = || {
                count(0);
                families()
            };
            let data = || {
                count(1);
                "[]".to_owned()
            };
            published.fill(asked, all, data);
            made.get()
        };
        assert_eq!(round(EVER), [0, 0]);
        let packed = Wanted::Metrics { format: Format::OpenMetrics, packed: true };
        assert!(published.is_making(packed));
        assert_eq!((round(EVER), round(EVER)), ([1, 0], [2, 0]));
        assert!(!published.is_making(packed));
        let mut text = String::new();
        let bytes = published.packed_metrics(Format::OpenMetrics).unwrap();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert!(text.contains("x 1"), "{text}");
        assert!(published.is_making(Wanted::Data));
        assert_eq!(round(EVER), [3, 1]);
        assert_eq!(published.data("processes.json").as_deref(), Some(&b"[]"[..]));
        assert_eq!(round(Duration::ZERO), [3, 1], "long ago");
        assert!(published.is_making(packed), "and it is not told again");
    }
}
