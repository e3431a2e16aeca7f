//! What the tests stand on: a stack in memory, wires that fail, the contract as a judge, and the
//! simulation, which is also a command of its own.

pub mod proof;
pub mod simulation;
pub mod support;

/// The SDK and the embedded table allocate a lot, and small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
