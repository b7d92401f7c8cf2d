//! What serves: workers, children, connections, clients, conversations.

use super::chance::{Shared, Zipf, pareto, poisson, wanders};
use crate::Rng;
use crate::events::{Now, Part, happens};
use std::f64::consts::TAU;

/// Workers that are replaced after so many requests, give or take some, of which the first takes most requests and the last
/// the fewest: each has its own pace. A new one shares pages with its parent at first.
pub(super) fn max_requests(
    size: f64,
    count: usize,
    lives: f64,
    last: f64,
    forks: Shared,
    rng: &mut Rng,
) -> Part {
    let jitter = rng.between(0.0, 0.4);
    let shared = rng.between(0.2, 0.9);
    let falls = last.powf(1.0 / (count.max(2) - 1) as f64);
    let mut workers: Vec<(f64, f64)> = (0..count).map(|_| (rng.unit(), 1.0)).collect();
    let mut traffic = wanders(lives * rng.scale(0.3, 3.0), rng);
    let busy = rng.scale(0.03, 0.5);
    Box::new(move |now, rng| {
        let pace = (busy * traffic(now.dt, rng)).exp() * now.dt / lives;
        let mut sum = 0.0;
        for (rank, (served, most)) in workers.iter_mut().enumerate() {
            *served += pace * falls.powi(rank as i32);
            if *served >= *most {
                (*served, *most) = (0.0, 1.0 + jitter * rng.between(-1.0, 1.0));
                forks.add(1.0);
            }
            sum += (1.0 - shared) * *served - shared * (-12.0 * *served).exp_m1();
        }
        size * sum / count as f64
    })
}

/// Children of a task queue: each keeps the most that any of its tasks needed, until it is replaced after so many.
pub(super) fn children(
    size: f64,
    count: usize,
    tasks: f64,
    replaced: f64,
    alpha: f64,
    done: Shared,
    rng: &mut Rng,
) -> Part {
    let usual = (0.5 * replaced).max(2.0).powf(1.0 / alpha);
    let mut children: Vec<(f64, f64)> = (0..count).map(|_| (replaced * rng.unit(), 1.0)).collect();
    let mut queue = wanders(rng.scale(10.0, 300.0) / tasks, rng);
    Box::new(move |now, rng| {
        let pace = tasks * now.dt * (0.5 * queue(now.dt, rng)).exp();
        let mut sum = 0.0;
        for (left, most) in &mut children {
            let ran = poisson(pace / count as f64, rng);
            done.add(ran);
            *left -= ran;
            if ran > 0.0 {
                *most = most.max(pareto(alpha, 3.0 * usual, ran, rng));
            }
            if *left <= 0.0 {
                (*left, *most) = (replaced * rng.between(0.9, 1.0), 1.0);
            }
            sum += *most / usual;
        }
        size * sum / count as f64
    })
}

/// Clients of a fan-out, each with a queue. Bursts are published; the paths of clients are good or bad for a while; who falls
/// behind too far is dropped and comes back with an empty queue.
pub(super) fn fan_out(size: f64, count: usize, fills: f64, dropped: Shared, rng: &mut Rng) -> Part {
    let mut clients: Vec<(f64, bool)> = (0..count).map(|_| (0.0, rng.chance(0.8))).collect();
    let mut news = wanders(fills * rng.scale(0.2, 5.0), rng);
    let (bad, good) = (rng.scale(0.1, 1.0) / fills, rng.scale(0.2, 3.0) / fills);
    Box::new(move |now, rng| {
        let rate = (0.7 * news(now.dt, rng)).exp();
        let mut sum = 0.0;
        for (queue, well) in &mut clients {
            *well = if *well { !happens(bad, now, rng) } else { happens(good, now, rng) };
            let drains = if *well { 4.0 } else { 0.4 };
            *queue = (*queue + (rate - drains) * now.dt / fills).max(0.0);
            if *queue >= 1.0 {
                (*queue, *well) = (0.0, true);
                dropped.add(1.0);
            }
            sum += *queue;
        }
        size * sum / count as f64
    })
}

