//! Stripe: its signatures, its objects, and requests to it. Only this module knows Stripe.

mod account;
mod billing;
mod client;
mod endpoint;
mod event;
mod list;
mod named;
pub mod object;
mod off_session;
pub mod signature;
mod subscription;
pub mod topup;

pub use account::StripeAccount;
pub use billing::NewSubscription;
pub use client::{Stripe, StripeError};
pub use endpoint::{Endpoint, NewEndpoint};
pub use event::{
    Event, PAYMENT_KINDS, REVERSAL_KINDS, SUBSCRIPTION_KINDS, Unreadable, event, kinds,
    listed_event, name,
};
pub use list::{ListPage, ListPart, ObjectList, may_change_since};
pub use off_session::{SavedCard, intent_id};
pub use subscription::subscription;
