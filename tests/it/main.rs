//! Scrip's tests. Each module tells stories of one kind, through the front door where there is one.

use tests::support;

mod announcements;
mod audit;
mod broken;
mod browser;
mod calendar;
mod capacity;
mod catalogs;
mod client;
mod concurrency;
mod debits;
mod events;
mod exhaustive;
mod faults;
mod holds;
mod input;
mod invoke;
mod ledger;
mod listing;
mod money;
mod operators;
mod page;
mod plans;
mod properties;
mod refunds;
mod restart;
mod rules;
mod scenarios;
mod sessions;
mod simulation;
mod stories;
mod sweeps;
mod time;
mod torn;
mod usage;
