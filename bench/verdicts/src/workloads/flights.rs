//! What is in flight: it comes by chance, is there for a while, and goes.

use crate::Rng;
use crate::applications::chance::poisson;
use crate::events::{Now, happens};

/// One thing in flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    /// How long it has been there.
    pub(super) age: f64,
    /// How long it will have been there.
    pub(super) lasts: f64,
    /// How large it is.
    pub(super) weight: f64,
}

/// All that is in flight.
#[derive(Default)]
pub(super) struct Flights(pub(super) Vec<Flight>);

/// Things in flight at most: callers are told to come back later.
const MOST: usize = 300;

impl Flights {
    /// Time goes on, at a pace, and new ones come, `rate` a second; `draw` says how long one lasts and how large it is.
    /// How many ended.
    pub(super) fn step(
        &mut self,
        rate: f64,
        dt: f64,
        pace: f64,
        rng: &mut Rng,
        draw: impl Fn(&mut Rng) -> (f64, f64),
    ) -> f64 {
        let before = self.0.len();
        for flight in &mut self.0 {
            flight.age += dt * pace;
        }
        self.0.retain(|f| f.age < f.lasts);
        let mut ended = (before - self.0.len()) as f64;
        let come = poisson(rate * dt, rng);
        // Of very many, those that are long gone when anybody looks again need not be drawn one by one.
        let drawn = come.min(400.0) as usize;
        let part = come / drawn.max(1) as f64;
        for _ in 0..drawn {
            let (lasts, weight) = draw(rng);
            let age = dt * pace * rng.unit();
            if age < lasts && self.0.len() < MOST {
                self.0.push(Flight { age, lasts, weight: weight * part });
            } else {
                ended += part;
            }
        }
        ended
    }

    /// What all of it holds, by what one does.
    pub(super) fn sum(&self, of: impl Fn(&Flight) -> f64) -> f64 {
        self.0.iter().map(of).sum()
    }
}

/// A lognormal value of mean one.
pub(super) fn lognormal(spread: f64, rng: &mut Rng) -> f64 {
    (spread * rng.normal() - 0.5 * spread * spread).exp()
}

/// A time that is exponential, of this mean.
pub(super) fn waits(mean: f64, rng: &mut Rng) -> f64 {
    mean * -rng.unit().ln()
}

/// How busy an hour is: 0.1 at night, about one in the mean, more at the peak; one everywhere where no day fits in.
pub(super) fn hours(daily: bool, peak: f64, rng: &mut Rng) -> impl Fn(f64) -> f64 + use<> {
    let (from, sharp) = (24.0 * rng.unit(), rng.between(1.0, 3.0));
    move |t| {
        if !daily {
            return 1.0;
        }
        let at = (t / 3600.0 + from - peak).rem_euclid(24.0) / 24.0;
        let wave = 0.5 + 0.5 * (std::f64::consts::TAU * at).cos();
        0.1 + 2.0 * wave.powf(sharp)
    }
}

/// Whether there is an outage: they come so often, and last so long in the mean.
pub(super) fn outage(often: f64, left: &mut f64, lasts: f64, now: Now, rng: &mut Rng) -> bool {
    *left = (*left - now.dt).max(0.0);
    if *left == 0.0 && happens(often, now, rng) {
        *left = lasts * rng.between(0.3, 2.0);
    }
    *left > 0.0
}
