//! Cursors: where a listing goes on, sealed to the account it is of.

use sha2::{Digest, Sha256};

use crate::domain::{AccountId, Instant};
use crate::query::ledger::From;

const NUMBERS: usize = 24;
const SEAL: usize = 8;

/// Seals a place in the ledger into an opaque text, bound to the account.
///
/// It says nothing but a place in the account's own ledger, and the account comes from the request's
/// route, so the seal needs no secret. What it catches is a cursor that is mixed up, changed or cut.
pub fn seal(from: &From, account: &AccountId) -> String {
    let (time, first) = from.page.unwrap_or((Instant::EPOCH, 0));
    let mut bytes = Vec::with_capacity(NUMBERS + SEAL);
    bytes.extend(from.below.to_be_bytes());
    bytes.extend(time.ms().to_be_bytes());
    bytes.extend(first.to_be_bytes());
    let seal = checksum(account, &bytes);
    bytes.extend(seal);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a sealed cursor. None if it was changed, or is of another account.
pub fn open(text: &str, account: &AccountId) -> Option<From> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * (NUMBERS + SEAL) || !text.bytes().all(is_hex) {
        return None;
    }
    let hex = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    let bytes: Vec<u8> = hex.collect::<Result<_, _>>().ok()?;
    let (numbers, sealed) = bytes.split_at(NUMBERS);
    if checksum(account, numbers) != sealed {
        return None;
    }
    let number = |at: usize| numbers[at..at + 8].try_into().ok().map(u64::from_be_bytes);
    let (below, time, first) = (number(0)?, number(8)?, number(16)?);
    let time = Instant::from_ms(i64::try_from(time).ok()?);
    Some(From { below, page: Some((time, first)).filter(|(_, first)| *first > 0) })
}

fn checksum(account: &AccountId, numbers: &[u8]) -> [u8; SEAL] {
    let digest = Sha256::new()
        .chain_update(b"scrip ledger cursor 1")
        .chain_update(account.as_str())
        .chain_update([0])
        .chain_update(numbers)
        .finalize();
    digest[..SEAL].try_into().expect("8 of 32 bytes")
}
