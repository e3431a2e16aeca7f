//! The surroundings of the function: what it needs for any of its work.

use shared::bus::Bus;
use shared::context::Context;
use shared::queue::Queue;

/// What the function needs besides its context.
#[derive(Clone, Debug)]
pub struct RechargeContext {
    pub context: Context,
    pub queue: Queue,
    pub bus: Bus,
}
