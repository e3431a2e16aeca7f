//! The stack that is served: the functions, and the services around them in AWS.

use crate::clock::LocalClock;
use crate::embedded::Embedded;
use crate::mappings::Mappings;
use crate::request_log::RequestLog;
use crate::routes::Functions;
use crate::service_key::LocalKey;
use crate::start::Start;
use crate::stripe::LocalStripe;

/// The parts of the stack.
#[derive(Clone)]
pub struct Stack {
    pub functions: Functions,
    pub clock: LocalClock,
    /// None: the stack uses the real Stripe, or has none.
    pub stripe: Option<LocalStripe>,
    pub mappings: Mappings,
    /// The database of the tables. None: they are at another address.
    pub table: Option<Embedded>,
    pub log: RequestLog,
    pub start: Start,
    /// The service key that it prints. None: it prints none.
    pub key: Option<LocalKey>,
}
