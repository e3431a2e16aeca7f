//! A local Stripe with state: sessions, payments, refunds and disputes, and webhooks signed as
//! Stripe signs them. It answers the client library with objects that the library can read.

mod api;
mod effect;
mod endpoints;
mod known;
mod local_stripe;
mod memory;
mod objects;
pub mod page;
mod payments;
mod wire;

pub use api::{PREFIX, answer, serve};
pub use effect::Effect;
pub use known::{KEY, PAYER, WEBHOOK_SECRET};
pub use local_stripe::LocalStripe;
