//! Money in: packs, payments, and money going back.

mod laws;
