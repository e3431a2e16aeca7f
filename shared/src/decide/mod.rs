//! Decisions: each turns a request, an instant and (where needed) an account into a conditional
//! write. Pure: no I/O, no clock, no randomness; nothing here can fail for outside reasons.

pub mod advance;
pub mod announce;
mod apply;
pub mod archive;
pub mod auto_top_up;
pub mod batch;
pub mod catalog_version;
pub mod debit;
pub mod directory;
pub mod grant;
pub mod history;
pub mod hold;
pub mod limit;
pub mod open;
pub mod operation;
pub mod own_limit;
pub mod payment;
pub mod plan;
pub mod reconcile;
pub mod refund;
mod renew;
pub mod repair;
pub mod replay;
pub mod revoke;
pub mod rollup;
mod row;
pub mod subscribe;
pub mod subscription;
pub mod topup;
pub mod write;

pub use row::{
    CatalogVersion, IdempotencyRecord, KeyAlias, Mark, PlacedPayment, Redemption, Returned, Row,
    RowKey, Segment, UnreadEvent,
};
pub use write::{AccountWrite, Expect, Field, Guard, Made, Missing, RowWrite, Seen, Step, Write};

use crate::domain::instant::Span;

/// How far an id may be dated ahead of the handler's clock.
pub const MAX_CLOCK_AHEAD: Span = Span::from_s(5);
/// How far ahead an id may be for the handler to wait until it is at most [`MAX_CLOCK_AHEAD`]
/// ahead.
pub const MAX_WAIT_AHEAD: Span = Span::from_s(10);
/// How far ahead an id must be for this handler to know that no handler has applied it or waits to
/// apply it: the clocks of two handlers are up to twice [`SKEW`] apart.
pub const MAX_KEY_AHEAD: Span = Span::from_ms(MAX_WAIT_AHEAD.ms() + 2 * SKEW.ms());
/// How old an id may be on its first use without a look-up. It covers a client's retries.
pub const DEDUP_WINDOW: Span = Span::from_s(120);
/// How far a handler's clock may be from DynamoDB's before the handler answers nothing.
pub const SKEW: Span = Span::from_s(5);
/// The longest time that one call to DynamoDB may take, with the SDK's own retries.
pub const CALL_TIMEOUT: Span = Span::from_s(5);
/// The largest error between two stamps in ledger order: the skew of two clocks and the time of one
/// call.
pub const STAMP_MARGIN: Span = Span::from_ms(2 * SKEW.ms() + CALL_TIMEOUT.ms());

/// The account contradicts itself, or names a plan that the catalog does not have. It is never the
/// answer to a request: nothing is written, and an operator has to act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("account {account}: {problem}")]
    Account { account: String, problem: String },
    #[error("account {account} is on plan {plan}, which the catalog does not have")]
    NoPlan { account: String, plan: String },
}
