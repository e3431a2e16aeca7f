//! The operator's commands at a terminal: inspect, audit, repair and restore accounts, recharge,
//! reconcile, change the catalog, replay dead letters and events, on a local stack or a deployed
//! one.

pub mod announce;
pub mod audit;
pub mod aws;
pub mod command;
pub mod connect;
pub mod dead;
pub mod doctor;
pub mod inspect;
pub mod local;
pub mod options;
pub mod place;
pub mod publish;
pub mod repair;
pub mod restore;
pub mod status;
pub mod sweep;

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar of this many segments, with a message beside it.
fn bar(segments: i32) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} segments, {msg}");
    let bar = ProgressBar::new(segments.unsigned_abs().into());
    bar.with_style(style.expect("a template of its own"))
}
