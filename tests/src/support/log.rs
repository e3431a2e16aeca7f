//! What the code under test logs, kept.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};

use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::{SubscriberBuilder, format};

/// Every line that is logged on this thread while it listens.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Listens, at the finest level, until the guard is dropped.
    pub fn listen(&self) -> DefaultGuard {
        // With one listener alone, a line that another thread comes to first is never asked about
        // again: tracing takes the word of that thread, which does not listen. So there are two.
        static OTHER: OnceLock<Dispatch> = OnceLock::new();
        OTHER.get_or_init(|| Dispatch::new(traced().with_writer(io::sink).finish()));
        let log = self.clone();
        tracing::subscriber::set_default(traced().with_writer(move || log.clone()).finish())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no one panics with the lock")).into_owned()
    }
}

fn traced() -> SubscriberBuilder<format::DefaultFields, format::Format, LevelFilter> {
    tracing_subscriber::fmt().with_max_level(Level::TRACE)
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no one panics with the lock").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
