//! The signature of a webhook: whether Stripe sent these bytes, and did so recently.
//!
//! It is stricter than Stripe's own libraries on things that Stripe never sends: a time in the
//! future, two times, numbers with signs.

use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::Instant;

/// How far the time of a signature may be from ours, in seconds, before and after.
pub const TOLERANCE_S: i64 = 300;
/// The longest header that is read: Stripe's have one time and a signature or two.
const MAX_BYTES: usize = 2048;
/// How many secrets an endpoint has at most: a second one, the previous, while it is replaced.
const MAX_SECRETS: usize = 2;
/// How many signatures of a header are checked: Stripe sends one for each secret.
const MAX_SIGNATURES: usize = 5;

/// Why a body is not accepted as Stripe's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the header does not have the form t=...,v1=...")]
    Malformed,
    #[error("no signature matches the body")]
    NoMatch,
    #[error("its timestamp is more than 300 s from the current time")]
    Stale,
}

/// Whether `body`, exactly as it was sent, was signed with one of `secrets` within 300 s of `now`.
/// Computes at most two hashes, one for each secret, and checks at most five signatures, however
/// many were sent.
///
/// # Errors
/// [`SignatureError`]. An error about the time is returned only for a valid signature.
pub fn verify(
    header: &str,
    body: &[u8],
    secrets: &[impl AsRef<str>],
    now: Instant,
) -> Result<(), SignatureError> {
    let (time, signatures) = parse(header).ok_or(SignatureError::Malformed)?;
    if body.is_empty() {
        return Err(SignatureError::NoMatch);
    }
    let secrets = secrets.iter().filter(|secret| !secret.as_ref().is_empty());
    let mut fits = false;
    for secret in secrets.take(MAX_SECRETS) {
        // One hash for each secret: many signatures do not cause many hashes.
        let signed = mac(secret.as_ref(), time, body).finalize();
        for signature in &signatures {
            // In constant time: the answer must not show how much of a guess is right.
            fits |= signed == CtOutput::new((*signature).into());
        }
    }
    if !fits {
        return Err(SignatureError::NoMatch);
    }
    let signed_s: i64 = time.parse().map_err(|_| SignatureError::Malformed)?;
    match (now.ms().div_euclid(1000) - signed_s).abs() <= TOLERANCE_S {
        true => Ok(()),
        false => Err(SignatureError::Stale),
    }
}

/// The header that Stripe would send with `body`. For a local Stripe and for tests.
pub fn sign(body: &[u8], secret: &str, at: Instant) -> String {
    let time = at.ms().div_euclid(1000).to_string();
    let signature = mac(secret, &time, body).finalize().into_bytes();
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={hex}")
}

fn mac(secret: &str, time: &str, body: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    mac.expect("any key will do").chain_update(time).chain_update(".").chain_update(body)
}

/// The time, as it was signed, and every signature of version 1. Other versions are ignored.
fn parse(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    if header.len() > MAX_BYTES {
        return None;
    }
    let (mut time, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        let (name, value) = part.split_once('=')?;
        match name {
            "t" if time.is_some() => return None,
            "t" => time = Some(value),
            "v1" if signatures.len() == MAX_SIGNATURES => {}
            "v1" => signatures.push(hex(value)?),
            _ => {}
        }
    }
    let digits =
        |text: &&str| (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    // Stripe's form of a number: without a sign, a fraction or leading zeros.
    let plain = |text: &&str| digits(text) && !text.starts_with('0');
    Some((time.filter(plain)?, Some(signatures).filter(|found| !found.is_empty())?))
}

/// 32 bytes in lower-case hex, as Stripe writes them.
fn hex(text: &str) -> Option<[u8; 32]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let text = <&[u8; 64]>::try_from(text.as_bytes()).ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}
