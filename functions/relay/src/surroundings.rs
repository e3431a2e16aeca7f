//! The surroundings of the function: what it needs for any of its work.

use shared::bus::Bus;
use shared::context::Context;
use shared::queue::Queue;

/// What the function needs besides its context.
#[derive(Clone, Debug)]
pub struct RelayContext {
    pub context: Context,
    pub bus: Bus,
    /// Where a record goes that can never be taken.
    pub aside: Queue,
    /// Whether each debit is announced too: one event costs as much as a debit.
    pub debits: bool,
}
