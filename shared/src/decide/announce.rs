//! Announcements: the events that tell the rest of the company what a write did to an account.
//!
//! An event keeps its id however often it is sent, and carries the number of its entry, which gives
//! the order. Low or exhausted credits are announced once per arrival of credits: the id names the
//! instant at which credits arrived last, so a second crossing before more arrive has the same id.
//! A limit that is low or reached is announced once in its window: the id names the window and the
//! limit's number, so that one that was raised is announced again.
//!
//! Events go to the company's own programs. They say what changed, without an operator's reason or
//! message: those are in the entry.

mod auto_top_up;
mod event;
mod level;
mod limits;
mod next_plan;

use std::collections::BTreeMap;

pub use auto_top_up::auto_top_up;
pub use event::{About, AutoNews, Event};
pub use limits::limit_reached;

use crate::domain::ledger::PostedEntry;
use crate::domain::period::Day;
use crate::domain::refusal::HoldEnd;
use crate::domain::{
    Account, AccountId, Credits, EntryKind, GrantKind, Instant, Movement, OperationId, Seq,
};

/// The thresholds of low credits, in hundredths of a full account. A full account has what the
/// period grants; or, where no plan grants anything, the latest purchase.
pub const LOW: [u8; 2] = [20, 5];
/// How many days ahead the expiry of a grant is announced.
pub const EXPIRING: [u8; 2] = [7, 1];

/// The events of a write: those of the entries that it appended, in their order. `before` is the
/// account as it was; None: the write opened it.
pub fn written(before: Option<&Account>, after: &Account) -> Vec<Event> {
    let known = before.map_or(0, |before| before.seq);
    let mut posted: Vec<PostedEntry> = after.run().backwards(Seq::MAX).collect();
    posted.retain(|posted| posted.seq > known);
    posted.reverse();
    let events = posted.iter().enumerate().flat_map(|(place, one)| {
        let (mut events, later) = (of_entry(before, after, one), &posted[place + 1..]);
        events.extend(low_limits(after, one, later));
        events
    });
    events.collect()
}

/// The events of one entry, and of the thresholds that it crossed: their ids name the latest
/// arrival of credits and the threshold.
fn of_entry(before: Option<&Account>, after: &Account, posted: &PostedEntry) -> Vec<Event> {
    let entry = &posted.entry;
    let event = |id: String, about: About| event(&after.id, posted, id, about);
    let holds = before.map(|before| &before.holds);
    let held =
        |hold: &OperationId| holds.and_then(|holds| holds.get(hold)).map(|held| held.total());
    let due = before.and_then(|before| next_plan::due(before, entry));
    let due = due.map(|terms| {
        event(format!("{}.plan", posted.seq), About::PlanChanged { terms, next: None })
    });
    let mut events: Vec<Event> =
        due.into_iter().chain(posted_events(&after.id, posted, held)).collect();
    let (was, is) = (posted.available - entry.available, posted.available);
    let (of, filled_at) = (level::full(after, entry.at), after.plan_state.filled_at);
    for percent in LOW {
        let threshold = level::share(of, percent);
        if was > threshold && is <= threshold && !is.is_zero() {
            events.push(event(format!("{filled_at}.low-{percent}"), About::Low { percent, of }));
        }
    }
    if was > Credits::ZERO && is.is_zero() {
        events.push(event(format!("{filled_at}.exhausted"), About::Exhausted));
    }
    events
}

/// The events of the limits that an entry made low; `later`: those appended after it.
fn low_limits(after: &Account, posted: &PostedEntry, later: &[PostedEntry]) -> Vec<Event> {
    let period = after.plan_state.period(posted.entry.at);
    let low = limits::made_low(after, &posted.entry, later).into_iter().map(|(limit, used)| {
        let (id, resets_at) = (limits::id(&limit, "low"), limit.window.end(period));
        event(&after.id, posted, id, About::LimitLow { limit, used, resets_at })
    });
    low.collect()
}

/// The events of the entries from number `from` on, with the ids that they had: from the ledger,
/// when the account's images are gone. `posted` has them, the oldest first, and before them those
/// of every hold that lapses in one of them.
///
/// Low and exhausted credits, low limits and changes of plan that were due are left out: they need
/// the account as it was.
pub fn recorded(account: &AccountId, posted: &[PostedEntry], from: Seq) -> Vec<Event> {
    let mut holds = BTreeMap::<OperationId, Credits>::new();
    let mut events = Vec::new();
    for posted in posted {
        if posted.seq >= from {
            let held = |hold: &OperationId| holds.get(hold).copied();
            events.extend(posted_events(account, posted, held));
        }
        let entry = &posted.entry;
        match &entry.kind {
            EntryKind::Held { .. } => *holds.entry(entry.id).or_default() += entry.held,
            EntryKind::Captured { hold, .. } | EntryKind::Released { hold } => {
                *holds.entry(*hold).or_default() += entry.held;
            }
            _ => {}
        }
    }
    events
}

