//! The servers that a run starts on loopback and stops: DynamoDB Local, and with the feature
//! `servers` PostgreSQL and Valkey or Redis.

pub mod dynamodb_local;
#[cfg(feature = "servers")]
pub mod postgres;
mod process;
#[cfg(feature = "servers")]
pub mod redis;
