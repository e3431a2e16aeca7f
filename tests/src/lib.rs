//! Support for the tests: a stack in memory, wires that fail, checks of answers against the
//! contract, and the simulation, which is also a command.

pub mod proof;
pub mod simulation;
pub mod support;

/// The SDK and the embedded table allocate a lot, and small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
