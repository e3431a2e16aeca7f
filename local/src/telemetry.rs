//! What the local stack logs: its own warnings and errors. A library is silent unless `RUST_LOG`
//! asks for it.

use console::Term;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

/// The crates of this workspace that run here.
const OURS: [&str; 12] = [
    "shared",
    "client",
    "debit",
    "balance",
    "accounts",
    "checkout",
    "webhook",
    "reconcile",
    "relay",
    "recharge",
    "audit",
    "local",
];

/// Starts logging, once: for a person at a terminal on standard error, else as the functions do, in
/// lines of JSON on standard output.
pub fn init() {
    let asked = std::env::var("RUST_LOG").ok();
    let levels = levels(asked.as_deref());
    let started = match Term::stderr().is_term() || Term::stdout().is_term() {
        true => {
            let lines = tracing_subscriber::fmt().compact().without_time().with_target(false);
            let lines = lines.with_max_level(LevelFilter::TRACE).with_writer(std::io::stderr);
            tracing::subscriber::set_global_default(lines.finish().with(levels))
        }
        false => {
            let logger = shared::telemetry::logger(levels, std::io::stdout);
            tracing::subscriber::set_global_default(logger)
        }
    };
    started.expect("logging starts once");
}

/// What is logged: what `RUST_LOG` asked for, or our own warnings and errors. Something that is not
/// a level, nor levels by module, asks for nothing.
pub fn levels(asked: Option<&str>) -> Targets {
    let asked = asked.and_then(|asked| asked.parse().ok());
    asked.unwrap_or_else(|| Targets::new().with_targets(OURS.map(|name| (name, LevelFilter::WARN))))
}
