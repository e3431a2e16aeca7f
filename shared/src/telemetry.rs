//! Logs: one line of JSON for each event, on standard output, where Lambda collects them.

use tracing_subscriber::EnvFilter;

/// Starts logging at the level of `RUST_LOG`, or from warnings on. Called once, in `main`.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_current_span(false).init();
}
