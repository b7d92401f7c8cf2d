//! Steps that are a stair: growth that shows in whole arenas.

use super::columns::Column;
use super::shapes::{Class, Model, Shapes};

/// Steps of a stair at least, by how much the largest may be above the smallest, and until when the last may be.
const STAIRS: u8 = 3;
const ALIKE: f64 = 1.6;
const LATELY: f64 = 0.25;

/// Growth a window by steps that are a stair: three and more of like size, up, until lately. Levels that were moved to by
/// one cause each are seldom so alike; what an allocator takes whole arenas for is.
pub(super) fn stairs(model: &Model, shapes: &Shapes, beta: &[f64]) -> Option<f64> {
    if model.class != Class::Step || model.steps < STAIRS {
        return None;
    }
    let at = model.columns().iter().zip(beta).filter_map(|(id, size)| {
        match shapes.columns.get(usize::from(*id))? {
            Column::Step(at) => Some((*at, *size)),
            _ => None,
        }
    });
    let mut steps: Vec<(f64, f64)> = at.collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (first, last) = (steps.first()?.0, steps.last()?.0);
    let total: f64 = steps.iter().map(|(_, size)| size).sum();
    // One that is under way, in the last block or in two, is smaller.
    let most = steps.iter().map(|(_, size)| *size).fold(0.0, f64::max);
    let whole = steps.iter().filter(|(_, size)| *size * ALIKE >= most).count();
    let up = steps.iter().all(|(_, size)| *size > 0.0);
    let longest = steps.windows(2).map(|w| w[1].0 - w[0].0).fold(first, f64::max);
    (up && whole >= usize::from(STAIRS) && 1.0 - last <= longest.max(LATELY)).then_some(total)
}
