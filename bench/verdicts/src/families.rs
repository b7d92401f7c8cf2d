//! What healthy and leaking processes look like. Every family is a sum of parts over a window (0 to 1) and the
//! day after it; sizes are parts of the base level.

use m5_bench_verdicts::Rng;
use m5_stats::Point;

/// The time watched, and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) seconds: f64,
    pub(crate) every: f64,
}

/// A family of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Ar1,
    Wander,
    WarmUp,
    Plateau,
    Sawtooth,
    Steps,
    Ratchet,
    Daily,
    PartDaily,
    PartDailyBlind,
    Spikes,
    Restarts,
    Counts,
    Linear,
    RisingSaw,
    LateOnset,
    Chunks,
    WarmUpLeak,
    StepLeak,
    SpikesLeak,
    DailyLeak,
    RestartLeak,
    CountsLeak,
}

use Family::{
    Ar1, Chunks, Counts, CountsLeak, Daily, DailyLeak, LateOnset, Linear, PartDaily, PartDailyBlind, Plateau,
    Ratchet, RestartLeak, Restarts, RisingSaw, Sawtooth, Spikes, SpikesLeak, StepLeak, Steps, Wander, WarmUp,
    WarmUpLeak,
};

pub(crate) const HEALTHY: [(Family, &str); 13] = [
    (Ar1, "AR(1) noise"),
    (Wander, "OU noise"),
    (WarmUp, "warm-up"),
    (Plateau, "plateau"),
    (Sawtooth, "sawtooth"),
    (Steps, "1-3 steps"),
    (Ratchet, "ratchet"),
    (Daily, "daily, whole"),
    (PartDaily, "daily, part, load known"),
    (PartDailyBlind, "daily, part, load unknown"),
    (Spikes, "spikes"),
    (Restarts, "restarts"),
    (Counts, "counts"),
];

pub(crate) const LEAKING: [(Family, &str); 10] = [
    (Linear, "linear"),
    (RisingSaw, "rising sawtooth"),
    (LateOnset, "late onset"),
    (Chunks, "12-60 chunks"),
    (WarmUpLeak, "warm-up + leak"),
    (StepLeak, "step + leak"),
    (SpikesLeak, "spikes + leak"),
    (DailyLeak, "daily + leak, load known"),
    (RestartLeak, "restart + leak"),
    (CountsLeak, "counts + leak"),
];

/// One series with its truth.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) points: Vec<Point>,
    pub(crate) load: Option<Vec<Point>>,
    pub(crate) restarts: Vec<f64>,
    /// Growth of the floor per window, as a part of the base. 0: healthy.
    pub(crate) growth: f64,
    /// When the leak starts, seconds.
    pub(crate) onset: f64,
    /// The floor a day after the last point.
    pub(crate) floor_24h: f64,
}

const DAY: f64 = 86_400.0;
/// A floor is the mean of the lowest third of a block: a 32nd of the window.
const BLOCKS: f64 = 32.0;

/// The parts of a series at a moment.
struct Parts {
    /// What the floor is.
    floor: f64,
    /// What collections take away again.
    tooth: f64,
}

/// Builds a series of a family.
pub(crate) fn trace(family: Family, setting: Setting, rng: &mut Rng) -> Trace {
    let growth = if LEAKING.iter().any(|(f, _)| *f == family) { rng.scale(0.02, 0.30) } else { 0.0 };
    let counts = matches!(family, Counts | CountsLeak);
    let base =
        if counts { rng.scale(if growth > 0.0 { 100.0 } else { 8.0 }, 800.0) } else { rng.scale(20e6, 2e9) };
    let restarts: Vec<f64> = match family {
        Restarts => (0..rng.count(1, 3)).map(|_| rng.between(0.05, 0.6)).collect(),
        RestartLeak => vec![rng.between(0.05, 0.25)],
        _ => Vec::new(),
    };
    let born = restarts.iter().copied().fold(0.0, f64::max);
    let mut shape = Shape::new(family, growth, rng);
    let mut noise = Noise::new(family, counts, base, setting, rng);
    let spikes = Bursts::new(family, setting, rng);
    let gap = rng.chance(0.25).then(|| (rng.between(0.1, 0.9), rng.between(0.02, 0.1)));
    let quantum = if counts {
        1.0
    } else if rng.chance(0.25) {
        65_536.0
    } else {
        4096.0
    };
    let count = (setting.seconds / setting.every) as usize;
    let block = setting.seconds / BLOCKS;
    let total = ((setting.seconds + DAY + 0.5 * block) / setting.every) as usize;
    let (mut points, mut load, mut future) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..total {
        let t = i as f64 * setting.every;
        let x = t / setting.seconds;
        let parts = shape.at(x, &restarts, rng);
        let noise = noise.next(rng);
        let floor = base * (parts.floor + noise);
        let round = |v: f64| (v / quantum).round().max(0.0) * quantum;
        if i < count {
            let v = round(floor + base * (parts.tooth + spikes.at(x)));
            let away = gap.is_some_and(|(at, len)| (at..at + len).contains(&x));
            if !away {
                points.push(Point { t, v });
                load.push(Point { t, v: 100.0 * (1.0 + shape.load(x) + 0.05 * rng.normal()) });
            }
        } else if t > setting.seconds + DAY - 0.5 * block {
            future.push(round(floor));
        }
    }
    future.sort_by(f64::total_cmp);
    Trace {
        points,
        load: matches!(family, PartDaily | DailyLeak).then_some(load),
        restarts: restarts.iter().map(|r| r * setting.seconds).collect(),
        growth,
        onset: setting.seconds * shape.onset.max(born),
        floor_24h: lowest(&future),
    }
}

