//! The stack that is served: the functions, and what is around them in AWS.

use crate::clock::LocalClock;
use crate::embedded::Embedded;
use crate::mappings::Mappings;
use crate::request_log::RequestLog;
use crate::routes::Functions;
use crate::start::Start;
use crate::stripe::LocalStripe;

/// What is served.
#[derive(Clone)]
pub struct Stack {
    pub functions: Functions,
    pub clock: LocalClock,
    /// None: the real Stripe is used.
    pub stripe: Option<LocalStripe>,
    pub mappings: Mappings,
    /// What answers for the tables. None: they are at another address.
    pub table: Option<Embedded>,
    pub log: RequestLog,
    pub start: Start,
}
