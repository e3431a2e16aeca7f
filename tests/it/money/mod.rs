//! Money in: packs, payments, and money going back.

mod addresses;
mod checkouts;
mod currencies;
mod laws;
mod odd;
mod orders;
mod parked;
mod receipts;
mod refused;
mod signatures;
mod stories;
