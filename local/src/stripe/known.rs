//! What both sides of the local Stripe know.

/// The key that it takes, in test mode like any other of its kind.
pub const KEY: &str = "sk_test_local";
/// The secret that it signs webhooks with.
pub const WEBHOOK_SECRET: &str = "whsec_local";
/// Where the receipts of charges are on its own address.
pub(super) const RECEIPTS: &str = "/_local/stripe/receipts/";
/// Who pays, as Stripe says it with every charge.
pub const PAYER: &str = "cardholder@example.com";
