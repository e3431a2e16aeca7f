//! How far this clock is from DynamoDB's, which stamps every answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use chrono::DateTime;

use super::StoreError;
use crate::clock::Clock;
use crate::decide::SKEW;

/// `Date` counts whole seconds and is up to one behind: we are that much less ahead than it seems,
/// or that much more behind.
const RESOLUTION_MS: i64 = 1000;

/// Compares the `Date` of each answer with the clock that stamps the entries.
#[derive(Clone, Debug)]
pub struct Skew {
    clock: Clock,
    off_ms: Arc<AtomicI64>,
}

impl Skew {
    pub(super) fn new(clock: Clock) -> Skew {
        Skew { clock, off_ms: Arc::new(AtomicI64::new(0)) }
    }

    /// # Errors
    /// [`StoreError::Clock`] if the latest answer was stamped too far from our own clock: look-ups
    /// lean on it, so nothing is answered.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let off_ms = self.off_ms.load(Ordering::Relaxed);
        match (RESOLUTION_MS - SKEW.ms()..=SKEW.ms()).contains(&off_ms) {
            true => Ok(()),
            false => Err(StoreError::Clock { off_ms }),
        }
    }
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
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            let off_ms = self.clock.now().ms() - date.timestamp_millis();
            self.off_ms.store(off_ms, Ordering::Relaxed);
        }
        Ok(())
    }
}