/// The events of an entry alone. The id of the first is the number of the entry, the others add
/// their place. `held` returns the credits of a hold before the entry.
fn posted_events(
    account: &AccountId,
    posted: &PostedEntry,
    held: impl Fn(&OperationId) -> Option<Credits>,
) -> Vec<Event> {
    let abouts = abouts(held, posted).into_iter().enumerate();
    let events = abouts.map(|(nth, about)| match nth {
        0 => event(account, posted, posted.seq.to_string(), about),
        nth => event(account, posted, format!("{}.{nth}", posted.seq), about),
    });
    events.collect()
}

fn event(account: &AccountId, posted: &PostedEntry, id: String, about: About) -> Event {
    Event {
        id: format!("{account}:{id}"),
        account: account.clone(),
        at: posted.entry.at,
        seq: Some(posted.seq),
        balance: (posted.available, posted.held),
        about,
    }
}

fn abouts(held: impl Fn(&OperationId) -> Option<Credits>, posted: &PostedEntry) -> Vec<About> {
    let entry = &posted.entry;
    let user = || entry.user.clone();
    match &entry.kind {
        EntryKind::Opened { moved, .. } => moved.iter().filter_map(recharged).collect(),
        EntryKind::Debit { action, quantity } => {
            let (credits, action, call) = (-entry.available, *action, quantity.call());
            vec![About::Debited { credits, action, call, user: user() }]
        }
        EntryKind::Granted { kind, expires_at } => {
            let (kind, expires_at) = (*kind, *expires_at);
            vec![About::Granted { kind, credits: entry.available, expires_at }]
        }
        EntryKind::Revoked { grant, kind } => {
            let (grant, kind, credits) = (*grant, *kind, -entry.available);
            vec![About::Revoked { grant, kind, credits }]
        }
        EntryKind::TimePassed { moved, lapsed, .. } => {
            let released = lapsed.iter().map(|hold| {
                let credits = held(hold).unwrap_or_default();
                About::Released { hold: *hold, credits, how: HoldEnd::Lapsed }
            });
            moved.iter().filter_map(recharged).chain(released).collect()
        }
        EntryKind::Held { action, quantity, expires_at } => vec![About::Held {
            hold: entry.id,
            credits: entry.held,
            action: *action,
            call: quantity.call(),
            expires_at: *expires_at,
        }],
        EntryKind::Captured { hold, action, quantity, credits, ends, .. } => {
            let (hold, credits, call) = (*hold, *credits, quantity.call());
            let mut abouts = vec![About::Debited { credits, action: *action, call, user: user() }];
            let rest = -entry.held - (credits - entry.beyond());
            if *ends && !rest.is_zero() {
                let how = HoldEnd::Captured;
                abouts.push(About::Released { hold, credits: rest, how });
            }
            abouts
        }
        EntryKind::Released { hold } => {
            let (hold, credits) = (*hold, -entry.held);
            vec![About::Released { hold, credits, how: HoldEnd::Released }]
        }
        EntryKind::Refunded { debit, .. } => {
            vec![About::Refunded { debit: *debit, credits: entry.available }]
        }
        EntryKind::ToppedUp { order, expires_at, .. } => {
            let (order, expires_at) = (*order, *expires_at);
            vec![About::ToppedUp { order, credits: entry.available, expires_at }]
        }
        EntryKind::Reversed { order, credits, .. } => {
            vec![About::Reversed { order: *order, credits: *credits }]
        }
        EntryKind::DebtWaived { debts } => vec![About::DebtWaived { credits: debts.total() }],
        EntryKind::PlanChanged { terms, next } => {
            vec![About::PlanChanged { terms: terms.clone(), next: next.clone() }]
        }
        // The version that knows the kind announces it. Low credits are announced all the same.
        EntryKind::Unknown { .. } => Vec::new(),
        EntryKind::Extended { .. }
        | EntryKind::Frozen
        | EntryKind::Unfrozen
        | EntryKind::LimitSet { .. } => Vec::new(),
    }
}

/// Credits of a week or a plan period that arrived. Expired credits are only in the ledger.
fn recharged(moved: &Movement) -> Option<About> {
    let Movement { grant, kind, credits, expires_at } = moved.clone();
    let arrived = credits > Credits::ZERO && matches!(kind, GrantKind::Weekly | GrantKind::Plan);
    arrived.then_some(About::Recharged { grant, kind, credits, expires_at })
}

/// The grants of `account` at `now` that expire in [`EXPIRING`] days or a day less: the next sweep
/// makes up for a missed one, and a repeat has the same id. Credits that recharge automatically are
/// not announced.
pub fn expiring(account: &Account, now: Instant) -> Vec<Event> {
    let mut events = Vec::new();
    for grant in account.burn_order.grants() {
        let (Some(expires_at), false) = (grant.expires_at, grant.left.is_zero()) else { continue };
        if matches!(grant.kind, GrantKind::Weekly | GrantKind::Plan) {
            continue;
        }
        let ahead = Day::of(expires_at).days() - Day::of(now).days();
        for days in EXPIRING {
            if ahead == u32::from(days) || ahead + 1 == u32::from(days) {
                let (grant, kind, credits) = (grant.id, grant.kind, grant.left);
                events.push(Event {
                    id: format!("{}:{grant}.expiring-{days}", account.id),
                    account: account.id.clone(),
                    at: now,
                    seq: None,
                    balance: (account.available, account.held()),
                    about: About::Expiring { grant, kind, credits, expires_at, days },
                });
            }
        }
    }
    events
}
