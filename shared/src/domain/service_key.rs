//! Service keys: what the holder of one may do, for which accounts, and until when.

use serde::{Deserialize, Serialize};

use super::instant::Span;
use super::{AccountId, Instant, OperationId};

/// How long a service key is valid at most, and by default.
pub const LONGEST_KEY: Span = Span::from_s(400 * 86_400);
pub const USUAL_KEY: Span = Span::from_s(365 * 86_400);
/// How long a service key is valid at least.
pub const SHORTEST_KEY: Span = Span::from_s(3_600);

/// A permission to call the API from anywhere. It never changes: what holds it is a new key, or
/// none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceKey {
    pub id: OperationId,
    /// Its name for the people who made it.
    pub name: String,
    pub scopes: Vec<KeyScope>,
    pub limit: KeyLimit,
    pub issued_at: Instant,
    pub expires_at: Instant,
}

/// One permission of a service key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// To spend credits: debits, holds and their steps, quotes.
    Spend,
    /// To read an account, its balance, its ledger, its usage and its payments.
    Read,
    /// To make sessions for customers.
    Sessions,
    /// To refund debits.
    Refund,
    /// To open accounts, and to change their plans and names.
    Accounts,
}

/// The accounts that a service key is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLimit {
    All,
    Account(AccountId),
    /// Those whose ids begin with this, which is not empty.
    Prefix(String),
}

/// A service key in the list of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    pub key: ServiceKey,
    /// The id of the key, in the stack's secret, that sealed it.
    pub sealed_by: String,
    /// None: it is not revoked.
    pub revoked: Option<RevokedKey>,
}

/// What the table has of service keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyList {
    /// In the order in which they were made.
    pub keys: Vec<ListedKey>,
    /// What is revoked and is none of these keys.
    pub unlisted: Vec<RevokedKey>,
}

/// A service key that nobody may use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    pub id: OperationId,
    /// When it would have ended by itself.
    pub expires_at: Instant,
    /// When it was revoked. None: its row does not say so legibly.
    pub at: Option<Instant>,
}

/// All of a key but its id, as JSON: in its token, and in its row. Times are milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    name: String,
    scopes: Vec<KeyScope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    issued_ms: i64,
    expires_ms: i64,
}

impl KeyScope {
    pub const ALL: [KeyScope; 5] =
        [KeyScope::Spend, KeyScope::Read, KeyScope::Sessions, KeyScope::Refund, KeyScope::Accounts];

    pub fn name(self) -> &'static str {
        match self {
            KeyScope::Spend => "spend",
            KeyScope::Read => "read",
            KeyScope::Sessions => "sessions",
            KeyScope::Refund => "refund",
            KeyScope::Accounts => "accounts",
        }
    }
}

impl KeyLimit {
    pub fn covers(&self, account: &str) -> bool {
        match self {
            KeyLimit::All => true,
            KeyLimit::Account(own) => own.as_str() == account,
            KeyLimit::Prefix(prefix) => account.starts_with(prefix.as_str()),
        }
    }
}

impl ServiceKey {
    pub fn allows(&self, scope: KeyScope) -> bool {
        self.scopes.contains(&scope)
    }

    /// All of it but its id, as JSON.
    pub fn claims(&self) -> Vec<u8> {
        let (account, prefix) = match &self.limit {
            KeyLimit::All => (None, None),
            KeyLimit::Account(account) => (Some(account.to_string()), None),
            KeyLimit::Prefix(prefix) => (None, Some(prefix.clone())),
        };
        let claims = Claims {
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            account,
            prefix,
            issued_ms: self.issued_at.ms(),
            expires_ms: self.expires_at.ms(),
        };
        serde_json::to_vec(&claims).expect("claims are plain values")
    }

    /// The key with this id and these claims. None: they are of no version that this one knows.
    pub fn of_claims(id: OperationId, claims: &[u8]) -> Option<ServiceKey> {
        let Claims { name, scopes, account, prefix, issued_ms, expires_ms } =
            serde_json::from_slice(claims).ok()?;
        let limit = match (account, prefix) {
            (None, None) => KeyLimit::All,
            (Some(account), None) => KeyLimit::Account(account.parse().ok()?),
            (None, Some(prefix)) if !prefix.is_empty() => KeyLimit::Prefix(prefix),
            _ => return None,
        };
        let (issued_at, expires_at) = (Instant::from_ms(issued_ms), Instant::from_ms(expires_ms));
        Some(ServiceKey { id, name, scopes, limit, issued_at, expires_at })
    }
}
