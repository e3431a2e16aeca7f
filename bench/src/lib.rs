//! The comparison: one seeded workload against Scrip and what others do in its place, judged and
//! counted on one machine; and the counts of a debit's own instructions.

pub mod chart;
pub mod compare;
pub mod contender;
pub mod contenders;
pub mod counts;
pub mod judge;
pub mod machine;
pub mod meter;
pub mod play;
pub mod report;
pub mod servers;
pub mod timing;
pub mod units;
pub mod wire;
pub mod workload;
