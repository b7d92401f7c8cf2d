//! m5-stats
