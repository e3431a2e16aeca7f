//! Stripe: what it signs, what it says, and what is asked of it. The only place that knows it.

mod asking;
mod client;
pub mod object;
pub mod signature;

pub use asking::Asking;
pub use client::{Asked, Stripe, StripeError};
pub use object::{Event, Unreadable, event};
