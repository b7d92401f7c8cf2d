//! Which setting helps: one run each, then the better ones in turns with the base, then proof. Pure: runs come in
//! through a trait.
//!
//! A run that chose a setting proves nothing of it. Proof is the gate's: the shift between base and setting by Hodges and
//! Lehmann, with the bounds of the rank test, at a level divided by the number of settings that are put to it.

use crate::tune::candidates::Setting;
use m5_report::tune::{Goal, GoalOutcome, Stage, Tried, TuneRun};
use m5_stats::compare::hodges_lehmann;
use m5_stats::median;

/// Settings that are put to the proof at the most.
const FINALISTS: usize = 4;
/// Chance of a recommendation where nothing helps.
const ALPHA: f64 = 0.05;
/// Less is no help, and that much more elsewhere is a cost.
const LEAST: f64 = 0.02;
const COST: f64 = 0.10;

/// Who runs the command.
pub trait Runner {
    /// Runs it once with a setting; the base has none. `Err` with the reason where that failed.
    fn run(&mut self, setting: Option<&Setting>) -> Result<TuneRun, String>;
    /// Whether to go on.
    fn goes_on(&self) -> bool {
        true
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Race {
    /// The base first, then every setting.
    pub tried: Vec<Tried>,
    /// What is recommended.
    pub recommended: Vec<(String, String)>,
    /// The same, where it is no variable of the environment.
    pub recommended_python: Vec<String>,
    /// Whether all runs were made.
    pub complete: bool,
}

/// Tries settings.
///
/// # Errors
/// Where the base itself does not run.
pub fn race(
    settings: &[Setting],
    runs: usize,
    goals: &[Goal],
    runner: &mut dyn Runner,
) -> Result<Race, String> {
    let goal = goals.first().copied().unwrap_or(Goal::Rss);
    let mut base = tried("base", None, Stage::Base);
    base.screening.push(runner.run(None)?);
    if base.screening.first().and_then(|r| goal.of(r)).is_none() {
        return Err("the collector's pauses cannot be seen here: name another goal first".to_owned());
    }
    let mut all: Vec<Tried> = settings.iter().map(|s| tried(&s.name, Some(s), Stage::Screened)).collect();
    for (setting, tried) in settings.iter().zip(&mut all) {
        if !runner.goes_on() {
            return Ok(ended(base, all));
        }
        one(setting, tried, runner, |t| &mut t.screening);
    }
    let mut order: Vec<usize> =
        (0..all.len()).filter(|i| all.get(*i).is_some_and(|t| t.failure.is_none())).collect();
    let screened = |i: &usize| {
        all.get(*i).and_then(|t| t.screening.first()).and_then(|r| goal.of(r)).unwrap_or(f64::MAX)
    };
    order.sort_by(|a, b| screened(a).total_cmp(&screened(b)));
    let promising = base.screening.first().and_then(|r| goal.of(r)).unwrap_or(0.0);
    order.truncate(order.len().div_ceil(2).min(FINALISTS));
    order.retain(|i| screened(i) < promising * (1.0 + LEAST));
    if !turns(settings, &mut base, &mut all, &order, runs, runner)? {
        return Ok(ended(base, all));
    }
    let mut proved: Vec<usize> = Vec::new();
    for i in &order {
        let Some(tried) = all.get_mut(*i).filter(|t| t.failure.is_none()) else { continue };
        judge(&base, tried, goals, ALPHA / order.len() as f64);
        if tried.stage == Stage::Proved {
            proved.push(*i);
        }
    }
    let chosen: Vec<&Setting> =
        best_first(proved, &all, goals).iter().filter_map(|i| settings.get(*i)).collect();
    let Some(best) = chosen.first() else {
        return Ok(Race { complete: true, ..ended(base, all) });
    };
    let mut recommended = (*best).clone();
    let mut complete = true;
    if let Some(second) = chosen.iter().skip(1).find(|other| best.goes_with(other)) {
        let both = best.and(second);
        let mut pair = tried(&both.name, Some(&both), Stage::Raced);
        let mut alone = tried(&best.name, Some(best), Stage::Raced);
        complete = against(best, &both, &mut alone, &mut pair, runs, runner);
        if complete && pair.failure.is_none() && alone.failure.is_none() {
            judge(&alone, &mut pair, goals, ALPHA);
            if pair.stage == Stage::Proved {
                recommended = both;
            }
        }
        all.push(pair);
    }
    let recommended_python = recommended.python();
    Ok(Race { tried: with(base, all), recommended: recommended.environment, recommended_python, complete })
}

/// By the first goal; where that makes no difference that would be a help, by the next.
fn best_first(mut proved: Vec<usize>, all: &[Tried], goals: &[Goal]) -> Vec<usize> {
    let ratio = |i: usize, goal: Goal| {
        let outcomes = all.get(i).map_or(&[][..], |t| &t.outcomes);
        outcomes.iter().find(|o| o.goal == goal).map_or(1.0, |o| o.ratio)
    };
    let mut sorted = Vec::new();
    while !proved.is_empty() {
        let mut equals = proved.clone();
        for goal in goals {
            let best = equals.iter().map(|i| ratio(*i, *goal)).fold(f64::MAX, f64::min);
            equals.retain(|i| ratio(*i, *goal) <= best * (1.0 + LEAST));
        }
        let Some(best) = equals.first().copied() else { break };
        proved.retain(|i| *i != best);
        sorted.push(best);
    }
    sorted
}

fn tried(name: &str, setting: Option<&Setting>, stage: Stage) -> Tried {
    Tried {
        name: name.to_owned(),
        environment: setting.map_or_else(Vec::new, |s| s.environment.clone()),
        python: setting.map_or_else(Vec::new, Setting::python),
        stage,
        failure: None,
        screening: Vec::new(),
        runs: Vec::new(),
        outcomes: Vec::new(),
    }
}

fn with(base: Tried, all: Vec<Tried>) -> Vec<Tried> {
    std::iter::once(base).chain(all).collect()
}

fn ended(base: Tried, all: Vec<Tried>) -> Race {
    let (recommended, recommended_python) = (Vec::new(), Vec::new());
    Race { tried: with(base, all), recommended, recommended_python, complete: false }
}

/// One run; a setting with which it fails is out.
fn one(
    setting: &Setting,
    tried: &mut Tried,
    runner: &mut dyn Runner,
    runs: fn(&mut Tried) -> &mut Vec<TuneRun>,
) {
    if tried.failure.is_some() {
        return;
    }
    match runner.run(Some(setting)) {
        Ok(run) => runs(tried).push(run),
        Err(reason) if runner.goes_on() => {
            tried.stage = Stage::Failed;
            tried.failure = Some(reason);
        }
        Err(_) => {}
    }
}

/// Base and finalists in turns, each time another one first; false where it was asked to end.
fn turns(
    settings: &[Setting],
    base: &mut Tried,
    all: &mut [Tried],
    order: &[usize],
    runs: usize,
    runner: &mut dyn Runner,
) -> Result<bool, String> {
    for i in order {
        if let Some(tried) = all.get_mut(*i) {
            tried.stage = Stage::Raced;
        }
    }
    for round in 0..if order.is_empty() { 0 } else { runs } {
        for turn in 0..=order.len() {
            if !runner.goes_on() {
                return Ok(false);
            }
            // Place 0 is the base.
            match (turn + round) % (order.len() + 1) {
                0 => match runner.run(None) {
                    Ok(run) => base.runs.push(run),
                    Err(_) if !runner.goes_on() => return Ok(false),
                    Err(reason) => return Err(reason),
                },
                place => {
                    let i = order.get(place - 1).copied().unwrap_or_default();
                    if let (Some(setting), Some(tried)) = (settings.get(i), all.get_mut(i)) {
                        one(setting, tried, runner, |t| &mut t.runs);
                    }
                }
            }
        }
    }
    Ok(runner.goes_on())
}

/// Two settings in turns.
fn against(
    one_setting: &Setting,
    other: &Setting,
    first: &mut Tried,
    second: &mut Tried,
    runs: usize,
    runner: &mut dyn Runner,
) -> bool {
    for round in 0..runs {
        let mut pair = [(one_setting, &mut *first), (other, &mut *second)];
        if round % 2 == 1 {
            pair.reverse();
        }
        for (setting, tried) in pair {
            if !runner.goes_on() {
                return false;
            }
            one(setting, tried, runner, |t| &mut t.runs);
        }
    }
    runner.goes_on()
}

/// Holds a setting's runs against those of the base: the first goal decides, the others must not cost.
fn judge(base: &Tried, tried: &mut Tried, goals: &[Goal], alpha: f64) {
    let outcome = |goal: Goal| {
        let value = |r: &TuneRun| goal.of(r).map(|v| v.max(least(goal, r)).ln());
        let logs = |t: &Tried| t.runs.iter().map(value).collect::<Option<Vec<_>>>();
        let shift = hodges_lehmann(&logs(base)?, &logs(tried)?, alpha)?;
        let bound = |b: Option<f64>| b.map(f64::exp);
        Some(GoalOutcome {
            goal,
            ratio: shift.shift.exp(),
            lower: bound(shift.lower),
            upper: bound(shift.upper),
        })
    };
    tried.outcomes = Goal::ALL.into_iter().filter_map(outcome).collect();
    let first = goals.first().copied().unwrap_or(Goal::Rss);
    let helps = |o: &&GoalOutcome| o.goal == first && o.upper.is_some_and(|upper| upper < 1.0 - LEAST);
    let costs = |o: &GoalOutcome| o.goal != first && o.lower.is_some_and(|lower| lower > 1.0 + COST);
    let enough = median(&tried.runs.iter().filter_map(|r| first.of(r)).collect::<Vec<_>>()).is_some();
    if enough && tried.outcomes.iter().any(|o| helps(&o)) {
        tried.stage = if tried.outcomes.iter().any(costs) { Stage::Costly } else { Stage::Proved };
    }
}

/// Values below that are all the same: a hundredth of a percent of the time spent in pauses is no matter.
fn least(goal: Goal, run: &TuneRun) -> f64 {
    match goal {
        Goal::Pause => (run.elapsed_seconds * 1e-4).max(1e-5),
        // Two ticks of the kernel's clock.
        Goal::Cpu => 0.02,
        Goal::Rss | Goal::Peak => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::candidates::candidates;
    use m5_stats::Random;

    /// A program of which the settings change what a function says, with noise of its own and a machine that drifts.
    struct Program<'a> {
        effect: &'a dyn Fn(&str) -> f64,
        noise: f64,
        random: Random,
        runs: usize,
    }

    impl Program<'_> {
        /// About normal, as the sum of twelve.
        fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.random.unit()).sum::<f64>() - 6.0
        }
    }

    impl Runner for Program<'_> {
        fn run(&mut self, setting: Option<&Setting>) -> Result<TuneRun, String> {
            self.runs += 1;
            let drift = 1.0 + 0.001 * self.runs as f64;
            let rss = 1e8 * setting.map_or(1.0, |s| (self.effect)(&s.name)) * drift;
            let rss = rss * (self.noise * self.normal()).exp();
            let pause_seconds = Some(0.5);
            Ok(TuneRun {
                rss_bytes: rss,
                peak_rss_bytes: rss,
                pause_seconds,
                cpu_seconds: 1.0,
                elapsed_seconds: 1.0,
            })
        }
    }

    fn outcome(effect: &dyn Fn(&str) -> f64, noise: f64, seed: u64) -> (Race, usize) {
        let (settings, _) = candidates(|_| None);
        let random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut program = Program { effect, noise, random, runs: 0 };
        (race(&settings, 5, &[Goal::Rss], &mut program).unwrap(), program.runs)
    }

    #[test]
    fn where_nothing_helps_nothing_is_recommended() {
        for noise in [0.003, 0.05, 0.3] {
            let wrong =
                (0..200).filter(|seed| !outcome(&|_| 1.0, noise, *seed).0.recommended.is_empty()).count();
            assert!(wrong <= 10, "{wrong} of 200 with a noise of {noise}");
        }
    }

    #[test]
    fn what_helps_is_found_and_a_bad_setting_costs_one_run() {
        let effect = |name: &str| match name {
            "arenas-2" => 0.6,
            "no-tcache" => 1.5,
            _ => 1.0,
        };
        let found = (0..50)
            .filter(|seed| {
                let (race, _) = outcome(&effect, 0.03, *seed);
                let bad = race.tried.iter().find(|t| t.name == "no-tcache").unwrap();
                assert!(bad.stage == Stage::Screened && bad.runs.is_empty());
                race.recommended == [("MALLOC_ARENA_MAX".to_owned(), "2".to_owned())]
            })
            .count();
        assert!(found >= 48, "{found} of 50");
    }

    #[test]
    fn where_the_first_goal_makes_no_difference_the_next_decides() {
        let of = |name: &str, rss: f64, cpu: f64| {
            let outcome = |goal, ratio| GoalOutcome { goal, ratio, lower: None, upper: None };
            Tried {
                outcomes: vec![outcome(Goal::Rss, rss), outcome(Goal::Cpu, cpu)],
                ..tried(name, None, Stage::Proved)
            }
        };
        let all = [of("a", 0.500, 1.08), of("b", 0.505, 0.90), of("c", 0.800, 0.50)];
        let sorted = |goals: &[Goal]| best_first(vec![0, 1, 2], &all, goals);
        assert_eq!(sorted(&[Goal::Rss]), [0, 1, 2]);
        assert_eq!(sorted(&[Goal::Rss, Goal::Cpu]), [1, 0, 2]);
        assert_eq!(sorted(&[Goal::Cpu, Goal::Rss]), [2, 1, 0]);
    }

    #[test]
    fn two_that_help_together_are_recommended_together() {
        let effect = |name: &str| {
            let arenas = if name.contains("arenas-2") { 0.6 } else { 1.0 };
            let trim = if name.contains("trim-128k") { 0.7 } else { 1.0 };
            arenas * trim
        };
        let (race, _) = outcome(&effect, 0.01, 7);
        assert_eq!(race.recommended.len(), 2, "{race:?}");
    }

    #[test]
    fn a_setting_with_which_it_fails_is_out_and_a_base_that_fails_is_an_error() {
        struct Fails(&'static str);
        impl Runner for Fails {
            fn run(&mut self, setting: Option<&Setting>) -> Result<TuneRun, String> {
                match setting.map_or("base", |s| s.name.as_str()) {
                    name if name == self.0 => Err("exit status: 1".to_owned()),
                    _ => Ok(TuneRun {
                        rss_bytes: 1e8,
                        peak_rss_bytes: 1e8,
                        pause_seconds: None,
                        cpu_seconds: 1.0,
                        elapsed_seconds: 1.0,
                    }),
                }
            }
        }
        let (settings, _) = candidates(|_| None);
        let done = race(&settings, 5, &[Goal::Rss], &mut Fails("pad-0")).unwrap();
        let failed = done.tried.iter().find(|t| t.name == "pad-0").unwrap();
        assert!(failed.stage == Stage::Failed && failed.failure.is_some() && done.recommended.is_empty());
        assert!(race(&settings, 5, &[Goal::Rss], &mut Fails("base")).is_err());
        let unseen = race(&settings, 5, &[Goal::Pause], &mut Fails("pad-0")).unwrap_err();
        assert!(unseen.contains("cannot be seen"), "{unseen}");
    }
}
