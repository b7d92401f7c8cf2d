//! The processes that are watched for days: found as they come, dropped as they go, each with its samples,
//! pauses and verdict in bounded memory. Exporter, watchdog and live views stand on it.

mod attached;
mod chart_points;
mod loops;
mod member;
mod past;
mod pauses;
mod selection;
mod slots;
mod stored;

pub use attached::Readable;
pub use chart_points::{ChartPoint, ChartPoints};
pub use loops::TurnsOf;
pub use member::{Member, Sampled};
pub use pauses::{OnPause, PAUSE_BOUNDS, PauseLog};
pub use selection::Selection;

use crate::{discover, service_names};
use loops::Loops;
use m5_process::{Cgroups, Identity, Process, SocketTables, monotonic_ns, nap_on, settle_memory};
use member::Place;
use past::Past;
use slots::Slots;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// How to watch.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// Which processes.
    pub selection: Selection,
    /// The most that tracing may add to a target's CPU, as a share; `None`: do not trace.
    pub max_overhead: Option<f64>,
    /// Trace at most so many processes.
    pub traced: usize,
    /// Memory at which time-to-limit aims where no cgroup sets one, bytes.
    pub limit: Option<f64>,
}

/// Everything that is watched.
pub struct Pool {
    options: PoolOptions,
    members: BTreeMap<Identity, Member>,
    refused: BTreeSet<Identity>,
    /// All that there were at the last look.
    listed: BTreeSet<i32>,
    /// Processes that executed something anew, and until when they are looked at in every round.
    renewed: BTreeMap<Identity, u64>,
    slots: Slots,
    past: Past,
    loops: Loops,
    cgroups: Cgroups,
    tables: SocketTables,
    /// What was charted of processes before they were watched here.
    charted: BTreeMap<Identity, ChartPoints>,
    turn: usize,
    errors: u64,
    /// Samples that failed since the start.
    pub sample_errors: u64,
}

impl Pool {
    /// Watches nothing yet.
    #[must_use]
    pub fn new(options: PoolOptions) -> Self {
        // A few for each process.
        m5_process::raise_descriptor_limit();
        Self {
            options,
            members: BTreeMap::new(),
            refused: BTreeSet::new(),
            listed: BTreeSet::new(),
            renewed: BTreeMap::new(),
            slots: Slots::default(),
            past: Past::default(),
            loops: Loops::default(),
            cgroups: Cgroups::default(),
            tables: SocketTables::default(),
            charted: BTreeMap::new(),
            turn: 0,
            errors: 0,
            sample_errors: 0,
        }
    }

    /// Goes on with charts that were begun by another.
    pub fn go_on_with(&mut self, charted: BTreeMap<Identity, ChartPoints>) {
        self.charted = charted;
    }

    /// Counts the turns of the event loops of services that ask for it: of processes that are found from now on.
    ///
    /// # Errors
    /// Why the kernel does not allow it; all else goes on.
    pub fn count_turns(&mut self, wanted: TurnsOf) -> Result<(), m5_kernel::Error> {
        self.loops.want(wanted)
    }

    /// Watches others from now on.
    pub fn select(&mut self, selection: Selection) {
        self.options.selection = selection;
        self.refused.clear();
        self.listed.clear();
    }

    /// Those that are watched now, in order of service and slot.
    #[must_use]
    pub fn members(&self) -> Vec<&Member> {
        let mut all: Vec<&Member> = self.members.values().collect();
        all.sort_by(|a, b| (a.service(), a.slot()).cmp(&(b.service(), b.slot())));
        all
    }

