//! m5-report
