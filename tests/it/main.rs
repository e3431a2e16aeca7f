//! Scrip's tests, one program. Each folder is about one subject, and its `mod.rs` says which.

use tests::support;

mod api;
mod deploy;
mod money;
mod page;
mod protocol;
mod rules;
mod stripe;
