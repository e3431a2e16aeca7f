//! The customer's page and the indicator, mostly in a real Chromium.

mod blocked_states;
mod branded;
pub(crate) mod browser;
pub(crate) mod calls;
mod chart;
mod console;
mod console_actions;
mod console_problems;
mod currencies;
mod elements;
mod history;
pub(crate) mod host;
pub(crate) mod html;
mod indicator;
pub(crate) mod journey;
mod languages;
mod ledger_rows;
mod limits;
mod link_redemption;
mod matrix;
mod pace;
mod polling;
mod statement;
mod subscribing;
mod time_zones;
mod topping_up;
mod usage;
