//! Which source was chosen and why: values that a report can translate.

use crate::{Obstacle, SourceKind};
use serde::{Deserialize, Serialize};

/// Why this source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum Choice {
    /// The interpreter records every collection itself.
    Records,
    /// The build keeps no records; watchpoints are the best there is.
    Best,
    /// The build keeps too few records (3.15 without the GIL one of each generation): each overwrites the one before it.
    FewRecords,
    /// The caller asked for it.
    Asked {
        /// What was asked for.
        source: SourceKind,
    },
    /// Watchpoints, with fewer registers than they take: another one watches the process too. Full collections are all
    /// seen, some of them to within bounds; generations are told by the collector's counts, where those tell.
    FewRegisters {
        /// Registers that were free.
        free: usize,
        /// Registers that it takes.
        wanted: usize,
    },
    /// One watchpoint, as fewer registers were free than watchpoints alone take: a program in the kernel reads the generation of
    /// each collection from the collector's counters.
    Counters {
        /// Registers that were free.
        free: usize,
        /// Registers that watchpoints alone take.
        wanted: usize,
    },
    /// Watchpoints could not be had.
    Fallback {
        /// Why not.
        obstacle: Obstacle,
    },
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Records => f.write_str("the interpreter records every collection"),
            Self::Best | Self::FewRecords => f.write_str("hardware watchpoints on the collector's flag"),
            Self::Asked { .. } => f.write_str("asked for"),
            Self::FewRegisters { free, wanted } => {
                write!(f, "hardware watchpoints with {free} of the {wanted} registers that they take")
            }
            Self::Counters { free, wanted } => {
                write!(
                    f,
                    "one of {free} free debug registers (watchpoints alone take {wanted}): a program in the kernel"
                )
            }
            Self::Fallback { obstacle } => write!(f, "no watchpoints, polling instead: {obstacle}"),
        }
    }
}
