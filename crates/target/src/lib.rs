//! m5-target
