//! The calls that a change of a buffer leaves, made when it is let go.

use super::CandleBuffer;
use super::follower::Call;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Makes the calls that wait. An error ends none of the others; the first is given.
pub(super) fn deliver(buffer: &Bound<'_, CandleBuffer>) -> PyResult<()> {
    let py = buffer.py();
    let own = buffer.get();
    let calls = own.state.with(py, |s| std::mem::take(&mut s.calls));
    let mut first = Ok(());
    for call in calls {
        let done = match call {
            Call::Closed(bars) => own.tell(buffer.as_any(), bars),
            Call::Coarser(coarser) => deliver(coarser.bind(py).cast_exact()?),
            Call::Follower { id, new, values } => own.follower(py, id).map_or(Ok(()), |object| {
                let method = if new { "update" } else { "replace" };
                object.call_method1(method, PyTuple::new(py, values)?).map(drop)
            }),
            Call::Reset(id) => own.follower(py, id).map_or(Ok(()), |object| {
                if object.hasattr("reset")? { object.call_method0("reset").map(drop) } else { Ok(()) }
            }),
        };
        if first.is_ok() {
            first = done;
        }
    }
    first
}

impl CandleBuffer {
    /// The follower of a number; none where it was detached meanwhile.
    pub(super) fn follower<'py>(&self, py: Python<'py>, id: u64) -> Option<Bound<'py, PyAny>> {
        self.followers.with(py, |all| all.iter().find(|f| f.id == id).map(|f| f.object.py().bind(py).clone()))
    }

    /// Calls `on_close`.
    pub(super) fn tell(&self, this: &Bound<'_, PyAny>, bars: u64) -> PyResult<()> {
        let py = this.py();
        let function = self.on_close.with(py, |f| f.as_ref().map(|f| f.py().bind(py).clone()));
        function.map_or(Ok(()), |f| f.call1((this, bars)).map(drop))
    }
}
