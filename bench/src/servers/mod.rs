//! The servers that a run starts and stops: DynamoDB Local, and with the feature `servers`, on
//! loopback, PostgreSQL and Valkey or Redis.

pub mod dynamodb_local;
#[cfg(feature = "servers")]
pub mod postgres;
mod process;
#[cfg(feature = "servers")]
pub mod redis;
