//! Stripe: its signatures, its objects, and requests to it. Only this module knows Stripe.

mod client;
mod list;
pub mod object;
pub mod signature;

pub use client::{Asked, Stripe, StripeError};
pub use list::ObjectList;
pub use object::{Event, Unreadable, event};
