//! Receipts: what happened, as JSON.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::line::Bought;
use super::reply::{Balance, created, json, to_json};
use super::terms::{Next, Terms};
use super::{Call, Problem, balance};
use crate::command::Receipted;
use crate::context::Context;
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::Quantity;
use crate::domain::ledger::PostedEntry;
use crate::domain::limit::Per;
use crate::domain::{
    AccountId, Catalog, Credits, EntryKind, GrantId, Instant, Key, OperationId, Refusal, Seq,
    Subject,
};
use crate::query;
use crate::telemetry::correlation;

/// The fields that every receipt has.
#[derive(Serialize)]
struct Head<'a> {
    id: OperationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    account: &'a AccountId,
    /// The IAM principal that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
}

#[derive(Serialize)]
struct Tail {
    seq: Seq,
    at: Instant,
    balance: Balance,
}

#[derive(Serialize)]
struct Receipt<'a, T> {
    #[serde(flatten)]
    head: Head<'a>,
    #[serde(flatten)]
    kind: T,
    #[serde(flatten)]
    tail: Tail,
}

#[derive(Serialize)]
struct Debited<'a> {
    #[serde(flatten)]
    bought: Bought<'a>,
    credits: Credits,
}

#[derive(Serialize)]
struct Granted {
    kind: &'static str,
    credits: Credits,
    expires_at: Option<Instant>,
}

#[derive(Serialize)]
struct Revoked {
    /// The kind of the grant.
    grant: &'static str,
    grant_id: GrantId,
    /// The credits that were taken back: 0 if nothing of the grant was free.
    credits: Credits,
}

#[derive(Serialize)]
struct OnPlan<'a> {
    #[serde(flatten)]
    terms: Terms<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Next<'a>>,
}

#[derive(Serialize)]
struct Held<'a> {
    #[serde(flatten)]
    debited: Debited<'a>,
    expires_at: Instant,
}

#[derive(Serialize)]
struct Captured<'a> {
    hold: OperationId,
    #[serde(flatten)]
    debited: Debited<'a>,
    /// Whether the hold ended with it.
    #[serde(rename = "final")]
    ends: bool,
    /// How many of the credits were taken beyond the hold.
    #[serde(skip_serializing_if = "Credits::is_zero")]
    beyond: Credits,
    /// The credits that were asked for beyond the hold and not charged.
    #[serde(skip_serializing_if = "Credits::is_zero")]
    uncharged: Credits,
}

#[derive(Serialize)]
struct OfHold {
    hold: OperationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Instant>,
}

#[derive(Serialize)]
struct Refunded {
    debit: OperationId,
    /// The credits that were requested.
    credits: Credits,
    /// The credits that came back: fewer, if some of their grants are gone.
    returned: Credits,
}

#[derive(Serialize)]
struct Waived {
    /// The debt that was waived.
    credits: Credits,
}

/// A limit of the account's own. `at_most` is null: it is removed.
#[derive(Serialize)]
struct LimitSet<'a> {
    of: &'a Subject,
    per: Per,
    at_most: Option<Credits>,
}

#[derive(Serialize)]
struct Nothing {}

/// A 201 with the receipt of an operation; a repeated request gets the same bytes.
pub fn receipt(
    account: &AccountId,
    key: &Key,
    receipted: &Receipted,
    catalog: &Catalog,
) -> Response<Body> {
    correlation::operation(&receipted.found.entry.id);
    created(receipted_as(account, key, receipted, catalog), receipted.replayed)
}

/// The receipt of an operation; of a dry run, the balances before and after it.
///
/// # Errors
/// [`Problem`] if the account contradicts itself.
pub fn or_preview(
    context: &Context,
    account: &AccountId,
    key: &Key,
    receipted: &Receipted,
    catalog: &Catalog,
) -> Result<Response<Body>, Problem> {
    match query::preview(context, catalog, Some(account))? {
        Some(preview) => Ok(balance::preview(&preview, catalog)),
        None => Ok(receipt(account, key, receipted, catalog)),
    }
}

/// A 201 with the receipts of a batch, in the order of the request.
pub fn receipts<'a>(
    account: &AccountId,
    receipted: impl Iterator<Item = (&'a Key, &'a Receipted)>,
    catalog: &Catalog,
) -> Response<Body> {
    let mut replayed = true;
    let receipts = receipted.map(|(key, receipted)| {
        replayed &= receipted.replayed;
        receipted_as(account, key, receipted, catalog)
    });
    let receipts = receipts.collect::<Vec<_>>().join(",");
    let account = to_json(account);
    created(format!("{{\"account\":{account},\"receipts\":[{receipts}]}}"), replayed)
}

