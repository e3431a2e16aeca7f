//! The local stack: the whole system in one process, with no AWS, Docker or network.
//!
//! It runs the same handlers as deployed, on an embedded DynamoDB, and reads routes and tables from
//! the deployed template.

mod atomic_file;
pub mod banner;
pub mod change;
pub mod clock;
pub mod context;
pub mod control;
pub mod dead_letters;
pub mod demo;
pub mod dynamodb;
pub mod embedded;
pub mod keys;
pub mod mappings;
pub mod messaging;
pub mod operations;
pub mod reply;
pub mod request_log;
pub mod roles;
pub mod routes;
pub mod schedule;
pub mod seed;
pub mod server;
pub mod service_key;
pub mod session;
pub mod stack;
pub mod start;
pub mod states;
pub mod streams;
pub mod stripe;
pub mod tables;
pub mod telemetry;
pub mod template;
pub mod terminal;
