//! Keeps the log lines of the code under test.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use shared::telemetry;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::canary;

/// Every line logged on this thread while it listens.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Listens, at the finest level of everything, until the guard is dropped.
    pub fn listen(&self) -> DefaultGuard {
        // With one subscriber alone, tracing never asks again about a line that another thread
        // reaches first: it keeps that thread's answer, and that thread does not listen. So there
        // are two.
        canary::watch();
        let log = self.clone();
        let all = Targets::new().with_default(LevelFilter::TRACE);
        let logger = telemetry::logger(all, move || log.clone());
        tracing::subscriber::set_default(logger)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no one panics with the lock")).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        canary::look_at_line(bytes);
        self.0.lock().expect("no one panics with the lock").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
