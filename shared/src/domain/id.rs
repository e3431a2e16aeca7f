//! Names of accounts and operations.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::Instant;

/// The position of an entry in its account's ledger: 1, 2, 3, ... without a gap.
pub type Seq = u64;

/// The organization that owns one pool of credits: 1 to 128 of `A-Z a-z 0-9 . _ : @ | -`, as
/// sign-in services call theirs (`auth0|64f0`, `ada@example.com`). Not `.` and not `..`: in a path
/// they are steps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 letters, digits or . _ : @ | -, and neither . nor ..")]
pub struct AccountIdError;

impl AccountId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<AccountId, AccountIdError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:@|-".contains(&b);
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(plain);
        let fits = fits && !matches!(text, "." | "..");
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
/// Shown as a UUID. There are two kinds, and no id is of both: those that a request brings or its
/// key stands for, and those that no caller chose, of advances, grants, payments and refunds, which
/// are UUIDv8. So what a ledger shows can be sent as a key, and is never taken for the entry that
/// it names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId([u8; 16]);

impl OperationId {
    pub const fn from_bytes(bytes: [u8; 16]) -> OperationId {
        OperationId(bytes)
    }

    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A UUIDv7 of `now` with `random` in its free bits: an id that a key stands for.
    pub fn mint(now: Instant, random: [u8; 10]) -> OperationId {
        OperationId(of_time(now, random).into_uuid().into_bytes())
    }

    /// The same as a UUIDv8: an id that no caller chose.
    pub fn own(now: Instant, random: [u8; 10]) -> OperationId {
        let own = of_time(now, random).with_version(uuid::Version::Custom);
        OperationId(own.into_uuid().into_bytes())
    }

    /// The id of an entry that no caller asked for: unique by its place in the ledger.
    pub fn of_entry(now: Instant, seq: Seq) -> OperationId {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&seq.to_be_bytes());
        OperationId::own(now, random)
    }

    /// Whether no caller chose it: then none can send it again.
    pub fn is_own(&self) -> bool {
        let uuid = Uuid::from_bytes(self.0);
        uuid.get_version_num() == 8 && uuid.get_variant() == VARIANT
    }

    /// Reads an id as it is shown, a UUID with hyphens. Capitals do not matter.
    pub fn parse(text: &str) -> Option<OperationId> {
        uuid(text).map(|uuid| OperationId(uuid.into_bytes()))
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

/// A caller's idempotency key for its operation: 1 to 255 printable ASCII characters. A UUID is
/// kept in small letters and a ULID in capitals, however they were sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

/// The kind of caller that a key belongs to: a key that one kind used is new to the others, so that
/// nobody can take or try another's. The key of a debit or a hold is always a service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeySpace {
    /// A customer's of the account: the routes of `/v1/me`.
    Customers,
    /// A service's, for operations that it does for the account's users.
    Services,
    /// An operator's.
    Operators,
    /// That of `scrip repair`.
    Repair,
}

impl KeySpace {
    pub const ALL: [KeySpace; 4] =
        [KeySpace::Customers, KeySpace::Services, KeySpace::Operators, KeySpace::Repair];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 printable ASCII characters")]
pub struct KeyError;

impl Key {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The operation id that this key is, if it is one: a UUIDv7 or a ULID. Any other string is an
    /// alias for an id, a ULID of the bits of a UUIDv8 too: those are the ids that no caller chose.
    pub fn id(&self) -> Option<OperationId> {
        let ulid = || ulid(&self.0).map(|ulid| OperationId(ulid.to_bytes()));
        self.uuid7().or_else(ulid).filter(|id| !id.is_own())
    }

    /// The key as a receipt shows it: only where it differs from the id.
    pub fn shown(&self) -> Option<&str> {
        self.uuid7().is_none().then_some(&self.0)
    }

    fn uuid7(&self) -> Option<OperationId> {
        let is_7 = |id: &Uuid| id.get_version_num() == 7 && id.get_variant() == VARIANT;
        uuid(&self.0).filter(is_7).map(|uuid| OperationId(uuid.into_bytes()))
    }
}

/// The only variant whose versions mean anything.
const VARIANT: uuid::Variant = uuid::Variant::RFC4122;

fn of_time(now: Instant, random: [u8; 10]) -> uuid::Builder {
    uuid::Builder::from_unix_timestamp_millis(now.ms().unsigned_abs(), &random)
}

/// The UUID that a text with hyphens is.
fn uuid(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    uuid.hyphenated().to_string().eq_ignore_ascii_case(text).then_some(uuid)
}

/// The ULID that a text is: in capitals or in small letters, not in both, for a string that mixes
/// them is something else.
fn ulid(text: &str) -> Option<ulid::Ulid> {
    let mixed = text.bytes().any(|b| b.is_ascii_uppercase())
        && text.bytes().any(|b| b.is_ascii_lowercase());
    let ulid = ulid::Ulid::from_string(text).ok()?;
    (!mixed && ulid.to_string().eq_ignore_ascii_case(text)).then_some(ulid)
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        let printable = |b: u8| (b' '..=b'~').contains(&b);
        if !(1..=255).contains(&text.len()) || !text.bytes().all(printable) {
            return Err(KeyError);
        }
        // One id in another spelling is the same key.
        let uuid = uuid(text).map(|uuid| uuid.hyphenated().to_string());
        let folded = uuid.or_else(|| ulid(text).map(|ulid| ulid.to_string()));
        Ok(Key(folded.unwrap_or_else(|| text.to_owned())))
    }
}
