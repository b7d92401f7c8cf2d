//! What the signs of growth say together: small trees that were taught on families of series whose truth is known, and
//! judged on families that they were not taught on. `bench/verdicts/learn.py` makes the [`table`], and says how.

#[rustfmt::skip]
#[allow(clippy::approx_constant)]
mod table;

use super::signs::Signs;

/// A tree three questions deep: whether a sign is above a value; the answers are those of its leaves. The question after
/// the one at `i` is at `2 i + 1` where it is not, at `2 i + 2` where it is.
struct Tree {
    ask: [(u8, f64); 7],
    say: [f64; 8],
}

impl Tree {
    fn answer(&self, signs: &Signs) -> f64 {
        let mut at = 0;
        while let Some((sign, value)) = self.ask.get(at) {
            let above = signs.0.get(usize::from(*sign)).is_some_and(|s| s > value);
            at = 2 * at + 1 + usize::from(above);
        }
        self.say.get(at - self.ask.len()).copied().unwrap_or(0.0)
    }
}

/// How likely a series with these signs grows, where as many do as do not.
pub(super) fn growth(signs: &Signs) -> f64 {
    let sum: f64 = table::GROWTH.iter().map(|tree| tree.answer(signs)).sum();
    1.0 / (1.0 + (-table::BEFORE - sum).exp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::signs::{COUNT, NAMES};
    use super::*;
    use proptest::prelude::*;

    /// Signs that speak for growth only, the more there is of them, and against it.
    const FOR: [&str; 23] = [
        "likely",
        "likely_strong",
        "pace_sure",
        "tau",
        "tau_middle",
        "tau_high",
        "z",
        "future",
        "future_half",
        "lows",
        "highs",
        "late_highs",
        "net",
        "new_ground",
        "feet_tau",
        "feet_z",
        "feet_net",
        "z_middle",
        "z_high",
        "tau_late",
        "z_late",
        "rising_for",
        "late_new",
    ];
    const AGAINST: [&str; 2] = ["drawdown", "rhythm"];

    proptest! {
        #[test]
        fn what_speaks_for_growth_never_speaks_against_it(
            values in prop::collection::vec(-10.0..10.0_f64, COUNT),
            sign in 0..FOR.len() + AGAINST.len(),
            more in 0.0..20.0_f64,
        ) {
            let name = FOR.iter().chain(&AGAINST).nth(sign).unwrap();
            let place = NAMES.iter().position(|n| n == name).unwrap();
            let before = Signs(std::array::from_fn(|i| values[i]));
            let mut after = before;
            after.0[place] += more;
            let (less, more) = (growth(&before), growth(&after));
            let towards = if AGAINST.contains(name) { less - more } else { more - less };
            prop_assert!(towards >= -1e-3, "{name}: {less} {more}");
        }
    }
}
