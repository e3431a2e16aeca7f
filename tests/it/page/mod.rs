//! The customer's page and the indicator, most of it in a real Chromium.

mod blocked_states;
pub mod browser;
pub mod html;
mod indicator;
pub mod journey;
mod ledger_rows;
mod link_redemption;
mod polling;
mod time_zones;