/// A 200 with the result of each debit of a batch, in the order of the request. A refusal is counted
/// and answered as that of a debit alone.
pub fn results<'a>(
    context: &Context,
    call: &Call<'_>,
    account: &AccountId,
    results: impl Iterator<Item = (&'a Key, &'a Result<Receipted, Refusal>)>,
    catalog: &Catalog,
) -> Response<Body> {
    let results = results.map(|(key, result)| match result {
        Ok(receipted) => {
            let receipt = receipted_as(account, key, receipted, catalog);
            let replayed = receipted.replayed;
            format!("{{\"status\":201,\"replayed\":{replayed},\"receipt\":{receipt}}}")
        }
        Err(refusal) => {
            let problem = Problem::from(refusal.clone()).located(&context.config);
            problem.count(&context.metrics, call.caller());
            let (status, problem) = (problem.status(), problem.body());
            format!("{{\"status\":{status},\"problem\":{problem}}}")
        }
    });
    let results = results.collect::<Vec<_>>().join(",");
    let account = to_json(account);
    json(format!("{{\"account\":{account},\"results\":[{results}]}}"))
}

fn receipted_as(
    account: &AccountId,
    key: &Key,
    receipted: &Receipted,
    catalog: &Catalog,
) -> String {
    let PostedEntry { entry, seq, available, held } = &receipted.found;
    // Shown if it is not the id itself: a text, a ULID, or a UUID with an alias to another id.
    let shown = Some(key.as_str()).filter(|key| *key != entry.id.to_string());
    let head = Head { id: entry.id, key: shown, account, actor: entry.actor.as_deref() };
    let balance = Balance { available: *available, held: *held };
    let tail = Tail { seq: *seq, at: entry.at, balance };
    match &entry.kind {
        EntryKind::Debit { action, quantity } => {
            let kind = debited(catalog, *action, *quantity, -entry.available);
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::Held { action, quantity, expires_at } => {
            let debited = debited(catalog, *action, *quantity, entry.held);
            let kind = Held { debited, expires_at: *expires_at };
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::Captured { hold, action, quantity, credits, ends, uncharged, .. } => {
            let debited = debited(catalog, *action, *quantity, *credits);
            let (beyond, uncharged) = (entry.beyond(), *uncharged);
            let kind = Captured { hold: *hold, debited, ends: *ends, beyond, uncharged };
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::Released { hold } => {
            let kind = OfHold { hold: *hold, expires_at: None };
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::Extended { hold, expires_at } => {
            let kind = OfHold { hold: *hold, expires_at: Some(*expires_at) };
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::Refunded { debit, credits, .. } => {
            let (debit, credits) = (*debit, *credits);
            let kind = Refunded { debit, credits, returned: entry.available };
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::Granted { kind, expires_at } => {
            let (kind, expires_at) = (kind.name(), *expires_at);
            let kind = Granted { kind, credits: entry.available, expires_at };
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::Revoked { grant, kind } => {
            let (grant, grant_id) = (kind.name(), *grant);
            let kind = Revoked { grant, grant_id, credits: -entry.available };
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::PlanChanged { terms, next } => {
            let kind = OnPlan { terms: terms.into(), next: next.as_ref().map(Next::from) };
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::Opened { terms, .. } => {
            to_json(&Receipt { head, kind: OnPlan { terms: terms.into(), next: None }, tail })
        }
        EntryKind::DebtWaived { debts } => {
            to_json(&Receipt { head, kind: Waived { credits: debts.total() }, tail })
        }
        EntryKind::LimitSet { of, per, at_most, .. } => {
            let kind = LimitSet { of, per: *per, at_most: *at_most };
            to_json(&Receipt { head, kind, tail })
        }
        EntryKind::TimePassed { .. }
        | EntryKind::Frozen
        | EntryKind::Unfrozen
        | EntryKind::ToppedUp { .. }
        | EntryKind::Reversed { .. }
        | EntryKind::Unknown { .. } => to_json(&Receipt { head, kind: Nothing {}, tail }),
    }
}

/// The charge, with what it is for, if the request named that.
fn debited<'a>(
    catalog: &'a Catalog,
    action: Option<ActionNumber>,
    quantity: Quantity,
    credits: Credits,
) -> Debited<'a> {
    Debited { bought: Bought::of(catalog, action, quantity), credits }
}
