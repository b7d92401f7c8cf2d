//! m5-agent
