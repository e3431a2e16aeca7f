//! The operator's commands at a terminal, on a local stack or a deployed one. Those about accounts,
//! credits and payments speak to the API; audit, repair, restore, recharge, reconcile, catalog and
//! announce work on the tables. So does
//! the load. The console is a page that speaks to the API.

pub mod announce;
pub mod api;
pub mod audit;
pub mod aws;
pub mod command;
pub mod connect;
pub mod console;
pub mod dead;
pub mod doctor;
pub mod exit;
pub mod inspect;
pub mod keys;
pub mod load;
pub mod local;
pub mod moment;
pub mod operator;
pub mod options;
pub mod place;
pub mod publish;
pub mod rates;
pub mod repair;
pub mod restore;
pub mod session_keys;
pub mod status;
pub mod sweep;
pub mod terminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar of this many segments, with a message beside it.
fn bar(segments: i32) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} segments, {msg}");
    let bar = ProgressBar::new(segments.unsigned_abs().into());
    bar.with_style(style.expect("a template of its own"))
}

/// A spinner beside `what`, for one long request of which nothing can be counted.
pub fn waiting(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}

/// A counter of things whose end is not known, for what may take many requests.
fn counter(things: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(&format!("{{spinner}} {{pos}} {things}"));
    ProgressBar::new_spinner().with_style(style.expect("a template of its own"))
}
