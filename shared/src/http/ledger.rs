//! The ledger as JSON, or as CSV.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::csv;
use super::reply::{Balance, json, to_json};
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::Viewer;
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
pub(super) struct Line<'a> {
    pub seq: Seq,
    /// True of what time has done and nobody has written down yet.
    #[serde(skip_serializing_if = "is_false")]
    pending: bool,
    pub id: OperationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    pub kind: &'static str,
    pub at: Instant,
    /// The change of available.
    pub available: Credits,
    /// The change of held.
    pub held: Credits,
    pub balance: Balance,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<Anchor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<Vec<Moved>>,
    /// The holds that ended by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    lapsed: Option<&'a [OperationId]>,
    /// The hold that was captured, released or extended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<OperationId>,
    /// The debit that was refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debit: Option<OperationId>,
    /// The order that was paid for, or whose money went back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OperationId>,
    /// The credits of the order that are due after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Credits>,
    /// The change of debt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debt: Option<Credits>,
    /// What was captured, asked to be refunded, to be taken back, or waived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<Credits>,
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    ends: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// The version of the catalog that was in force.
    pub catalog: u32,
}

/// Credits that arrived, or lapsed (negative).
#[derive(Serialize)]
struct Moved {
    grant: GrantId,
    kind: &'static str,
    credits: Credits,
    expires_at: Option<Instant>,
}

/// What a listing is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Csv,
}

impl Form {
    /// The form that an `Accept` header names first. JSON if it names none of them.
    pub fn of(accept: Option<&str>) -> Form {
        let mut named = accept.unwrap_or_default().split(',').filter_map(|range| {
            let kind = range.split(';').next().unwrap_or_default().trim();
            match kind.to_ascii_lowercase().as_str() {
                "application/json" => Some(Form::Json),
                "text/csv" => Some(Form::Csv),
                _ => None,
            }
        });
        named.next().unwrap_or(Form::Json)
    }
}

/// Entries, the latest first, and where the next ones are.
pub fn listing(
    form: Form,
    pending: Option<&Placed>,
    placed: &[Placed],
    next_cursor: Option<String>,
    catalog: &Catalog,
    viewer: Viewer,
) -> Response<Body> {
    match form {
        Form::Json => json(listing_json(pending, placed, next_cursor, catalog, viewer)),
        Form::Csv => csv::ok(lines(pending, placed, catalog, viewer), next_cursor),
    }
}

/// The listing, as JSON.
pub fn listing_json(
    pending: Option<&Placed>,
    placed: &[Placed],
    next_cursor: Option<String>,
    catalog: &Catalog,
    viewer: Viewer,
) -> String {
    let entries = lines(pending, placed, catalog, viewer).collect();
    to_json(&Listing { entries, next_cursor })
}

fn lines<'a>(
    pending: Option<&'a Placed>,
    placed: &'a [Placed],
    catalog: &'a Catalog,
    viewer: Viewer,
) -> impl Iterator<Item = Line<'a>> {
    let pending = pending.map(|placed| Line { pending: true, ..line(placed, catalog, viewer) });
    pending.into_iter().chain(placed.iter().map(move |placed| line(placed, catalog, viewer)))
}

fn line<'a>(placed: &'a Placed, catalog: &'a Catalog, viewer: Viewer) -> Line<'a> {
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
        lapsed: None,
        hold: None,
        debit: None,
        order: None,
        due: None,
        debt: Some(entry.what.debt()).filter(|debt| !debt.is_zero()),
        credits: None,
        ends: None,
        user: entry.user_for(viewer),
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
            (line.action, line.quantity) = of_action(catalog, *action, *quantity);
        }
        What::Granted { kind, expires_at } => {
            line.grant = Some(kind.name());
            line.expires_at = *expires_at;
        }
        What::Settled { moved, lapsed, .. } => {
            line.moved = Some(movements(moved));
            line.lapsed = Some(lapsed.as_slice()).filter(|lapsed| !lapsed.is_empty());
        }
        What::Held { action, quantity, expires_at } => {
            (line.action, line.quantity) = of_action(catalog, *action, *quantity);
            line.expires_at = Some(*expires_at);
        }
        What::Captured { hold, action, quantity, credits, ends, .. } => {
            line.hold = Some(*hold);
            (line.action, line.quantity) = of_action(catalog, *action, *quantity);
            line.credits = Some(*credits);
            line.ends = Some(*ends);
        }
        What::Released { hold } => line.hold = Some(*hold),
        What::Extended { hold, expires_at } => {
            line.hold = Some(*hold);
            line.expires_at = Some(*expires_at);
        }
        What::Refunded { debit, credits, action, moved } => {
            line.moved = Some(movements(moved)).filter(|moved| !moved.is_empty());
            line.debit = Some(*debit);
            line.credits = Some(*credits);
            line.action = action.and_then(|number| catalog.action_name(number));
        }
        What::PlanChanged { plan, status, anchor } => {
            line.plan = Some(plan);
            line.status = Some(status.name());
            line.anchor = Some(*anchor);
        }
        What::ToppedUp { order, due, expires_at } => {
            (line.order, line.due, line.expires_at) = (Some(*order), Some(*due), *expires_at);
        }
        What::Reversed { order, due, credits } => {
            (line.order, line.due, line.credits) = (Some(*order), Some(*due), Some(*credits));
        }
        What::DebtWaived { credits } => line.credits = Some(*credits),
        What::Frozen | What::Unfrozen => {}
    }
    line
}

fn of_action(
    catalog: &Catalog,
    action: Option<ActionNumber>,
    quantity: u64,
) -> (Option<&str>, Option<u64>) {
    let named = action.and_then(|number| catalog.action_name(number));
    (named, action.map(|_| quantity).filter(|quantity| *quantity > 0))
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
