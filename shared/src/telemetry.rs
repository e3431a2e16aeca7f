//! Logs and metrics on standard output, where Lambda collects them: each event is one line of JSON.
//! A program that a person runs writes lines of text on standard error instead.

pub mod correlation;

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// The crates of this workspace that run in functions.
pub const DEPLOYED: [&str; 11] = [
    "shared",
    "debit",
    "balance",
    "page",
    "accounts",
    "checkout",
    "webhook",
    "reconcile",
    "relay",
    "recharge",
    "audit",
];

/// The version of the package.
const PACKAGE: &str = env!("CARGO_PKG_VERSION");
/// The commit that the build was made from, if the build says so by `SCRIP_COMMIT`.
const COMMIT: &str = match option_env!("SCRIP_COMMIT") {
    Some(commit) => commit,
    None => "",
};
const VERSION_BYTES: usize = PACKAGE.len() + if COMMIT.is_empty() { 0 } else { 1 + COMMIT.len() };

/// The version of this build: the package's, and after a `+` the commit if the build names it
/// (`0.1.0`, `0.1.0+6e80946`). It is in every log line, document of metrics and answer.
pub const VERSION: &str = match std::str::from_utf8(&version()) {
    Ok(version) => version,
    Err(_) => panic!("letters and digits are a text"),
};

const fn version() -> [u8; VERSION_BYTES] {
    let mut joined = [b'+'; VERSION_BYTES];
    let (package, rest) = joined.split_at_mut(PACKAGE.len());
    package.copy_from_slice(PACKAGE.as_bytes());
    if let Some((_plus, commit)) = rest.split_first_mut() {
        commit.copy_from_slice(COMMIT.as_bytes());
    }
    let mut place = 0;
    while place < joined.len() {
        // What semantic versions allow: it is written into JSON and a header without escapes.
        let plain =
            joined[place].is_ascii_alphanumeric() || matches!(joined[place], b'+' | b'.' | b'-');
        assert!(plain, "SCRIP_COMMIT is not a commit: letters, digits, . and - only");
        place += 1;
    }
    joined
}

/// Starts logging in a function, at the level of `RUST_LOG`, or at the default of
/// [`function_levels`]. Called once, in `main`.
pub fn init() {
    let asked = std::env::var("RUST_LOG").ok();
    let logger = logger(function_levels(asked.as_deref()), std::io::stdout);
    tracing::subscriber::set_global_default(logger).expect("logging starts once");
}

/// The log levels of a function: those of `RUST_LOG`, or by default all that our own crates tell,
/// and the warnings of libraries. A debit that goes well tells nothing: a line would cost as much
/// as its function. An invalid `RUST_LOG` counts as not set.
///
/// `RUST_LOG` holds a level, or levels by module (`warn,shared=debug`). Filters on spans and fields
/// would put an engine of regular expressions into every function.
pub fn function_levels(asked: Option<&str>) -> Targets {
    let ours = DEPLOYED.map(|name| (name, LevelFilter::INFO));
    let usual = || Targets::new().with_default(LevelFilter::WARN).with_targets(ours);
    asked.and_then(|asked| asked.parse().ok()).unwrap_or_else(usual)
}

/// Writes each event that passes `filter` as a line of JSON, with the [`VERSION`] and the request
/// at work. JSON escapes a caller's text: a line feed or an escape sequence in it begins no new
/// line.
pub fn logger<W>(filter: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().json().with_current_span(false).with_span_list(false);
    let lines = lines.map_event_format(Correlated).with_max_level(LevelFilter::TRACE);
    lines.with_writer(writer).finish().with(filter)
}

/// Begins each line with the version and the fields of the request at work: a query finds them by
/// the same names in logs and in documents of metrics.
struct Correlated(Format<Json>);

impl<S, N> FormatEvent<S, N> for Correlated
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let fields = line.strip_prefix('{').ok_or(fmt::Error)?;
        write!(writer, "{{\"version\":\"{VERSION}\"{},{fields}", correlation::fields())
    }
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
