//! m5-gc
