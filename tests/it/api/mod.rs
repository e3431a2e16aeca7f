//! The HTTP API by operation: requests, answers, refusals, listings, sessions and events.

mod accounts;
mod announcements;
pub(crate) mod batches;
mod beyond;
mod catalogs;
mod client;
mod client_failures;
mod debits;
mod directory;
mod dry_runs;
mod grants;
mod holds;
mod input;
mod ledger;
mod listing;
mod low_credits;
mod operators;
mod plans;
mod problems;
mod refunds;
mod refusal_order;
mod revocations;
mod service_keys;
mod sessions;
mod tenancy;
mod usage;
mod visibility;
