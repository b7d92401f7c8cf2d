//! m5-cpython
