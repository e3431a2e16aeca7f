//! Names of accounts and operations.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::Instant;

/// The position of an entry in its account's ledger: 1, 2, 3, ... without a gap.
pub type Seq = u64;

/// The organization that owns one pool of credits: 1 to 64 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits, underscores or hyphens")]
pub struct AccountIdError;

impl AccountId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<AccountId, AccountIdError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| AccountId(text.to_owned())).ok_or(AccountIdError)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for AccountId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The id of an operation: 128 bits that begin with 48 bits of time, as a UUIDv7 and a ULID do.
///
/// Shown as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId([u8; 16]);

impl OperationId {
    pub const fn from_bytes(bytes: [u8; 16]) -> OperationId {
        OperationId(bytes)
    }

    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A UUIDv7 of `now` with `random` in its free bits.
    pub fn mint(now: Instant, random: [u8; 10]) -> OperationId {
        let ms = now.ms().unsigned_abs();
        OperationId(uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().into_bytes())
    }

    /// The id of an entry that no caller asked for: unique by its place in the ledger.
    pub fn of_entry(now: Instant, seq: Seq) -> OperationId {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&seq.to_be_bytes());
        OperationId::mint(now, random)
    }

    /// Reads an id as it is shown, a UUID in lower case with hyphens; or a canonical ULID.
    pub fn parse(text: &str) -> Option<OperationId> {
        let uuid = Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text);
        let ulid = || ulid::Ulid::from_string(text).ok().filter(|id| id.to_string() == text);
        match uuid {
            Some(uuid) => Some(OperationId(uuid.into_bytes())),
            None => ulid().map(|ulid| OperationId(ulid.to_bytes())),
        }
    }

    /// The time inside the id.
    pub fn time(&self) -> Instant {
        let mut ms = [0; 8];
        ms[2..].copy_from_slice(&self.0[..6]);
        Instant::from_ms(i64::from_be_bytes(ms))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for OperationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a caller calls its operation: the idempotency key, 1 to 255 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 printable ASCII characters")]
pub struct KeyError;

impl Key {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The operation id that this key is, if it is one: a UUIDv7 (lower case, with hyphens) or a
    /// ULID (upper case), each in its canonical form. Any other string is a name for an id.
    pub fn id(&self) -> Option<OperationId> {
        self.uuid().or_else(|| self.ulid())
    }

    /// The key as a receipt shows it: only where it differs from the id.
    pub fn shown(&self) -> Option<&str> {
        self.uuid().is_none().then_some(&self.0)
    }

    fn uuid(&self) -> Option<OperationId> {
        let uuid = Uuid::try_parse(&self.0).ok()?;
        let canonical = uuid.hyphenated().to_string() == self.0;
        let version7 = uuid.get_version_num() == 7 && uuid.get_variant() == uuid::Variant::RFC4122;
        (canonical && version7).then(|| OperationId(uuid.into_bytes()))
    }

    fn ulid(&self) -> Option<OperationId> {
        let ulid = ulid::Ulid::from_string(&self.0).ok()?;
        (ulid.to_string() == self.0).then(|| OperationId(ulid.to_bytes()))
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        let printable = |b: u8| (b' '..=b'~').contains(&b);
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(printable);
        fits.then(|| Key(text.to_owned())).ok_or(KeyError)
    }
}
