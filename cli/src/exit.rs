//! The exit codes of `scrip`: docs/operating/daily-questions.md has them for those who write
//! scripts.

use std::error::Error;

use crate::api::ApiError;

/// It was refused, it failed, or it found differences.
const FAILED: u8 = 1;
/// The command line is wrong. Nothing was asked or changed. `clap` ends with the same code.
const WRONG_USE: u8 = 2;
/// The change may or may not have been made: repeat it with the key that was printed.
const OUTCOME_UNKNOWN: u8 = 3;

/// A command line that `clap` takes and that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUse(pub String);

/// Whether the program that reads the output has ended: it had all that it wanted.
pub fn is_unread(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The exit code of a command that ended with `error`.
pub fn code(error: &(dyn Error + 'static)) -> u8 {
    match error.downcast_ref::<ApiError>() {
        Some(ApiError::OutcomeUnknown { .. }) => OUTCOME_UNKNOWN,
        _ if error.is::<WrongUse>() => WRONG_USE,
        _ => FAILED,
    }
}
