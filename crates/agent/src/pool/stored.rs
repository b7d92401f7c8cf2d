//! A watched process as a history keeps it: the record and the sample of a baseline.

use super::Member;
use crate::record::{collector_sample, describe, population_sample, process_sample, record_of, unread};
use m5_process::ticks_per_second;
use m5_report::doc::{ProcessRecord, Sample};

impl Member {
    /// What is known of it beside its samples. Secrets in its command line are masked.
    #[must_use]
    pub(crate) fn record(&self) -> ProcessRecord {
        let process = self.process();
        let interpreter = self.attached.interpreter.as_ref().zip(self.gc);
        ProcessRecord {
            interpreter: interpreter.map(|(interpreter, state)| describe(process, interpreter, state)),
            unread: self.attached.unread.as_ref().map(unread),
            cgroup: self.cgroup.clone(),
            application: self.application.clone(),
            service: Some(self.service().to_owned()),
            ..record_of(process, &self.reading.stat, &self.reading.status)
        }
    }

    /// When what is known of it was found out, CLOCK_MONOTONIC nanoseconds.
    #[must_use]
    pub(crate) fn known_ns(&self) -> u64 {
        self.attached.looked_ns
    }

    /// The last sample, with how many objects the collector keeps.
    #[must_use]
    pub(crate) fn stored_sample(&self) -> Sample {
        let mut sample = process_sample(&self.reading, 0.0, ticks_per_second());
        sample.connections = self.established();
        if let Some(cgroup) = self.cgroup.as_ref().filter(|_| self.cgroup_fresh) {
            sample.cgroup_current_bytes = cgroup.current_bytes;
            sample.cgroup_pressure_some_percent = cgroup.pressure_some_percent;
        }
        if let Some(state) = &self.gc {
            collector_sample(&mut sample, state);
            if let Some(population) = self.population() {
                population_sample(&mut sample, &population);
            }
        }
        sample
    }
}
