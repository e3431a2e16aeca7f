//! The customer's page in every state, at every width, in every language: what holds in all of them.

mod boxes;
mod checks;
mod languages;
mod states;
mod views;
mod weight;
