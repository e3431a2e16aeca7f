//! A Stripe that remembers: sessions, payments, refunds and disputes, and webhooks signed as Stripe
//! signs them. It answers what the client library asks, with objects that the library reads.

mod api;
mod effect;
mod known;
mod local_stripe;
mod memory;
mod objects;
pub mod page;
mod payments;

pub use api::{PREFIX, answer, serve};
pub use effect::Effect;
pub use known::{KEY, PAYER, WEBHOOK_SECRET};
pub use local_stripe::LocalStripe;
