//! Scrip's tests: one binary, `it`.
