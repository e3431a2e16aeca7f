//! The clients that the function works with.

use shared::bus::Bus;
use shared::context::Context;
use shared::queue::Queue;
use shared::stripe::StripeAccount;

/// The function's context, bus and dead-letter queue.
#[derive(Clone, Debug)]
pub struct RelayContext {
    pub context: Context,
    pub bus: Bus,
    /// The dead-letter queue, for records that can never be processed.
    pub aside: Queue,
    /// Whether each debit is announced too: one event costs as much as a debit.
    pub debits: bool,
    /// The Stripe account that auto top-up charges cards with. None: nothing is sold here.
    pub stripe: Option<StripeAccount>,
}
