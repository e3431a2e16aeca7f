//! The rules of the repository, checked by reading its sources, contract and documents.

mod architecture;
mod arrows;
pub(crate) mod docs;
mod examples;
mod words;
