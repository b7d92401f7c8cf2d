//! Pure mathematics: quantiles, floors, trends, verdicts, comparison, objectives. Imports nothing of ours;
//! time and randomness come in as arguments, so every answer can be replayed from stored samples.

pub mod bootstrap;
pub mod compare;
pub mod counts;
pub mod layer;
pub mod leak_rule;
pub mod lives;
pub mod objectives;
pub mod quantile;
pub mod random;
pub mod share;
mod special;
pub mod stratified;
pub mod verdict;
pub mod windows;

pub use compare::{GateConfig, GateOutcome, GateVerdict, gate, gate_with, single};
pub use counts::{counted, seconds_to_prove};
pub use layer::{Advice, Growing, Layer, Layers, Witness, growing_layers};
pub use leak_rule::{Chunk, LeakOutcome, LeakRule, leak_agreed, leak_per_iteration};
pub use lives::{BetweenRestarts, Life, between_restarts, life};
pub use objectives::{
    COLLECTIONS_PER_SECOND, Direction, Objective, ObjectivePatch, Objectives, ObjectivesPatch, Profile,
    Status, generation_of_rate, judge,
};
pub use quantile::{Summary, median, quantile, rate, sorted, weighted_median};
pub use random::Random;
pub use share::{errors_of_groups, wilson, wilson_of_groups};
pub use verdict::{
    Assessment, Confirmation, Forecast, Options, Point, Reason, Series, TimeToLimit, Verdict, assess,
    assess_with, benjamini_hochberg, rates,
};
