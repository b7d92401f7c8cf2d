//! Samples in columns: one list for each quantity, all of one length, as a data frame reads them.

use serde::{Deserialize, Serialize};

macro_rules! samples {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        /// One sample: every quantity at one moment, absent where it could not be read.
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        pub struct Sample {
            /// Seconds since the recording began.
            pub t_seconds: f64,
            $($(#[$doc])* pub $name: Option<$kind>,)*
        }

        impl Sample {
            /// Names of the quantities, in the order of [`Sample::numbers`].
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The quantities, for a table that keeps them.
            #[must_use]
            pub fn numbers(&self) -> Vec<Option<Number>> {
                vec![$(self.$name.map(Number::from)),*]
            }

            /// Takes them back. `None` where there are not as many, or one is of another kind.
            #[must_use]
            pub fn from_numbers(t_seconds: f64, numbers: &[Option<Number>]) -> Option<Self> {
                let mut rest = numbers.iter();
                let sample = Self {
                    t_seconds,
                    $($name: match rest.next()? {
                        Some(number) => Some(<$kind>::try_from(*number).ok()?),
                        None => None,
                    },)*
                };
                rest.next().is_none().then_some(sample)
            }
        }

        /// The samples of one process. A column without any value is left out of the document.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        pub struct Samples {
            /// Seconds since the recording began, ascending.
            pub t_seconds: Vec<f64>,
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "empty")]
                pub $name: Vec<Option<$kind>>,
            )*
        }

        impl Samples {
            /// Adds a sample.
            pub fn push(&mut self, sample: &Sample) {
                self.t_seconds.push(sample.t_seconds);
                $(self.$name.push(sample.$name);)*
            }

            /// Brings a document's columns to one length.
            ///
            /// # Errors
            /// Names the column that is longer or shorter than the times, or times that do not ascend.
            pub fn complete(&mut self) -> Result<(), String> {
                let length = self.t_seconds.len();
                if !self.t_seconds.iter().all(|t| t.is_finite())
                    || self.t_seconds.windows(2).any(|pair| pair[0] >= pair[1])
                {
                    return Err("samples.t_seconds does not ascend".to_owned());
                }
                $(
                    if self.$name.is_empty() {
                        self.$name.resize(length, None);
                    }
                    if self.$name.len() != length {
                        let name = stringify!($name);
                        return Err(format!("samples.{name} has {} values, not {length}", self.$name.len()));
                    }
                )*
                Ok(())
            }
        }
    };
}

samples! {
    /// Resident memory.
    rss_bytes: u64;
    /// Highest resident memory so far (VmHWM).
    peak_rss_bytes: u64;
    /// Resident anonymous memory.
    anon_bytes: u64;
    /// Resident file pages.
    file_bytes: u64;
    /// Resident shared memory.
    shmem_bytes: u64;
    /// Swapped out.
    swap_bytes: u64;
    /// Address space.
    virtual_bytes: u64;
    /// Threads.
    threads: u64;
    /// CPU time so far, user and system.
    cpu_seconds: f64;
    /// Page faults so far that needed no disk.
    minor_faults: u64;
    /// Page faults so far that did.
    major_faults: u64;
    /// Context switches so far of its own accord.
    voluntary_switches: u64;
    /// Context switches so far forced on it.
    involuntary_switches: u64;
    /// Open descriptors.
    fds: u64;
    /// Of them files, directories and devices.
    fds_file: u64;
    /// Of them sockets.
    fds_socket: u64;
    /// Of them pipes.
    fds_pipe: u64;
    /// Of them epoll instances.
    fds_eventpoll: u64;
    /// Of them other anonymous inodes.
    fds_anon: u64;
    /// Of them memfds.
    fds_memfd: u64;
    /// Established TCP connections.
    connections: u64;
    /// Memory in use by the cgroup.
    cgroup_current_bytes: u64;
    /// Share of the last 10 s in which a task of the cgroup waited for memory, percent.
    cgroup_pressure_some_percent: f64;
    /// Collections of generation 0 so far.
    gc0_collections: u64;
    /// Collections of generation 1 so far.
    gc1_collections: u64;
    /// Collections of generation 2 so far.
    gc2_collections: u64;
    /// Objects freed by generation 0 so far.
    gc0_collected: u64;
    /// Objects freed by generation 1 so far.
    gc1_collected: u64;
    /// Objects freed by generation 2 so far.
    gc2_collected: u64;
    /// Objects so far that could not be freed, all generations.
    gc_uncollectable: u64;
    /// Objects that survived the last full collection, where the build counts them.
    gc_long_lived_objects: u64;
    /// Objects that the collector tracks now, where the build counts them; elsewhere while no collection ran since the
    /// beginning, without those that had survived one.
    gc_live_objects: u64;
    /// Bytes of the arenas of the small object allocator.
    python_arena_bytes: u64;
    /// Its blocks in use: up to 512 bytes each.
    python_small_blocks: u64;
    /// Bytes of them.
    python_small_block_bytes: u64;
    /// Larger blocks in use, where the build's count of them can be found.
    python_large_blocks: u64;
}

