//! The balance, as JSON.

use lambda_http::{Body, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::limits::InWindow;
use super::reply::{json, to_json};
use super::terms::Next;
use crate::decide::advance::Advanced;
use crate::domain::grant::GrantId;
use crate::domain::{AccountId, Catalog, Credits, Instant, Seq};
use crate::query::Preview;
use crate::query::limits::LimitNow;

#[derive(Serialize)]
struct AccountBalance<'a> {
    account: &'a AccountId,
    plan: &'a str,
    status: &'static str,
    /// Of several seats.
    #[serde(skip_serializing_if = "Option::is_none")]
    seats: Option<u32>,
    /// The change of plan that is due to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Next<'a>>,
    gate: &'static str,
    available: Credits,
    held: Credits,
    debt: Credits,
    consumed: Consumed<'a>,
    grants: Vec<GrantLeft>,
    recharge: Option<Recharge>,
    seq: Seq,
    /// The customer who asks. None: a service asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    /// Those of the customer who asks. None: a service asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Vec<InWindow>>,
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
    /// None: credits that were spent by amount.
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

/// The balance of an account that was advanced to `now` in memory. With `ETag`: 304 if the caller
/// has this version. The customer's browser may store it, shared caches may not; it revalidates
/// each time.
pub fn balance(
    advanced: &Advanced,
    catalog: &Catalog,
    now: Instant,
    if_none_match: Option<&str>,
) -> Response<Body> {
    answered(balance_json(advanced, catalog, now), if_none_match)
}

/// The same for a customer: the session's subject, with its limits.
pub fn my_balance(
    advanced: &Advanced,
    subject: &str,
    limits: &[LimitNow],
    catalog: &Catalog,
    now: Instant,
    if_none_match: Option<&str>,
) -> Response<Body> {
    answered(my_balance_json(advanced, subject, limits, catalog, now), if_none_match)
}

fn answered(body: String, if_none_match: Option<&str>) -> Response<Body> {
    let digest = Sha256::digest(body.as_bytes());
    let etag = format!("\"{:016x}\"", u64::from_be_bytes(digest[..8].try_into().expect("8 of 32")));
    let known = if_none_match
        .is_some_and(|sent| sent.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let response =
        Response::builder().header("etag", etag).header("cache-control", "private, no-cache");
    let response = match known {
        true => response.status(304).body(Body::Empty),
        false => {
            response.status(200).header("content-type", "application/json").body(Body::Text(body))
        }
    };
    response.expect("status and headers are valid")
}

/// A 200 for a dry run: the balances before and after a request that was not made.
pub fn preview(preview: &Preview, catalog: &Catalog) -> Response<Body> {
    let Preview { before, after, now } = preview;
    let balance = |advanced: &Option<Advanced>| match advanced {
        Some(advanced) => balance_json(advanced, catalog, *now),
        None => "null".to_owned(),
    };
    let (before, after) = (balance(before), balance(after));
    json(format!("{{\"dry_run\":true,\"before\":{before},\"after\":{after}}}"))
}

/// The balance, as JSON.
pub fn balance_json(advanced: &Advanced, catalog: &Catalog, now: Instant) -> String {
    with_limits(advanced, None, catalog, now)
}

/// The balance as a customer reads it, as JSON.
pub fn my_balance_json(
    advanced: &Advanced,
    subject: &str,
    limits: &[LimitNow],
    catalog: &Catalog,
    now: Instant,
) -> String {
    let limits = limits.iter().map(InWindow::from).collect();
    with_limits(advanced, Some((subject, limits)), catalog, now)
}

/// `mine`: the customer who asks, and the customer's limits.
fn with_limits(
    advanced: &Advanced,
    mine: Option<(&str, Vec<InWindow>)>,
    catalog: &Catalog,
    now: Instant,
) -> String {
    let (subject, limits) = mine.unzip();
    let account = &advanced.account;
    let plan_state = &account.plan_state;
    let grants = account.burn_order.grants().iter().map(|grant| GrantLeft {
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
    let recharge = plan_state.next_recharge(catalog, now);
    to_json(&AccountBalance {
        account: &account.id,
        plan: &plan_state.terms.plan,
        status: plan_state.terms.status.name(),
        seats: Some(plan_state.terms.seats).filter(|seats| *seats != 1),
        next: plan_state.next.as_ref().map(Next::from),
        gate: account.gate.name(),
        available: account.available,
        held: account.held(),
        debt: account.debt(),
        consumed: Consumed {
            credits: account.consumed.values().copied().sum(),
            from: plan_state.counted_from,
            until: plan_state.counted_until,
            actions: actions.collect(),
        },
        grants: grants.collect(),
        recharge: recharge.map(|r| Recharge { at: r.at, credits: r.credits }),
        seq: account.seq,
        subject,
        limits,
    })
}
