//! Which fields of a buffer an indicator reads.

use super::CandleBuffer;
use super::feed::Source;
use crate::indicators::Spec;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

impl CandleBuffer {
    /// Where an indicator reads: the field that is asked for, or what it is defined on.
    pub(super) fn source(&self, spec: Spec, field: Option<&str>) -> PyResult<Source> {
        let field_of = |name| self.index(name);
        let hlc = || PyResult::Ok([field_of("high")?, field_of("low")?, field_of("close")?]);
        let hlcv = || {
            let [h, l, c] = hlc()?;
            PyResult::Ok([h, l, c, field_of("volume")?])
        };
        match (spec, field) {
            (Spec::Vwap(_) | Spec::VwapBands { .. }, None | Some("typical")) => Ok(Source::Typical(hlcv()?)),
            (Spec::Vwap(_) | Spec::VwapBands { .. } | Spec::Obv, field) => {
                Ok(Source::Two([field_of(field.unwrap_or("close"))?, field_of("volume")?]))
            }
            (spec, Some(_)) if spec.inputs() > 1 => {
                let text = "this indicator reads high, low and what else it is defined on; leave field out";
                Err(PyValueError::new_err(text))
            }
            (Spec::Donchian(_), _) => Ok(Source::Two([field_of("high")?, field_of("low")?])),
            (spec, _) if spec.inputs() == 3 => Ok(Source::Three(hlc()?)),
            (spec, _) if spec.inputs() == 4 => Ok(Source::Four(hlcv()?)),
            (_, None) if self.names.len() == 1 => Ok(Source::One(0)),
            (_, field) => Ok(Source::One(field_of(field.unwrap_or("close"))?)),
        }
    }
}
