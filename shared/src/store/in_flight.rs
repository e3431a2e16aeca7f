//! The flag that says whether a request that was given up may still arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

/// Raised when an attempt of an operation got no response. A copy of it may still be in flight, so
/// no refusal may be answered that the copy could turn into a debit.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<AtomicBool>);

impl InFlight {
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for InFlight {
    fn name(&self) -> &'static str {
        "InFlight"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().is_none() {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
