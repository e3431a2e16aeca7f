//! Debit: credits spent once per id, never below zero, in one conditional write.

use super::page::CAPACITY;
use super::{AccountChange, Guard, Step};
use crate::domain::catalog::ActionNumber;
use crate::domain::ledger::Placed;
use crate::domain::{
    Account, AccountId, Catalog, Credits, Entry, Gate, Instant, OperationId, Refusal, Seq, What,
};

/// A request to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debit {
    pub account: AccountId,
    pub charge: Charge,
    /// Who used the product: up to 64 printable characters.
    pub user: Option<String>,
    /// What it was for: up to 64 printable characters.
    pub reference: Option<String>,
}

/// What is to be paid: a quantity of an action at its price, or an amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charge {
    Action { action: String, quantity: u64 },
    Credits(Credits),
}

impl Charge {
    /// The action that is paid for, if it is one.
    pub fn action(&self) -> Option<&str> {
        match self {
            Charge::Action { action, .. } => Some(action),
            Charge::Credits(_) => None,
        }
    }
}

/// What a debit costs, by one version of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    pub credits: Credits,
    pub action: Option<ActionNumber>,
    pub catalog: u32,
}

/// Prices a charge. A quote and a debit share it.
///
/// # Errors
/// As [`Catalog::price`].
pub fn price(charge: &Charge, catalog: &Catalog) -> Result<Price, Refusal> {
    let (action, credits) = match charge {
        Charge::Credits(credits) => (None, *credits),
        Charge::Action { action, quantity } => {
            let (number, credits) = catalog.price(action, *quantity)?;
            (Some(number), credits)
        }
    };
    Ok(Price { credits, action, catalog: catalog.version })
}

/// A debit on its way to an account.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub debit: &'a Debit,
    pub price: Price,
    pub id: OperationId,
    /// The caller's own name for the operation, where that is not the id.
    pub key: Option<&'a str>,
}

/// How we know that the operation has not happened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nothing younger than its id has left the account for a page.
    Fast,
    /// It was looked up when the account had this many entries, and what came later is still in
    /// the account.
    LookedUp(Seq),
}

/// What to do after an account refused the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It happened before: its first answer again.
    Replay(Placed),
    Refuse(Refusal),
    /// Look for the id in the pages that hold entries after this one, then try again from here.
    LookUp {
        after: Seq,
        route: Route,
    },
    Settle,
    Page,
    /// Whatever refused has passed.
    Again,
}

/// The write: the whole debit, its condition and its entry.
pub fn change(attempt: &Attempt<'_>, now: Instant, route: Route) -> AccountChange {
    let Attempt { debit, price, id, key } = *attempt;
    let unseen = match route {
        Route::Fast => Guard::FloorBelow(id.time()),
        Route::LookedUp(seq) => Guard::PagedAtMost(seq),
    };
    let entry = Entry {
        id,
        repeatable: true,
        at: now,
        available: -price.credits,
        held: Credits::ZERO,
        catalog: price.catalog,
        key: key.map(str::to_owned),
        user: debit.user.clone(),
        reference: debit.reference.clone(),
        reason: None,
        what: What::Debit { action: price.action, quantity: quantity(&debit.charge) },
    };
    AccountChange {
        account: debit.account.clone(),
        when: vec![
            Guard::Covers(price.credits),
            Guard::ValidAt(now),
            Guard::GateIs(Gate::OPEN),
            unseen,
            Guard::RoomFor(1),
            Guard::New(id),
        ],
        then: vec![
            Step::Add(-price.credits),
            Step::Consume(price.action.unwrap_or(0), price.credits),
            Step::Append(entry),
        ],
    }
}

/// Why the account refused, in order of precedence, and what follows from it.
pub fn resume(
    attempt: &Attempt<'_>,
    account: Option<&Account>,
    catalog: &Catalog,
    now: Instant,
    route: Route,
) -> Next {
    let Some(account) = account else {
        return Next::Refuse(Refusal::AccountNotFound);
    };
    // Checked first: a retry must not be told that the balance is low.
    if let Some(found) = account.find(&attempt.id) {
        return replay(attempt, found);
    }
    // Something that might be this operation has left for a page since we could exclude that.
    let unseen_from = match route {
        Route::Fast => (account.floor >= attempt.id.time()).then_some(0),
        Route::LookedUp(seq) => (account.paged > seq).then_some(seq),
    };
    if let Some(after) = unseen_from {
        return Next::LookUp { after, route: Route::LookedUp(account.seq) };
    }
    if account.valid_until <= now {
        return Next::Settle;
    }
    if account.recent.len() >= CAPACITY {
        return Next::Page;
    }
    match refusal(account, attempt.price.credits, catalog, now) {
        // A hold that has lapsed gives its credits back before anyone is refused.
        Some(Refusal::InsufficientCredits { .. })
            if account.holds.values().any(|held| held.expires_at <= now) =>
        {
            Next::Settle
        }
        Some(refusal) => Next::Refuse(refusal),
        None => Next::Again,
    }
}

/// Why an account that is settled would not pay `required`, in order of precedence. A quote and a
/// debit share it.
pub fn refusal(
    account: &Account,
    required: Credits,
    catalog: &Catalog,
    now: Instant,
) -> Option<Refusal> {
    let available = account.available;
    if account.gate.frozen {
        return Some(Refusal::AccountFrozen { required, available });
    }
    if account.gate.no_plan {
        return Some(Refusal::PlanRequired { required, available });
    }
    if available < required {
        let recharge = account.standing.next_recharge(catalog, now);
        return Some(Refusal::InsufficientCredits { required, available, recharge });
    }
    None
}

/// The first answer again, if the content is the same. The content is the request, not its price:
/// a retry after a change of the catalog replays.
pub fn replay(attempt: &Attempt<'_>, found: Placed) -> Next {
    let Attempt { debit, price, .. } = attempt;
    let same_charge = match (&debit.charge, &found.entry.what) {
        (Charge::Action { quantity, .. }, What::Debit { action, quantity: before }) => {
            *action == price.action && before == quantity
        }
        (Charge::Credits(credits), What::Debit { action: None, .. }) => {
            found.entry.available == -*credits
        }
        _ => false,
    };
    let entry = &found.entry;
    match same_charge && entry.user == debit.user && entry.reference == debit.reference {
        true => Next::Replay(found),
        false => Next::Refuse(Refusal::OperationReused),
    }
}

fn quantity(charge: &Charge) -> u64 {
    match charge {
        Charge::Action { quantity, .. } => *quantity,
        Charge::Credits(_) => 0,
    }
}
