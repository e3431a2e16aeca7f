//! The ledger as JSON.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::reply::{Balance, ok};
use crate::domain::grant::GrantId;
use crate::domain::ledger::Placed;
use crate::domain::period::Anchor;
use crate::domain::{Catalog, Credits, Instant, Movement, OperationId, Seq, What};

#[derive(Serialize)]
struct Listing<'a> {
    entries: Vec<Line<'a>>,
    next_cursor: Option<String>,
}

/// One entry. What does not apply to it is left out.
#[derive(Serialize)]
struct Line<'a> {
    seq: Seq,
    /// True of what time has done and nobody has written down yet.
    #[serde(skip_serializing_if = "is_false")]
    pending: bool,
    id: OperationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    kind: &'static str,
    at: Instant,
    /// The change of available.
    available: Credits,
    /// The change of held.
    held: Credits,
    balance: Balance,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<Anchor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<Vec<Moved>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The version of the catalog that was in force.
    catalog: u32,
}

/// Credits that arrived, or lapsed (negative).
#[derive(Serialize)]
struct Moved {
    grant: GrantId,
    kind: &'static str,
    credits: Credits,
    expires_at: Option<Instant>,
}

/// Entries, the latest first, and where the next ones are.
pub fn listing(
    pending: Option<&Placed>,
    placed: &[Placed],
    next_cursor: Option<String>,
    catalog: &Catalog,
) -> Response<Body> {
    let pending = pending.map(|placed| Line { pending: true, ..line(placed, catalog) });
    let entries = pending.into_iter().chain(placed.iter().map(|placed| line(placed, catalog)));
    ok(&Listing { entries: entries.collect(), next_cursor })
}

fn line<'a>(placed: &'a Placed, catalog: &'a Catalog) -> Line<'a> {
    let entry = &placed.entry;
    let mut line = Line {
        seq: placed.seq,
        pending: false,
        id: entry.id,
        key: entry.key.as_deref(),
        kind: entry.what.name(),
        at: entry.at,
        available: entry.available,
        held: entry.held,
        balance: Balance { available: placed.available, held: placed.held },
        action: None,
        quantity: None,
        plan: None,
        status: None,
        anchor: None,
        grant: None,
        expires_at: None,
        moved: None,
        user: entry.user.as_deref(),
        reference: entry.reference.as_deref(),
        reason: entry.reason.as_deref(),
        catalog: entry.catalog,
    };
    match &entry.what {
        What::Opened { plan, status, anchor, moved } => {
            line.plan = Some(plan);
            line.status = Some(status.name());
            line.anchor = Some(*anchor);
            line.moved = Some(movements(moved));
        }
        What::Debit { action, quantity } => {
            line.action = action.and_then(|number| catalog.action_name(number));
            line.quantity = action.map(|_| *quantity);
        }
        What::Granted { kind, expires_at } => {
            line.grant = Some(kind.name());
            line.expires_at = *expires_at;
        }
        What::Settled { moved } => line.moved = Some(movements(moved)),
        What::PlanChanged { plan, status, anchor } => {
            line.plan = Some(plan);
            line.status = Some(status.name());
            line.anchor = Some(*anchor);
        }
        What::Frozen | What::Unfrozen => {}
    }
    line
}

fn movements(moved: &[Movement]) -> Vec<Moved> {
    let moved = moved.iter().map(|movement| Moved {
        grant: movement.grant,
        kind: movement.kind.name(),
        credits: movement.credits,
        expires_at: movement.expires_at,
    });
    moved.collect()
}

fn is_false(value: &bool) -> bool {
    !value
}
