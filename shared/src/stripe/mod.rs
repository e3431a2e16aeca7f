//! Stripe: what it signs, what it says, and what is asked of it. The only place that knows it.

mod client;
mod list;
pub mod object;
pub mod signature;

pub use client::{Asked, Stripe, StripeError};
pub use list::ObjectList;
pub use object::{Event, Unreadable, event};