    /// Those whose interpreter may not be read.
    pub fn refused(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|m| m.refused())
    }

    /// Failed look-ups since the start.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Looks for processes that came and drops those that went.
    pub fn refresh(&mut self) {
        self.drop_ended();
        let Ok(pids) = self.options.selection.candidates() else {
            self.errors += 1;
            return;
        };
        let own = std::process::id() as i32;
        let (mut still, mut looked) = (BTreeSet::new(), false);
        // Who had this number at the last look has it still, nearly always: that is asked now and then.
        let all = self.turn.is_multiple_of(ASKED_AGAIN);
        let known = |pid: &i32| !all && self.listed.contains(pid);
        let (old, new): (Vec<i32>, Vec<i32>) =
            pids.iter().copied().filter(|pid| *pid != own).partition(known);
        for pid in old {
            let [from, to] = [0, u64::MAX].map(|start_ticks| Identity { pid, start_ticks });
            still.extend(self.refused.range(from..=to));
        }
        self.listed = pids.into_iter().collect();
        for process in new.into_iter().filter_map(|pid| Process::open(pid).ok()) {
            let identity = process.identity();
            if self.members.contains_key(&identity) {
                continue;
            }
            // What is no Python stays none, unless it executes another program: then its start time is the
            // same, so everything refused is looked at again now and then.
            let recheck = self.turn.is_multiple_of(RECHECK);
            if self.refused.contains(&identity) && !recheck {
                still.insert(identity);
                continue;
            }
            looked = true;
            if !self.admit(&process) {
                still.insert(identity);
            }
        }
        self.refused = still;
        if looked {
            // Looking for an interpreter takes far more than what is kept of it.
            settle_memory();
        }
        self.turn += 1;
    }

    fn admit(&mut self, process: &Process) -> bool {
        let identity = process.identity();
        let selection = &self.options.selection;
        if !selection.lists(identity) {
            return false;
        }
        // Where names are asked for they are read first: that takes less than to look for an interpreter.
        let named = (!selection.names.is_empty()).then(|| service_names(process));
        if named.as_ref().is_some_and(|names| !names.fits(&selection.names)) {
            return false;
        }
        let Some(found) = discover::look_at(process) else { return false };
        let service = named.unwrap_or_else(|| service_names(process)).service;
        let traced = self.members.values().filter(|m| m.attached.traced()).count();
        let asks = self.loops.asks(&service);
        // Who asks for both has half of it for each.
        let share = self.options.max_overhead.map(|share| if asks { share / 2.0 } else { share });
        let place = Place {
            overhead: share.filter(|_| traced < self.options.traced),
            asks_for_turns: asks,
            slot: self.slots.take(&service),
            anew: self.renewed.remove(&identity).is_some(),
            service: service.clone(),
        };
        let slot = place.slot;
        match Member::new(found, place) {
            Ok(mut member) => {
                if let Some(points) = self.charted.remove(&identity) {
                    member.go_on_with(points);
                }
                if let Some(share) = share.filter(|_| asks) {
                    self.loops.add(identity.pid, share);
                }
                self.members.insert(identity, member);
                true
            }
            Err(_) => {
                self.slots.free(&service, slot);
                self.errors += 1;
                false
            }
        }
    }

    /// Takes in what executed something anew, as soon as there is an interpreter in it.
    fn admit_anew(&mut self) -> Vec<Identity> {
        let now = monotonic_ns();
        self.renewed.retain(|_, until| now < *until);
        let looked_at: Vec<Identity> = self.renewed.keys().copied().collect();
        let open = |id: &Identity| Process::open(id.pid).ok().filter(|p| p.identity() == *id);
        looked_at.into_iter().filter(|id| open(id).is_some_and(|process| self.admit(&process))).collect()
    }

    fn drop_ended(&mut self) {
        let (slots, past, renewed) = (&mut self.slots, &mut self.past, &mut self.renewed);
        let (loops, listed) = (&mut self.loops, &mut self.listed);
        self.members.retain(|identity, member| {
            let keep = member.alive();
            if !keep {
                slots.free(member.service(), member.slot());
                loops.forget(identity.pid);
                listed.remove(&identity.pid);
                if let Some(life) = member.life() {
                    past.remember(member.service(), member.slot(), life);
                }
            }
            if !keep && member.replaced() {
                renewed.insert(*identity, monotonic_ns() + RENEWED_NS);
            }
            keep
        });
    }

    /// Whether the pauses or turns of any process are traced, so that they must be taken before they pile up.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.loops.any() || self.members.values().any(Member::traced)
    }

    /// Sleeps for so long, or until a signal comes, or until there are so many pauses that they should be taken; `bell` wakes
    /// it too.
    pub fn nap(&self, time: Duration, bell: Option<BorrowedFd<'_>>) {
        let fds: Vec<_> = self.members.values().flat_map(Member::wakers).chain(bell).collect();
        nap_on(&fds, time);
    }

    /// Takes the pauses that ended since the last call.
    pub fn drain(&mut self) {
        self.drain_heard(&mut |_, _, _| {});
    }

    /// The same; `on_pause` is told each of them.
    pub fn drain_heard(&mut self, on_pause: &mut OnPause<'_>) {
        for member in self.members.values_mut() {
            member.drain(on_pause);
        }
        self.loops.step();
    }

    /// Samples every process, and judges `judged` of them in turn.
    pub fn sample(&mut self, judged: usize) {
        let mut tables = std::mem::take(&mut self.tables);
        tables.begin_round();
        self.cgroups.begin_round();
        let all: Vec<Identity> = self.members.keys().copied().collect();
        self.sample_each(&all, &mut tables);
        let anew = self.admit_anew();
        self.sample_each(&anew, &mut tables);
        self.tables = tables;
        self.judge(judged);
    }

    fn sample_each(&mut self, identities: &[Identity], tables: &mut SocketTables) {
        let now = monotonic_ns();
        let mut ended = false;
        for identity in identities {
            match self.members.get_mut(identity).map(|member| member.sample(now, tables, &mut self.cgroups)) {
                Some(Sampled::Ended) => ended = true,
                Some(Sampled::Failed) => self.sample_errors += 1,
                Some(Sampled::Done) | None => {}
            }
            if let Some(member) = self.members.get_mut(identity).filter(|m| m.asks_for_turns) {
                let turns = self.loops.turns(member.process(), member.attached.interpreter.as_ref());
                member.turns = turns.or(member.turns.take());
            }
        }
        if ended {
            self.drop_ended();
        }
    }

    fn judge(&mut self, judged: usize) {
        let limit = self.options.limit;
        let mut due: Vec<&mut Member> = self.members.values_mut().filter(|m| m.due()).collect();
        due.sort_by_key(|m| m.judged_ns());
        for member in due.into_iter().take(judged.max(1)) {
            let past = self.past.of(member.service(), member.slot());
            member.judge(limit, past);
        }
    }
}

/// Everything that was no Python is looked at again every so many rounds; and whether it is who it was, every so many.
const RECHECK: usize = 20;
const ASKED_AGAIN: usize = 5;
/// How long after an exec a process is looked at in every round: its interpreter may take a while to start.
const RENEWED_NS: u64 = 60_000_000_000;
