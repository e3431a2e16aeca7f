//! Writes small files that are whole even if the process ends in between.

use std::path::Path;

/// Writes a file whole, or leaves it unchanged: writes a file beside it, then renames that.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(beside, file)
}