fn lowest(sorted: &[f64]) -> f64 {
    let lower = &sorted[..sorted.len().div_ceil(3)];
    lower.iter().sum::<f64>() / lower.len().max(1) as f64
}

/// The deterministic part.
struct Shape {
    family: Family,
    growth: f64,
    onset: f64,
    size: f64,
    time: f64,
    angle: f64,
    steps: Vec<(f64, f64)>,
    chunks: Vec<f64>,
    chunk: f64,
    tooth_start: f64,
    tooth_length: f64,
    tooth_size: f64,
    jitter: f64,
    demand: f64,
    highest: f64,
    last_x: f64,
}

impl Shape {
    fn new(family: Family, growth: f64, rng: &mut Rng) -> Self {
        let size = match family {
            WarmUp | WarmUpLeak => rng.between(0.05, 0.6),
            Plateau => rng.between(0.05, 0.5),
            Sawtooth | RisingSaw => rng.between(0.05, 0.5),
            Daily | PartDaily | PartDailyBlind | DailyLeak => rng.between(0.02, 0.2),
            Ratchet => rng.between(0.01, 0.06),
            Restarts | RestartLeak => rng.between(0.05, 0.3),
            _ => 0.0,
        };
        let time = match family {
            WarmUp | WarmUpLeak => rng.scale(0.02, 0.3),
            Plateau => rng.between(0.2, 0.7),
            Sawtooth | RisingSaw => rng.scale(0.02, 0.3),
            Daily | DailyLeak => rng.between(0.33, 1.0),
            PartDaily | PartDailyBlind => rng.between(1.1, 3.5),
            Ratchet => rng.scale(0.003, 0.03),
            Restarts | RestartLeak => rng.scale(0.01, 0.05),
            _ => 1.0,
        };
        let onset = if family == LateOnset { rng.between(0.1, 0.5) } else { 0.0 };
        let steps = match family {
            Steps => rng.count(1, 3),
            StepLeak => 1,
            _ => 0,
        };
        let step = |rng: &mut Rng| {
            let size = rng.between(0.03, 0.2);
            (rng.between(0.0, 1.0), if rng.chance(0.75) { size } else { -size })
        };
        let count = rng.count(12, 60);
        let chunk = growth / count as f64;
        let mut chunks = Vec::new();
        if family == Chunks {
            // Chunks for the day after too, at the same pace.
            let per_window = 1.0 / count as f64;
            let mut x = per_window * rng.unit();
            while x < 60.0 {
                chunks.push(x);
                x += per_window * rng.between(0.5, 1.5);
            }
        }
        let steps = (0..steps).map(|_| step(rng)).collect();
        let jitter = rng.between(0.0, 0.1);
        Self {
            family,
            growth,
            onset,
            size,
            time,
            angle: rng.between(0.0, std::f64::consts::TAU),
            steps,
            chunks,
            chunk,
            tooth_start: -time * rng.unit(),
            tooth_length: time,
            tooth_size: size,
            jitter,
            demand: 0.0,
            highest: 0.0,
            last_x: 0.0,
        }
    }

    fn wave(&self, x: f64) -> f64 {
        (std::f64::consts::TAU * x / self.time + self.angle).sin()
    }

