//! The protocol: proofs that no credit is lost or spent twice, whatever fails, and what it costs.

mod anchors;
mod audit;
mod audit_parts;
mod audit_prices;
mod broken_records;
mod bursts;
mod calendar;
pub(crate) mod capacity;
mod concurrency;
mod dated_catalogs;
mod directory_rows;
mod emulators;
mod exhaustive;
mod faults;
mod fuzz;
mod keys;
mod last_tag;
mod properties;
pub(crate) mod restart;
mod reversals;
mod scenarios;
mod simulation;
mod sweeps;
mod time;
mod timestamps;
mod torn_tables;
mod unknown_kinds;