/// A quantity: counts and bytes are whole, times and shares are not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Whole.
    Whole(u64),
    /// Not.
    Real(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl TryFrom<Number> for u64 {
    type Error = Number;

    fn try_from(number: Number) -> Result<Self, Number> {
        if let Number::Whole(value) = number { Ok(value) } else { Err(number) }
    }
}

impl TryFrom<Number> for f64 {
    type Error = Number;

    fn try_from(number: Number) -> Result<Self, Number> {
        if let Number::Real(value) = number { Ok(value) } else { Err(number) }
    }
}

/// Whether a column holds nothing, so that a document need not carry it.
fn empty<T>(column: &[Option<T>]) -> bool {
    column.iter().all(Option::is_none)
}

impl Samples {
    /// Open descriptors of each kind.
    #[must_use]
    pub fn fd_kinds(&self) -> [(&'static str, &[Option<u64>]); 6] {
        [
            ("file", &self.fds_file),
            ("socket", &self.fds_socket),
            ("pipe", &self.fds_pipe),
            ("eventpoll", &self.fds_eventpoll),
            ("anon", &self.fds_anon),
            ("memfd", &self.fds_memfd),
        ]
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.t_seconds.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.t_seconds.is_empty()
    }

    /// Seconds from the first sample to the last.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        match (self.t_seconds.first(), self.t_seconds.last()) {
            (Some(first), Some(last)) => last - first,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_columns_are_left_out_and_come_back() {
        let mut samples = Samples::default();
        samples.push(&Sample { t_seconds: 0.5, rss_bytes: Some(7), ..Sample::default() });
        samples.push(&Sample { t_seconds: 1.5, ..Sample::default() });
        let text = serde_json::to_string(&samples).unwrap();
        assert_eq!(text, r#"{"t_seconds":[0.5,1.5],"rss_bytes":[7,null]}"#);
        let mut back: Samples = serde_json::from_str(&text).unwrap();
        back.complete().unwrap();
        assert_eq!(back, samples);
    }

    #[test]
    fn numbers_go_out_and_come_back() {
        let sample = Sample { t_seconds: 0.5, fds: Some(7), cpu_seconds: Some(0.25), ..Sample::default() };
        let numbers = sample.numbers();
        assert_eq!(numbers.len(), Sample::COLUMNS.len());
        assert_eq!(Sample::from_numbers(0.5, &numbers), Some(sample));
        assert_eq!(Sample::from_numbers(0.5, &numbers[1..]), None);
        assert_eq!(Sample::from_numbers(0.5, &vec![Some(Number::Real(1.0)); numbers.len()]), None);
    }

    #[test]
    fn uneven_columns_are_refused() {
        let mut uneven: Samples = serde_json::from_str(r#"{"t_seconds":[0.5,1.5],"fds":[7]}"#).unwrap();
        assert!(uneven.complete().unwrap_err().contains("fds"));
        let mut back: Samples = serde_json::from_str(r#"{"t_seconds":[1.5,0.5]}"#).unwrap();
        assert!(back.complete().is_err());
    }
}
