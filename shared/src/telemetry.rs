//! Logs and metrics on standard output, where Lambda collects them: each event is one line of JSON.
//! A program that a person runs writes lines of text on standard error instead.

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// Starts logging at the level of `RUST_LOG`, or at warnings by default. Called once, in `main`.
///
/// `RUST_LOG` holds a level, or levels by module (`warn,shared=debug`). Filters on spans and fields
/// would put an engine of regular expressions into every function.
pub fn init() {
    let wanted = std::env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    let logger = logger(filter, std::io::stdout);
    tracing::subscriber::set_global_default(logger).expect("logging starts once");
}

/// Writes each event that passes `filter` as a line of JSON. JSON escapes a caller's text: a line
/// feed or an escape sequence in it begins no new line.
pub fn logger<W>(filter: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().json().with_current_span(false).with_span_list(false);
    let lines = lines.with_max_level(LevelFilter::TRACE).with_writer(writer);
    lines.finish().with(filter)
}

/// Writes each event that passes `filter` as a line of text on standard error, for a person.
pub fn for_a_person(filter: Targets) -> impl Subscriber + Send + Sync {
    let lines = tracing_subscriber::fmt().compact().without_time().with_target(false);
    let lines = lines.with_max_level(LevelFilter::TRACE).with_writer(std::io::stderr);
    lines.finish().with(filter)
}

/// The log levels of a program that a person runs: those of `RUST_LOG`, or by default the warnings
/// and errors of `ours`, the crates of this workspace that run in it. An invalid `RUST_LOG` counts
/// as not set.
pub fn levels(asked: Option<&str>, ours: &[&str]) -> Targets {
    let asked = asked.and_then(|asked| asked.parse().ok());
    let warnings = || ours.iter().map(|name| (*name, LevelFilter::WARN));
    asked.unwrap_or_else(|| Targets::new().with_targets(warnings()))
}

/// Prints a line of metrics among those of the log.
pub fn print(line: &str) {
    println!("{line}");
}
