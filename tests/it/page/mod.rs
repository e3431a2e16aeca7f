//! The customer's page and the indicator, mostly in a real Chromium.

mod blocked_states;
mod branded;
pub(crate) mod browser;
pub(crate) mod calls;
mod console;
mod console_actions;
mod console_problems;
mod currencies;
pub(crate) mod html;
mod indicator;
pub(crate) mod journey;
mod languages;
mod ledger_rows;
mod limits;
mod link_redemption;
mod matrix;
mod polling;
mod subscribing;
mod time_zones;
mod topping_up;
