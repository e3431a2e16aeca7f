//! The constants that the stack and the local Stripe share.

/// The key that it accepts, a test key like any other.
pub const KEY: &str = "sk_test_local";
/// The secret that it signs webhooks with.
pub const WEBHOOK_SECRET: &str = "whsec_local";
/// The field of an endpoint that Stripe shows only once.
pub(super) const SECRET: &str = "local_secret";
/// The path of the charges' receipts on its own address.
pub(super) const RECEIPTS: &str = "/_local/stripe/receipts/";
/// The payer whom Stripe names with every charge.
pub const PAYER: &str = "cardholder@example.com";
