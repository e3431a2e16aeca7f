//! The pages of the local Stripe.
