//! Money in: packs, payments, and money going back.

mod currencies;
mod laws;
mod odd;
mod orders;
mod receipts;
mod refused;
mod signatures;
mod stories;
