//! The clients that the function works with.

use shared::bus::Bus;
use shared::context::Context;
use shared::queue::Queue;

/// The function's context, queue and bus.
#[derive(Clone, Debug)]
pub struct RechargeContext {
    pub context: Context,
    pub queue: Queue,
    pub bus: Bus,
}
