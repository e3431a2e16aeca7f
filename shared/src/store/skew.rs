//! The difference between this clock and DynamoDB's, which stamps every answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use chrono::DateTime;

use crate::clock::Clock;
use crate::decide::SKEW;

/// `Date` counts whole seconds and is up to one second behind: this clock is that much less ahead
/// than it seems, or that much more behind.
const RESOLUTION_MS: i64 = 1000;

/// Compares the `Date` of each answer with the clock that stamps the entries, and fails the call if
/// that answer is too far off: look-ups depend on our clock. The answer to another call does not
/// fail this one.
#[derive(Clone, Debug)]
pub struct Skew {
    clock: Clock,
    /// The difference at the latest answer to any call.
    off_ms: Arc<AtomicI64>,
}

/// Our own clock and DynamoDB's are too far apart to answer anything.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this clock is {off_ms} ms away from DynamoDB's")]
pub(super) struct TooFar {
    pub off_ms: i64,
}

impl Skew {
    pub(super) fn new(clock: Clock) -> Skew {
        Skew { clock, off_ms: Arc::new(AtomicI64::new(0)) }
    }

    /// Whether the latest answer was too far off. If so, nothing is stamped until a read has found
    /// the clock right again.
    pub(super) fn was_off(&self) -> bool {
        is_off(self.off_ms.load(Ordering::Relaxed))
    }
}

fn is_off(off_ms: i64) -> bool {
    !(RESOLUTION_MS - SKEW.ms()..=SKEW.ms()).contains(&off_ms)
}

impl Intercept for Skew {
    fn name(&self) -> &'static str {
        "Skew"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) else {
            return Ok(());
        };
        let off_ms = self.clock.now().ms() - date.timestamp_millis();
        self.off_ms.store(off_ms, Ordering::Relaxed);
        match is_off(off_ms) {
            true => Err(TooFar { off_ms }.into()),
            false => Ok(()),
        }
    }
}
