//! One process as `m5 top` shows it: plain values, taken from what is watched.

use m5_agent::pool::{Member, Readable};
use m5_report::doc::{Criterion, ObjectivesFrom};
use m5_report::text::Style;
use m5_report::{Lang, text};
use m5_stats::{Assessment, Status, quantile, sorted};

/// What its service's objectives say of a process.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Judged {
    pub(super) criteria: Vec<Criterion>,
    pub(super) from: ObjectivesFrom,
}

/// One process.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) judged: Judged,
    pub(super) service: String,
    pub(super) pid: i32,
    /// Its start, in ticks, and when it was found to execute something anew: another execution has another one.
    pub(super) execution: (u64, Option<u64>),
    pub(super) ppid: i32,
    pub(super) command: String,
    pub(super) python: Option<String>,
    /// Somebody stopped it (SIGSTOP, a debugger).
    pub(super) stopped: bool,
    /// Cores in use between the last two samples.
    pub(super) cpu: Option<f64>,
    pub(super) threads: u64,
    /// Seconds since it started.
    pub(super) uptime: f64,
    pub(super) rss: Option<f64>,
    /// Resident memory over the time watched: Unix seconds, bytes.
    pub(super) trend: Vec<(f64, f64)>,
    pub(super) memory: Assessment,
    pub(super) limit: Option<f64>,
    /// Collections since it started, by generation.
    pub(super) collections: Option<[u64; 3]>,
    pub(super) pause_p95: Option<f64>,
    pub(super) longest: Option<f64>,
    /// Pauses seen of collections that happened.
    pub(super) coverage: Option<f64>,
    pub(super) fds: Option<u64>,
    pub(super) connections: Option<u64>,
    /// The latest pauses, the newest first: seconds, generation.
    pub(super) pauses: Vec<(f64, Option<u8>)>,
}

impl Row {
    /// A watched process as a row.
    pub(super) fn of(member: &Member, judged: Judged) -> Self {
        let pauses: Vec<(f64, Option<u8>)> =
            member.pauses.latest().rev().map(|p| (p.duration_ns as f64 / 1e9, p.generation)).collect();
        let lengths = sorted(&pauses.iter().map(|(s, _)| *s).collect::<Vec<_>>());
        let (stat, process) = (&member.reading.stat, member.process());
        let now = m5_process::unix_ns() as f64 / 1e9;
        Self {
            judged,
            service: named(member.service(), member.slot()),
            pid: member.identity().pid,
            execution: (member.identity().start_ticks, member.anew_ns()),
            ppid: stat.ppid,
            command: text::command(&m5_agent::record::redact(&process.command().unwrap_or_default())),
            python: match member.readable() {
                Readable::Yes(layout) => Some(layout.clone()),
                Readable::No(_) => None,
            },
            stopped: matches!(stat.state, 'T' | 't'),
            cpu: member.cpu,
            threads: stat.threads,
            uptime: (now - member.started_unix_seconds()).max(0.0),
            rss: member.reading.status.rss_bytes.map(|b| b as f64),
            trend: member.chart_points().map(|m| (m.unix_seconds, m.rss_bytes)).collect(),
            memory: member.assessment(),
            limit: member.limit_bytes(),
            collections: member.gc.map(|gc| gc.generations.map(|g| g.collections)),
            pause_p95: quantile(&lengths, 0.95),
            longest: member.pauses.longest_seconds(),
            coverage: member.pauses.coverage.ratio().filter(|_| member.traced()),
            fds: member.reading.fds.as_ref().map(|f| f.total),
            connections: member.established(),
            pauses,
        }
    }

    /// Whether a word stands in its name, its command or its pid, whatever the case.
    pub(super) fn matches(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let texts = [self.service.to_lowercase(), self.command.to_lowercase(), self.pid.to_string()];
        texts.iter().any(|text| text.contains(&word))
    }

    /// The objectives that it misses.
    pub(super) fn missed(&self) -> impl Iterator<Item = &Criterion> {
        self.judged.criteria.iter().filter(|c| matches!(c.status, Status::Warn | Status::Fail))
    }

    /// What it misses of its objectives, or how many it meets, and where those come from.
    pub(super) fn goals(&self, lang: Lang) -> String {
        let style = Style { lang, color: false };
        let missed: Vec<String> = self.missed().map(|c| text::objective(c, lang)).collect();
        let summary = text::summary(&self.judged.criteria, style);
        let from = match self.judged.from == ObjectivesFrom::default() {
            true => String::new(),
            false => text::objectives_from(&self.judged.from, self.pid, lang),
        };
        [summary.trim_end(), &missed.join(" · "), &from].map(str::trim).join(" ").trim_end().to_owned()
    }

    /// What its memory does, in a word.
    pub(super) fn verdict(&self, lang: Lang) -> &'static str {
        if self.stopped {
            return lang.say(m5_report::texts::Top::Stopped);
        }
        lang.say(text::verdict_text(self.memory.verdict))
    }

    /// The same with what it rests on.
    pub(super) fn evidence(&self, lang: Lang) -> String {
        text::growth_evidence(&self.memory, Style { lang, color: false })
    }
}

/// The first of a service bears its name alone.
fn named(service: &str, slot: usize) -> String {
    if slot == 0 { service.to_owned() } else { format!("{service}·{slot}") }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use m5_stats::Verdict;

    pub(in super::super) fn row(service: &str, pid: i32, rss: f64) -> Row {
        Row {
            judged: Judged::default(),
            service: service.to_owned(),
            pid,
            execution: (1, None),
            ppid: 1,
            command: format!("python -m {service} --port 8000"),
            python: Some("3.11".to_owned()),
            stopped: false,
            cpu: Some(0.254),
            threads: 4,
            uptime: 7260.0,
            rss: Some(rss),
            trend: [1.0, 2.0, 3.0, 5.0, 8.0].iter().zip(0..).map(|(v, i)| (f64::from(i), v * 1e6)).collect(),
            memory: Assessment {
                verdict: Verdict::Flat,
                slope: Some(100.0),
                level: Some(rss),
                ..Assessment::default()
            },
            limit: None,
            collections: Some([120, 10, 1]),
            pause_p95: Some(0.0123),
            longest: Some(0.049),
            coverage: Some(1.0),
            fds: Some(16),
            connections: Some(5),
            pauses: vec![(0.0123, Some(0)), (0.049, Some(2))],
        }
    }

    #[test]
    fn a_filter_finds_names_commands_and_pids() {
        let row = row("引擎", 4711, 1.0);
        assert!(row.matches("引") && row.matches("PORT 80") && row.matches("471") && !row.matches("web"));
    }

    #[test]
    fn what_is_stopped_is_called_stopped() {
        let row = Row { stopped: true, ..row("a", 1, 1.0) };
        assert_eq!((row.verdict(Lang::En), row.verdict(Lang::Zh)), ("stopped", "已暂停运行"));
    }
}
