//! Small files that are whole whenever the process ends.

use std::path::Path;

/// Writes a file whole, or leaves it as it was: beside it first, then in its place.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(beside, file)
}
