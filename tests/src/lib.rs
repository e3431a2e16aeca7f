//! What the tests stand on: a stack in memory, wires that fail, the contract as a judge, and the
//! simulation, which is also a command of its own.

pub mod simulation;
pub mod support;
