//! Logs and metrics on standard output, where Lambda collects them: each event is one line of JSON.

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging at the level of `RUST_LOG`, or from warnings on. Called once, in `main`.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let logger = logger(filter, std::io::stdout);
    tracing::subscriber::set_global_default(logger).expect("logging starts once");
}

/// What turns each event that passes `filter` into a line. JSON escapes what a caller sent: a line
/// feed or an escape sequence in it is text, and begins no line of its own.
pub fn logger<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().json().with_current_span(false).with_span_list(false);
    lines.with_env_filter(filter).with_writer(writer).finish()
}

/// Prints a line of metrics beside those of the log.
pub fn print(line: &str) {
    println!("{line}");
}