/// A pool of connections: as many as were needed lately, each with statements that it has prepared, each closed when it is
/// of age or was idle for too long.
pub(super) fn pool(size: f64, most: usize, of_age: f64, idle: f64, rng: &mut Rng) -> Part {
    let mut open: Vec<(f64, f64, f64)> = Vec::new();
    let mut demand = wanders(of_age * rng.scale(0.1, 2.0), rng);
    let (mean, fills) = (rng.between(-1.0, 0.5), of_age * rng.scale(0.05, 1.0));
    Box::new(move |now, rng| {
        let needed = most as f64 / (1.0 + (-1.2 * demand(now.dt, rng) - mean).exp());
        for (rank, (age, unused, _)) in open.iter_mut().enumerate() {
            *age += now.dt;
            *unused = if (rank as f64) < needed { 0.0 } else { *unused + now.dt };
        }
        open.retain(|(age, unused, until)| age < until && *unused < idle);
        while (open.len() as f64) < needed.floor() {
            open.push((0.0, 0.0, of_age * rng.between(0.8, 1.2)));
        }
        let statements = |age: f64| -(-age / fills).exp_m1();
        size * open.iter().map(|c| 0.4 + 0.6 * statements(c.0)).sum::<f64>() / most as f64
    })
}

/// Conversations: each grows turn by turn, and is forgotten when nobody has said anything for a while; a few are long.
pub(super) fn conversations(
    size: f64,
    mean: f64,
    lasts: f64,
    alpha: f64,
    ended: Shared,
    rng: &mut Rng,
) -> Part {
    let mut held: Vec<(f64, f64, f64)> = Vec::new();
    let mut visitors = wanders(lasts * rng.scale(1.0, 10.0), rng);
    let busy = rng.scale(0.02, 0.4);
    Box::new(move |now, rng| {
        let come = poisson(mean * now.dt / lasts * (busy * visitors(now.dt, rng)).exp(), rng);
        for _ in 0..come.min(200.0) as usize {
            held.push((0.4 * lasts * pareto(alpha, 15.0, 1.0, rng), 0.0, (0.6 * rng.normal()).exp()));
        }
        for (left, said, pace) in &mut held {
            *left -= now.dt;
            *said += *pace * now.dt / lasts;
        }
        let before = held.len();
        held.retain(|(left, ..)| *left > 0.0);
        ended.add((before - held.len()) as f64);
        size * held.iter().map(|c| 0.3 + c.1).sum::<f64>() / mean
    })
}

/// One of several replicas: its share of traffic that comes in waves, while an autoscaler changes how many there are: soon
/// where more are needed, after a while where fewer.
pub(super) fn share_of_autoscaler(wave: f64, waits: f64, rng: &mut Rng) -> Part {
    let (phase, high, mean) = (rng.unit(), rng.between(0.2, 0.7), rng.scale(2.0, 20.0));
    let mut bursts = wanders(rng.scale(0.2, 3.0) * waits, rng);
    let (mut replicas, mut calm) = (f64::NAN, 0.0);
    Box::new(move |now: Now, rng| {
        let traffic =
            mean * (1.0 + high * (TAU * (now.t / wave + phase)).sin()) * (0.1 * bursts(now.dt, rng)).exp();
        let wanted = (traffic / 0.8).ceil().max(1.0);
        replicas = if replicas.is_nan() { wanted } else { replicas };
        calm = if wanted < replicas { calm + now.dt } else { 0.0 };
        if wanted > replicas && happens(4.0 / waits, now, rng) || calm > waits {
            (replicas, calm) = (wanted, 0.0);
        }
        traffic / replicas / 0.8
    })
}

/// Tasks in flight, of which some take far longer than others.
pub(super) fn in_flight(size: f64, mean: f64, lasts: f64, alpha: f64) -> Part {
    let mut tasks: Vec<f64> = Vec::new();
    Box::new(move |now, rng| {
        tasks.iter_mut().for_each(|left| *left -= now.dt);
        tasks.retain(|left| *left > 0.0);
        for _ in 0..poisson(mean * now.dt / lasts, rng).min(100.0) as usize {
            tasks.push(0.5 * lasts * pareto(alpha, 60.0, 1.0, rng));
        }
        size * tasks.len() as f64 / mean
    })
}

/// Books of orders by symbol: events excite each other, each makes the book of a symbol deeper for a while.
pub(super) fn books(
    size: f64,
    symbols: usize,
    memory: f64,
    excites: f64,
    orders: Shared,
    rng: &mut Rng,
) -> Part {
    let active = Zipf::new(symbols, rng.between(0.4, 1.3));
    let often = rng.scale(1.0, 30.0) / memory;
    let (mut excited, mut deep) = (0.0_f64, vec![0.3; symbols]);
    let calms = memory * rng.scale(0.05, 0.5);
    Box::new(move |now, rng| {
        excited *= (-now.dt / calms).exp();
        let events = poisson((often + excited) * now.dt, rng).min(60.0);
        excited += excites * events / calms;
        orders.add(events);
        deep.iter_mut().for_each(|d| *d *= (-now.dt / memory).exp());
        for _ in 0..events as usize {
            deep[active.draw(rng)] += (0.8 * rng.normal()).exp() / (often * memory);
        }
        size * deep.iter().sum::<f64>()
    })
}
