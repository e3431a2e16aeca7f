//! The logs of the local stack: its own warnings and errors. A library logs only if `RUST_LOG` asks
//! for it.

use console::Term;
use shared::telemetry::{DEPLOYED, for_a_person, logger};
use tracing_subscriber::filter::Targets;

/// Starts logging, once: readable on standard error for a person at a terminal, else as the
/// functions do, in lines of JSON on standard output.
pub fn init() {
    let asked = std::env::var("RUST_LOG").ok();
    let levels = levels(asked.as_deref());
    let started = match Term::stderr().is_term() || Term::stdout().is_term() {
        true => tracing::subscriber::set_global_default(for_a_person(levels)),
        false => tracing::subscriber::set_global_default(logger(levels, std::io::stdout)),
    };
    started.expect("logging starts once");
}

/// The levels: those that `RUST_LOG` asks for, or our own warnings and errors.
pub fn levels(asked: Option<&str>) -> Targets {
    shared::telemetry::levels(asked, &[&DEPLOYED[..], &["client", "local"]].concat())
}
