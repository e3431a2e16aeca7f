//! Replies: what happened, as JSON.

use lambda_http::{Body, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::command::Receipted;
use crate::decide::debit::Charge;
use crate::decide::once::Request;
use crate::decide::settle::Settled;
use crate::domain::catalog::ActionNumber;
use crate::domain::grant::GrantId;
use crate::domain::ledger::Placed;
use crate::domain::period::Anchor;
use crate::domain::{
    AccountId, Catalog, Credits, Gate, Instant, Key, OperationId, Refusal, Seq, What,
};
use crate::query::Quote;

/// The balance after an entry.
#[derive(Serialize)]
pub(super) struct Balance {
    pub available: Credits,
    pub held: Credits,
}

/// What every receipt says.
#[derive(Serialize)]
struct Head<'a> {
    id: OperationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    account: &'a AccountId,
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
    what: T,
    #[serde(flatten)]
    tail: Tail,
}

#[derive(Serialize)]
struct Debited<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u64>,
    credits: Credits,
}

#[derive(Serialize)]
struct Granted {
    kind: &'static str,
    credits: Credits,
    expires_at: Option<Instant>,
}

#[derive(Serialize)]
struct OnPlan<'a> {
    plan: &'a str,
    status: &'static str,
    anchor: Anchor,
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
    /// What was asked for.
    credits: Credits,
    /// What came back: less, if grants that it had come from are gone.
    returned: Credits,
}

#[derive(Serialize)]
struct Waived {
    /// The debt that is waived.
    credits: Credits,
}

#[derive(Serialize)]
struct Nothing {}

/// A 201 with the receipt of an operation; the same bytes whenever it is sent again.
pub fn receipt(
    account: &AccountId,
    key: &Key,
    receipted: &Receipted,
    catalog: &Catalog,
) -> Response<Body> {
    created(receipted_as(account, key, receipted, catalog), receipted.replayed)
}

/// A 201 with the receipts of a batch, in the order in which they were asked for.
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

/// A 201 of something that can be made again.
pub(super) fn made(value: &impl Serialize) -> Response<Body> {
    created(to_json(value), false)
}

pub(super) fn created(body: String, replayed: bool) -> Response<Body> {
    let response = Response::builder()
        .status(201)
        .header("content-type", "application/json")
        .header("cache-control", "no-store");
    let response = match replayed {
        true => response.header("idempotent-replayed", "true"),
        false => response,
    };
    response.body(Body::Text(body)).expect("status and headers are valid")
}

fn receipted_as(
    account: &AccountId,
    key: &Key,
    receipted: &Receipted,
    catalog: &Catalog,
) -> String {
    let Placed { entry, seq, available, held } = &receipted.found;
    // Shown where it is not the id itself: a name, a ULID, or a UUID that another id was minted for.
    let shown = Some(key.as_str()).filter(|key| *key != entry.id.to_string());
    let head = Head { id: entry.id, key: shown, account };
    let balance = Balance { available: *available, held: *held };
    let tail = Tail { seq: *seq, at: entry.at, balance };
    match &entry.what {
        What::Debit { action, quantity } => {
            let what = debited(catalog, *action, *quantity, -entry.available);
            to_json(&Receipt { head, what, tail })
        }
        What::Held { action, quantity, expires_at } => {
            let debited = debited(catalog, *action, *quantity, entry.held);
            let what = Held { debited, expires_at: *expires_at };
            to_json(&Receipt { head, what, tail })
        }
        What::Captured { hold, action, quantity, credits, ends, .. } => {
            let debited = debited(catalog, *action, *quantity, *credits);
            let what = Captured { hold: *hold, debited, ends: *ends };
            to_json(&Receipt { head, what, tail })
        }
        What::Released { hold } => {
            let what = OfHold { hold: *hold, expires_at: None };
            to_json(&Receipt { head, what, tail })
        }
        What::Extended { hold, expires_at } => {
            let what = OfHold { hold: *hold, expires_at: Some(*expires_at) };
            to_json(&Receipt { head, what, tail })
        }
        What::Refunded { debit, credits, .. } => {
            let (debit, credits) = (*debit, *credits);
            let what = Refunded { debit, credits, returned: entry.available };
            to_json(&Receipt { head, what, tail })
        }
        What::Granted { kind, expires_at } => {
            let (kind, expires_at) = (kind.name(), *expires_at);
            let what = Granted { kind, credits: entry.available, expires_at };
            to_json(&Receipt { head, what, tail })
        }
        What::PlanChanged { plan, status, anchor } => {
            let what = OnPlan { plan, status: status.name(), anchor: *anchor };
            to_json(&Receipt { head, what, tail })
        }
        What::Opened { plan, status, anchor, .. } => {
            let what = OnPlan { plan, status: status.name(), anchor: *anchor };
            to_json(&Receipt { head, what, tail })
        }
        What::DebtWaived { credits } => {
            to_json(&Receipt { head, what: Waived { credits: *credits }, tail })
        }
        What::Settled { .. }
        | What::Frozen
        | What::Unfrozen
        | What::ToppedUp { .. }
        | What::Reversed { .. } => to_json(&Receipt { head, what: Nothing {}, tail }),
    }
}

/// What was charged: with its action and quantity, where they were said.
fn debited<'a>(
    catalog: &'a Catalog,
    action: Option<ActionNumber>,
    quantity: u64,
    credits: Credits,
) -> Debited<'a> {
    let action = action.and_then(|number| catalog.action_name(number));
    let quantity = action.map(|_| quantity).filter(|quantity| *quantity > 0);
    Debited { action, quantity, credits }
}

