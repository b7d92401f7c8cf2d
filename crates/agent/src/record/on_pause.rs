//! The listener of a recording.

use m5_gc::{Detail, Pause};

/// Who is told of pauses.
pub type OnPause<'a> = dyn FnMut(&Pause, Option<&Detail>) + 'a;
