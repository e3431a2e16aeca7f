//! The two kinds of credits that are left: a period's allowance, and those in addition to it.

use serde_json::{Value, json};
use shared::domain::grant::BurnOrder;
use shared::domain::{Account, Credits, Grant, Instant};

use super::pace::{self, Lasts, Pace};
use super::share::per_mille;

/// What the period gave: the credits of the week and of the plan period that run.
pub(super) fn given(account: &Account, now: Instant) -> Credits {
    let given = [account.plan_state.weekly, account.plan_state.monthly].into_iter();
    given.filter(|given| given.runs(now)).map(|given| given.amount).sum()
}

/// The credits that can be spent: the burn order less what is held, which is taken from its left.
fn free(account: &Account) -> BurnOrder {
    let mut free = account.burn_order.clone();
    // An advanced account holds no more than it has.
    free.burn(account.set_aside().min(free.left())).expect("at most what is left");
    free
}

/// What is left of the period's allowance and when it comes back; what is left in addition to it
/// and which of that ends first; whether little is left of all, and until when it lasts.
pub(super) fn left(
    account: &Account,
    pace: Option<Pace>,
    renews: Option<Instant>,
    now: Instant,
) -> Value {
    let free = free(account);
    let of_period = account.available + account.held() + account.consumed.values().copied().sum();
    json!({
        "allowance": allowance(account, &free, renews, now),
        "extra": extra(&free, renews, now),
        "low": account.available > Credits::ZERO && pace::is_low(account.available, of_period),
        "pace": pace.filter(|_| account.available > Credits::ZERO).map(|pace| {
            match pace::lasts(free.grants(), pace, now, renews) {
                Lasts::Until(day) => json!({ "lasts": "until", "day": day }),
                Lasts::UntilRenewal => json!({ "lasts": "renewal" }),
                Lasts::Long => json!({ "lasts": "long" }),
            }
        }),
    })
}

/// None: this period has no allowance.
fn allowance(
    account: &Account,
    free: &BurnOrder,
    renews: Option<Instant>,
    now: Instant,
) -> Option<Value> {
    let grants = || free.grants().iter().filter(|grant| pace::is_allowance(grant.kind));
    let left: Credits = grants().map(|grant| grant.left).sum();
    // Of a plan that was changed an earlier grant may be left, too.
    let of = given(account, now).max(left);
    (!of.is_zero()).then(|| {
        json!({
            "left": left,
            "of": of,
            "share": per_mille(left, of),
            "renews_at": renews,
            "ends_at": grants().filter_map(|grant| grant.expires_at).min(),
            "soon": grants().any(|grant| pace::ends_soon(grant, now, renews)),
        })
    })
}

/// None: nothing is left in addition to the allowance.
fn extra(free: &BurnOrder, renews: Option<Instant>, now: Instant) -> Option<Value> {
    let grants = || free.grants().iter().filter(|grant| !pace::is_allowance(grant.kind));
    let left: Credits = grants().map(|grant| grant.left).sum();
    // In burn order the first to end come first.
    let end = grants().find_map(|grant| grant.expires_at);
    let first = |grant: &&Grant| grant.expires_at.is_some() && grant.expires_at == end;
    let first: Credits = grants().filter(first).map(|grant| grant.left).sum();
    (!left.is_zero()).then(|| {
        json!({
            "left": left,
            "first": end.map(|end| json!({ "credits": first, "ends_at": end })),
            "soon": grants().any(|grant| pace::ends_soon(grant, now, renews)),
        })
    })
}
