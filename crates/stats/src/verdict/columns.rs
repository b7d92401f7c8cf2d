//! What explanations are sums of.

/// Until when growth that doubles is drawn on so, in windows; from there on at the pace that it had at the window's end.
const BENDS_ON: f64 = 1.25;

/// One column of an explanation, over the window 0..=1 and beyond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Column {
    /// A steady rise.
    Ramp,
    /// A change of level.
    Step(f64),
    /// A rise that starts late.
    Late(f64),
    /// A rise that sets in over a while from a moment on, and goes on evenly: the second number is how long that takes.
    Eases(f64, f64),
    /// A rise that ends.
    Plateau(f64),
    /// A level that moves from one moment to another, evenly, and stays.
    Slide(f64, f64),
    /// The same, slow at first and at last.
    Swing(f64, f64),
    /// A level for a while only: a batch.
    Batch(f64, f64),
    /// What was given or taken at a moment and comes back: half of it within 0.7 of the second number.
    Recovers(f64, f64),
    /// A rise that begins at a moment and levels off.
    Rises(f64, f64),
    /// A rise that levels off.
    Exp(f64),
    /// A rise that slows down but never ends: the maximum of more and more of the same.
    Log(f64),
    /// A rise by a power of the process's age (which is the second number at the begin of the window): slower and
    /// slower below one, faster and faster above.
    Power(f64, f64),
    /// Growth that doubles again and again: so many times its e-th power a window.
    Doubling(f64),
    /// A rise by whole arenas, pools or blocks: so many even steps a window, and how far the first one is on its way at
    /// the begin.
    Stairs(f64, f64),
    /// A cache over keys of which some are rare: half full at this age, ever slower.
    Filling(f64, f64),
    /// What the load does, in its standard deviations. Where the load will stand is unknown: at its mean.
    Load,
    /// A rhythm of which whole periods were seen, by the clock: it goes on.
    ClockCos(f64),
    ClockSin(f64),
    Cos(f64),
    Sin(f64),
    /// Hours of use and hours without, with shoulders: a square wave of this frequency and angle, and how sharp it is.
    Hours(f64, f64, f64),
}

impl Column {
    pub(super) fn at(self, x: f64) -> f64 {
        match self {
            Self::Ramp => x,
            Self::Step(c) => f64::from(u8::from(x > c)),
            Self::Late(c) => (x - c).max(0.0),
            Self::Eases(from, wide) => {
                let full = wide.min(1.0 - from);
                let u = (x - from).clamp(0.0, full);
                0.5 * u * u / wide + (x - from - full).max(0.0) * full / wide
            }
            Self::Plateau(c) => (x / c).min(1.0),
            Self::Slide(from, to) => ((x - from) / (to - from)).clamp(0.0, 1.0),
            Self::Swing(from, to) => {
                let u = ((x - from) / (to - from)).clamp(0.0, 1.0);
                u * u * (3.0 - 2.0 * u)
            }
            Self::Batch(from, to) => f64::from(u8::from(x > from && x <= to)),
            Self::Recovers(at, tau) if x > at => (-(x - at) / tau).exp(),
            Self::Rises(at, tau) if x > at => -(-(x - at) / tau).exp_m1(),
            Self::Recovers(..) | Self::Rises(..) => 0.0,
            Self::Exp(tau) => -(-x / tau).exp_m1(),
            Self::Log(scale) => (x / scale).ln_1p() / (1.0 / scale).ln_1p(),
            Self::Power(p, age) => ((x + age).max(0.0).powf(p) - age.powf(p)) / Self::span(p, age),
            Self::Doubling(k) => {
                let bends = x.min(BENDS_ON);
                (k * bends).exp_m1() / k.exp_m1() + self.lasting_slope() * (x - bends)
            }
            // What is ahead is even: when the next step is due is not known so well.
            Self::Stairs(n, phase) if x <= 1.0 => (n * x + phase).floor() / n,
            Self::Stairs(..) => x,
            Self::Filling(half, age) => (x + age) / (x + age + half) - age / (age + half),
            Self::Load => 0.0,
            Self::ClockCos(f) => (std::f64::consts::TAU * f * x).cos(),
            Self::ClockSin(f) => (std::f64::consts::TAU * f * x).sin(),
            Self::Cos(f) => (std::f64::consts::TAU * f * x).cos(),
            Self::Sin(f) => (std::f64::consts::TAU * f * x).sin(),
            Self::Hours(f, angle, sharp) => {
                (sharp * (std::f64::consts::TAU * f * x + angle).sin()).tanh() / sharp.tanh()
            }
        }
    }

    fn span(p: f64, age: f64) -> f64 {
        (1.0 + age).powf(p) - age.powf(p)
    }

    /// Growth per window at the end, of the kind that goes on.
    pub(super) fn lasting_slope(self) -> f64 {
        match self {
            Self::Ramp | Self::Late(_) | Self::Stairs(..) => 1.0,
            Self::Eases(from, wide) => ((1.0 - from) / wide).min(1.0),
            Self::Doubling(k) => k * k.exp() / k.exp_m1(),
            Self::Power(p, age) => p * (1.0 + age).powf(p - 1.0) / Self::span(p, age),
            _ => 0.0,
        }
    }

    /// Whether it comes and goes: far ahead its phase is unknown.
    pub(super) fn swings(self) -> bool {
        matches!(self, Self::Cos(_) | Self::Sin(_) | Self::Hours(..))
    }

    /// When the level moved, where that is what this column says.
    pub(super) fn moved(self) -> Option<f64> {
        match self {
            Self::Step(at) | Self::Rises(at, _) => Some(at),
            Self::Slide(from, to) | Self::Swing(from, to) => Some(0.5 * (from + to)),
            _ => None,
        }
    }

    /// Size of a usual coefficient, as a part of the level.
    pub(super) fn scale(self) -> f64 {
        0.07
    }
}
