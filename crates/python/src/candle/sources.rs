//! Which fields of a buffer an indicator reads.

use super::CandleBuffer;
use super::feed::Source;
use crate::indicators::Spec;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

impl CandleBuffer {
    /// Where an indicator reads: the field that is asked for, or what it is defined on.
    pub(super) fn source(&self, spec: Spec, field: Option<&str>) -> PyResult<Source> {
        let hlc = || PyResult::Ok([self.index("high")?, self.index("low")?, self.index("close")?]);
        match (spec, field) {
            (Spec::Atr(_), None) => Ok(Source::Three(hlc()?)),
            (Spec::Atr(_), Some(_)) => {
                Err(PyValueError::new_err("ATR reads high, low and close; leave field out"))
            }
            (Spec::Vwap(_), None | Some("typical")) => {
                let [h, l, c] = hlc()?;
                Ok(Source::Typical([h, l, c, self.index("volume")?]))
            }
            (Spec::Vwap(_), Some(f)) => Ok(Source::Priced([self.index(f)?, self.index("volume")?])),
            (_, None) if self.names.len() == 1 => Ok(Source::One(0)),
            (_, f) => Ok(Source::One(self.index(f.unwrap_or("close"))?)),
        }
    }
}
