//! Scrip's core: the rules of credits, of requests to an account, and of writing them.
//!
//! Dependencies point one way: [`http`] → [`command`], [`query`] → [`store`] → [`decide`] →
//! [`domain`]. `domain` and `decide` are pure: they do no I/O, read no clock and draw no random
//! number.

pub mod bus;
pub mod clock;
pub mod command;
pub mod config;
pub mod context;
pub mod decide;
pub mod domain;
pub mod failure;
pub mod http;
pub mod metrics;
pub mod query;
pub mod queue;
pub mod secrets;
pub mod service_key;
pub mod session;
pub mod store;
pub mod stripe;
pub mod telemetry;
pub mod token;