#[derive(Serialize)]
struct Quoted<'a> {
    account: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u64>,
    credits: Credits,
    available: Credits,
    /// The code that a debit would be refused with now. None: it would pass.
    refusal: Option<&'static str>,
    catalog: u32,
}

/// What a debit would cost, and whether it would pass now.
pub fn quote(request: &Request, quote: &Quote) -> Response<Body> {
    let Quote { price, account, refusal } = quote;
    let (action, quantity) = match request.ask.charge() {
        Some(Charge::Action { action, quantity }) => (Some(action.as_str()), Some(*quantity)),
        Some(Charge::Credits(_)) | None => (None, None),
    };
    ok(&Quoted {
        account: &account.id,
        action,
        quantity,
        credits: price.credits,
        available: account.available,
        refusal: refusal.as_ref().map(Refusal::code),
        catalog: price.catalog,
    })
}

#[derive(Serialize)]
struct AccountBalance<'a> {
    account: &'a AccountId,
    plan: &'a str,
    status: &'static str,
    gate: &'static str,
    available: Credits,
    held: Credits,
    debt: Credits,
    consumed: Consumed<'a>,
    grants: Vec<GrantLeft>,
    recharge: Option<Recharge>,
    seq: Seq,
}

#[derive(Serialize)]
struct Consumed<'a> {
    credits: Credits,
    from: Instant,
    until: Instant,
    actions: Vec<ConsumedBy<'a>>,
}

#[derive(Serialize)]
struct ConsumedBy<'a> {
    /// None: credits spent by amount.
    action: Option<&'a str>,
    credits: Credits,
}

#[derive(Serialize)]
struct GrantLeft {
    id: GrantId,
    kind: &'static str,
    amount: Credits,
    remaining: Credits,
    granted_at: Instant,
    expires_at: Option<Instant>,
}

#[derive(Serialize)]
struct Recharge {
    at: Instant,
    credits: Credits,
}

/// The balance of an account that was settled at `now`, in memory. With `ETag`: 304 if the caller
/// has it already.
pub fn balance(
    settled: &Settled,
    catalog: &Catalog,
    now: Instant,
    if_none_match: Option<&str>,
) -> Response<Body> {
    let body = balance_json(settled, catalog, now);
    let digest = Sha256::digest(body.as_bytes());
    let etag = format!("\"{:016x}\"", u64::from_be_bytes(digest[..8].try_into().expect("8 of 32")));
    let known = if_none_match
        .is_some_and(|sent| sent.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let response = Response::builder().header("etag", etag).header("cache-control", "no-cache");
    let response = match known {
        true => response.status(304).body(Body::Empty),
        false => {
            response.status(200).header("content-type", "application/json").body(Body::Text(body))
        }
    };
    response.expect("status and headers are valid")
}

/// The balance, as JSON.
pub fn balance_json(settled: &Settled, catalog: &Catalog, now: Instant) -> String {
    let account = &settled.account;
    let standing = &account.standing;
    let grants = account.line.grants().iter().map(|grant| GrantLeft {
        id: grant.id,
        kind: grant.kind.name(),
        amount: grant.amount,
        remaining: grant.left,
        granted_at: grant.granted_at,
        expires_at: grant.expires_at,
    });
    let actions = account.consumed.iter().map(|(number, credits)| ConsumedBy {
        action: catalog.action_name(*number),
        credits: *credits,
    });
    let recharge = standing.next_recharge(catalog, now);
    to_json(&AccountBalance {
        account: &account.id,
        plan: &standing.plan,
        status: standing.status.name(),
        gate: match account.gate {
            Gate { frozen: true, .. } => "account_frozen",
            Gate { no_plan: true, .. } => "plan_required",
            Gate { in_debt: true, .. } => "debt_outstanding",
            Gate::OPEN => "open",
        },
        available: account.available,
        held: account.held(),
        debt: account.debt,
        consumed: Consumed {
            credits: account.consumed.values().copied().sum(),
            from: standing.counted_from,
            until: standing.counted_until,
            actions: actions.collect(),
        },
        grants: grants.collect(),
        recharge: recharge.map(|r| Recharge { at: r.at, credits: r.credits }),
        seq: account.seq,
    })
}

#[derive(Serialize)]
struct RateCard<'a> {
    catalog: u32,
    contact_url: &'a str,
    actions: Vec<Rate<'a>>,
}

#[derive(Serialize)]
struct Rate<'a> {
    action: &'a str,
    credits: Credits,
    per: u64,
    unit: &'a str,
    /// The largest quantity of one operation.
    limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rounding: Option<&'static str>,
}

/// What actions cost, as debits are priced.
pub fn catalog(catalog: &Catalog) -> Response<Body> {
    json(catalog_json(catalog))
}

/// The rate card, as JSON.
pub fn catalog_json(catalog: &Catalog) -> String {
    let sold = catalog.actions.iter().filter(|(_, action)| !action.retired);
    let actions = sold.map(|(name, action)| Rate {
        action: name,
        credits: action.credits,
        per: action.per,
        unit: &action.unit,
        limit: action.limit,
        rounding: action.round_up.then_some("up"),
    });
    let actions = actions.collect();
    to_json(&RateCard { catalog: catalog.version, contact_url: &catalog.contact_url, actions })
}

/// A 200 that no cache keeps.
pub(super) fn ok(value: &impl Serialize) -> Response<Body> {
    json(to_json(value))
}

pub(super) fn json(body: String) -> Response<Body> {
    let response = Response::builder()
        .status(200)
        .header("content-type", "application/json")
        .header("cache-control", "no-store");
    response.body(Body::Text(body)).expect("status and headers are valid")
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("replies are plain values")
}
