//! Hashes for what is named by a text of any length.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// 128 bits of SHA-256 in hex: 32 letters, and two texts do not share them by chance.
pub fn short_hash(text: impl AsRef<[u8]>) -> String {
    let digest = Sha256::digest(text);
    digest[..16].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
