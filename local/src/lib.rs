//! The local stack: the whole system in one process, with no AWS, Docker or network.
//!
//! The same handlers as deployed, DynamoDB embedded, and routes and tables read from the template
//! that is deployed.

pub mod audit;
pub mod clock;
pub mod control;
pub mod demo;
pub mod embedded;
pub mod exchange;
pub mod inspect;
mod kept;
pub mod mappings;
pub mod publish;
pub mod repair;
pub mod roles;
pub mod routes;
pub mod schedule;
pub mod seed;
pub mod server;
pub mod session;
pub mod start;
pub mod states;
pub mod streams;
pub mod stripe;
pub mod sweep;
pub mod tables;
pub mod template;
pub mod world;
