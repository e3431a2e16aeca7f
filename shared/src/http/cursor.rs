//! Cursors: the place where a listing continues, sealed to that listing.
//!
//! A cursor holds only a place; the request's route says which listing it is in. So the seal needs
//! no secret. It catches cursors that are mixed up, changed or cut.

use sha2::{Digest, Sha256};

use crate::domain::{AccountId, Instant};
use crate::query::ledger;
use crate::store::PaymentPlace;

const NUMBERS: usize = 24;
const SEAL: usize = 8;
/// The longest place that is sealed: an instant, and the longest payment id.
const MAX_BYTES: usize = 8 + 128;

/// The listing that a cursor belongs to.
#[derive(Clone, Copy)]
enum Of<'a> {
    Ledger(&'a AccountId),
    Payments(PaymentList<'a>),
    Directory,
}

/// A listing of payments that a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentList<'a> {
    /// Those that wait for an operator, and events with them.
    Parked,
    All,
    OfAccount(&'a AccountId),
}

/// Seals a place in the ledger into an opaque text, bound to the account.
pub fn seal(from: &ledger::From, account: &AccountId) -> String {
    let (time, first) = from.segment.unwrap_or((Instant::EPOCH, 0));
    let mut bytes = Vec::with_capacity(NUMBERS + SEAL);
    bytes.extend(from.below.to_be_bytes());
    bytes.extend(time.ms().to_be_bytes());
    bytes.extend(first.to_be_bytes());
    sealed(Of::Ledger(account), bytes)
}

/// Opens a sealed cursor. None if it was changed, or belongs to another account.
pub fn open(text: &str, account: &AccountId) -> Option<ledger::From> {
    let numbers = opened(Of::Ledger(account), text).filter(|bytes| bytes.len() == NUMBERS)?;
    let number = |at: usize| numbers[at..at + 8].try_into().ok().map(u64::from_be_bytes);
    let (below, time, first) = (number(0)?, number(8)?, number(16)?);
    let time = Instant::from_ms(i64::try_from(time).ok()?);
    Some(ledger::From { below, segment: Some((time, first)).filter(|(_, first)| *first > 0) })
}

/// Seals a place in a listing of payments.
pub fn seal_payment(place: &PaymentPlace, list: PaymentList<'_>) -> String {
    let mut bytes = place.at.ms().to_be_bytes().to_vec();
    bytes.extend(place.id.as_bytes());
    sealed(Of::Payments(list), bytes)
}

/// Opens such a cursor. None if it was changed, belongs to another listing, or was made up: its
/// place is no key of the table.
pub fn open_payment(text: &str, list: PaymentList<'_>) -> Option<PaymentPlace> {
    let bytes = opened(Of::Payments(list), text)?;
    let (time, id) = bytes.split_first_chunk()?;
    let (ms, id) = (i64::from_be_bytes(*time), String::from_utf8(id.to_vec()).ok()?);
    let at = Instant::from_ms(ms);
    (at.ms() == ms && !id.is_empty()).then_some(PaymentPlace { at, id })
}

/// Seals a place in the directory: the account after which it goes on.
pub fn seal_account(after: &AccountId) -> String {
    sealed(Of::Directory, after.as_str().as_bytes().to_vec())
}

/// Opens such a cursor. None if it was changed.
pub fn open_account(text: &str) -> Option<AccountId> {
    String::from_utf8(opened(Of::Directory, text)?).ok()?.parse().ok()
}

fn sealed(of: Of<'_>, mut place: Vec<u8>) -> String {
    let seal = checksum(of, &place);
    place.extend(seal);
    place.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn opened(of: Of<'_>, text: &str) -> Option<Vec<u8>> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let lengths = 2 * SEAL..=2 * (MAX_BYTES + SEAL);
    if !lengths.contains(&text.len()) || !text.len().is_multiple_of(2) || !text.bytes().all(is_hex)
    {
        return None;
    }
    let hex = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    let mut bytes: Vec<u8> = hex.collect::<Result<_, _>>().ok()?;
    let seal = bytes.split_off(bytes.len() - SEAL);
    (checksum(of, &bytes)[..] == seal).then_some(bytes)
}

fn checksum(of: Of<'_>, place: &[u8]) -> [u8; SEAL] {
    let digest = match of {
        Of::Ledger(account) => Sha256::new()
            .chain_update(b"scrip ledger cursor 1")
            .chain_update(account.as_str())
            .chain_update([0]),
        Of::Payments(PaymentList::Parked) => Sha256::new().chain_update(b"scrip parked cursor 1"),
        Of::Payments(PaymentList::All) => Sha256::new().chain_update(b"scrip payments cursor 1"),
        Of::Payments(PaymentList::OfAccount(account)) => Sha256::new()
            .chain_update(b"scrip account payments cursor 1")
            .chain_update(account.as_str())
            .chain_update([0]),
        Of::Directory => Sha256::new().chain_update(b"scrip directory cursor 1"),
    };
    let digest = digest.chain_update(place).finalize();
    digest[..SEAL].try_into().expect("8 of 32 bytes")
}
