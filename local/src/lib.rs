//! The local stack: the whole system in one process, with no AWS, Docker or network.
//!
//! The same handlers as deployed, DynamoDB embedded, and routes and tables read from the template
//! that is deployed.

pub mod clock;
pub mod control;
pub mod demo;
pub mod embedded;
pub mod inspect;
pub mod publish;
pub mod routes;
pub mod seed;
pub mod server;
pub mod session;
pub mod stripe;
pub mod tables;
pub mod template;
pub mod world;