    /// The load that drives a daily rhythm.
    fn load(&self, x: f64) -> f64 {
        match self.family {
            Daily | PartDaily | PartDailyBlind | DailyLeak => 0.5 * self.wave(x),
            _ => 0.0,
        }
    }

    fn at(&mut self, x: f64, restarts: &[f64], rng: &mut Rng) -> Parts {
        let age = x - restarts.iter().copied().filter(|r| *r <= x).fold(0.0, f64::max);
        let leak = match self.family {
            Chunks => self.chunk * self.chunks.partition_point(|c| *c <= x) as f64,
            RestartLeak => self.growth * age,
            _ => self.growth * (x - self.onset).max(0.0),
        };
        let steps: f64 = self.steps.iter().filter(|s| s.0 <= x).map(|s| s.1).sum();
        let body = match self.family {
            WarmUp | WarmUpLeak | Restarts | RestartLeak => self.size * -(-age / self.time).exp_m1(),
            Plateau => self.size * (x / self.time).min(1.0),
            Daily | PartDaily | PartDailyBlind | DailyLeak => 0.5 * self.size * self.wave(x),
            Ratchet => self.ratchet(x, rng),
            _ => 0.0,
        };
        self.last_x = x;
        Parts { floor: 1.0 + leak + steps + body, tooth: self.tooth(x, rng) }
    }

    /// The allocator keeps the most that was ever needed.
    fn ratchet(&mut self, x: f64, rng: &mut Rng) -> f64 {
        let decay = (-(x - self.last_x) / self.time).exp();
        self.demand = decay * self.demand + (1.0 - decay * decay).sqrt() * rng.normal();
        self.highest = self.highest.max(self.demand);
        self.size * self.highest
    }

    fn tooth(&mut self, x: f64, rng: &mut Rng) -> f64 {
        if !matches!(self.family, Sawtooth | RisingSaw) {
            return 0.0;
        }
        while x >= self.tooth_start + self.tooth_length {
            self.tooth_start += self.tooth_length;
            let stretch = 1.0 + self.jitter * rng.between(-1.0, 1.0);
            self.tooth_length = self.time * stretch;
            // Garbage gathers at one pace: a longer tooth is a higher one.
            self.tooth_size = self.size * stretch;
        }
        self.tooth_size * (x - self.tooth_start) / self.tooth_length
    }
}

/// The random part: a wandering level and white noise.
struct Noise {
    wander: f64,
    decay: f64,
    wander_sd: f64,
    white_sd: f64,
}

impl Noise {
    fn new(family: Family, counts: bool, base: f64, setting: Setting, rng: &mut Rng) -> Self {
        let step = setting.every / setting.seconds;
        let (decay, wander_sd, white_sd) = match family {
            Ar1 => (rng.between(0.0, 0.97), rng.scale(0.003, 0.03), 0.0),
            Wander => {
                ((-step / rng.scale(0.02, 0.12)).exp(), rng.scale(0.003, 0.03), rng.scale(0.0003, 0.003))
            }
            _ if counts => {
                ((-step / rng.scale(0.002, 0.02)).exp(), rng.scale(0.3, 1.5).min(0.02 * base) / base, 0.0)
            }
            _ => (rng.between(0.0, 0.97), rng.scale(0.001, 0.008), rng.scale(0.0003, 0.003)),
        };
        Self { wander: rng.normal(), decay, wander_sd, white_sd }
    }

    fn next(&mut self, rng: &mut Rng) -> f64 {
        self.wander = self.decay * self.wander + (1.0 - self.decay * self.decay).sqrt() * rng.normal();
        self.wander_sd * self.wander + self.white_sd * rng.normal()
    }
}

/// Short bursts upwards.
struct Bursts(Vec<(f64, f64, f64)>);

impl Bursts {
    fn new(family: Family, setting: Setting, rng: &mut Rng) -> Self {
        let count = if matches!(family, Spikes | SpikesLeak) { rng.count(2, 20) } else { 0 };
        let shortest = setting.every / setting.seconds;
        let one = |rng: &mut Rng| (rng.unit(), rng.scale(shortest, 0.014), rng.between(0.1, 1.0));
        Self((0..count).map(|_| one(rng)).collect())
    }

    fn at(&self, x: f64) -> f64 {
        self.0.iter().filter(|(at, len, _)| (*at..at + len).contains(&x)).map(|s| s.2).fold(0.0, f64::max)
    }
}
