//! Decisions: from a request, an instant and (where needed) an account, to what to write and on
//! what condition. Pure: no I/O, no clock, no randomness; nothing here can fail for outside reasons.

pub mod advance;
pub mod announce;
pub mod archive;
pub mod catalog_version;
pub mod debit;
pub mod grant;
pub mod history;
pub mod hold;
pub mod open;
pub mod operation;
pub mod payment;
pub mod plan;
pub mod refund;
mod renew;
pub mod repair;
pub mod rollup;
mod row;
pub mod write;

pub use row::{
    CatalogVersion, IdempotencyRecord, KeyAlias, Mark, Redemption, Returned, Row, RowKey, Segment,
    UnreadEvent,
};
pub use write::{AccountWrite, Expect, Field, Guard, Made, Missing, RowWrite, Seen, Step, Write};

use crate::domain::instant::Span;

/// How far an id may be dated ahead of the handler's clock.
pub const MAX_CLOCK_AHEAD: Span = Span::from_s(5);
/// How far ahead an id may be that is waited for, until it is no more than [`MAX_CLOCK_AHEAD`].
pub const MAX_WAIT_AHEAD: Span = Span::from_s(10);
/// How far ahead an id has to be for this handler to know that none has applied it, nor waits to: the
/// clocks of two are up to twice [`SKEW`] apart.
pub const MAX_KEY_AHEAD: Span = Span::from_ms(MAX_WAIT_AHEAD.ms() + 2 * SKEW.ms());
/// How old an id may be when it is first used without a look-up: it covers a client's retries.
pub const DEDUP_WINDOW: Span = Span::from_s(120);
/// How far a handler's clock may be from DynamoDB's before it answers nothing.
pub const SKEW: Span = Span::from_s(5);
/// How long one call to DynamoDB, with the SDK's own retries, may live.
pub const CALL_TIMEOUT: Span = Span::from_s(5);
/// By how much two stamps in ledger order may be wrong at most: two clocks and a call's life.
pub const STAMP_MARGIN: Span = Span::from_ms(2 * SKEW.ms() + CALL_TIMEOUT.ms());

/// The account contradicts itself, or names what the catalog does not have. Never the answer to a
/// request: nothing is written, an operator is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("account {account}: {problem}")]
    Account { account: String, problem: String },
    #[error("account {account} is on plan {plan}, which the catalog does not have")]
    NoPlan { account: String, plan: String },
}
