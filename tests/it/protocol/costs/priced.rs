//! What was counted, in dollars.

use cli::load::prices::{Price, Prices};

use super::operations::Used;

/// Dollars for a million of an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dollars {
    pub(super) dynamodb: f64,
    pub(super) lambda: f64,
    pub(super) gateway: f64,
    pub(super) logs: f64,
    pub(super) events: f64,
}

impl Dollars {
    pub(super) fn whole(&self) -> f64 {
        self.dynamodb + self.lambda + self.gateway + self.logs + self.events
    }
}

/// A price in dollars.
pub(super) fn dollars(price: Price) -> f64 {
    price.pico_dollars() as f64 / 1e12
}

/// The price of a million.
pub(super) fn per_million(used: &Used) -> Dollars {
    let Prices { per_million: million, per_gb, per_gb_second, assumed, .. } = Prices::known();
    let invocations = used.invocations + used.relayed;
    let gb_seconds = assumed.function_ms as f64 / 1e3 * assumed.function_mb as f64 / 1024.0;
    let invocation =
        dollars(million.invocations) + gb_seconds * dollars(per_gb_second.memory) * 1e6;
    // By the hundred: the length of a version or a duration is no difference.
    let metric_bytes = (used.metric_bytes / 100.0).ceil() * 100.0;
    let bytes = metric_bytes
        + invocations * assumed.platform_log_bytes as f64
        + used.requests * assumed.gateway_log_bytes as f64;
    Dollars {
        dynamodb: used.write_units * dollars(million.write_units)
            + used.read_units * dollars(million.read_units),
        lambda: invocations * invocation,
        gateway: used.requests * dollars(million.gateway_requests),
        logs: bytes / 1e3 * dollars(per_gb.logs),
        events: used.events * dollars(million.events),
    }
}
