//! A local Stripe with state: sessions, payments, subscriptions, invoices, refunds and disputes, and
//! webhooks signed as Stripe signs them. It answers the client library with objects that the library can read.

mod act;
mod api;
mod billing;
mod charge;
mod checkout;
mod customer;
mod effect;
mod endpoints;
mod idempotency;
mod intent;
mod invoice;
mod known;
mod local_stripe;
mod memory;
mod objects;
pub mod page;
mod payments;
mod portal;
mod prices;
mod renewal;
mod schedule;
mod session;
mod subscription;
mod tax;
mod wire;

pub use api::{PREFIX, answer, serve};
pub use customer::Card;
pub use effect::{ChangeAt, Country, Effect, WithoutCard};
pub use known::{KEY, PAYER, WEBHOOK_SECRET};
pub use local_stripe::LocalStripe;
pub use prices::PriceId;
