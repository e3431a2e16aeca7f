//! Reconcile: what is read next at Stripe, and how far that brings it.

use super::{Expect, Row, RowWrite, Seen, Write};
use crate::domain::Instant;
use crate::domain::instant::Span;
use crate::domain::reconcile::{Listing, ReconcileState, StripeList};

/// The time that the webhook has for an event before reconcile looks for it.
pub const WEBHOOK_TIME: Span = Span::from_s(600);
/// How long Stripe lists an event: 30 days. One day of them is kept for the reading.
pub const EVENTS_LISTED: Span = Span::from_s(29 * 86_400);
/// How often all subscriptions are compared.
const COMPARED_EVERY: Span = Span::from_s(86_400);
/// The longest window of events that is read before it counts as done.
const MAX_WINDOW: Span = Span::from_s(86_400);

/// The listing to continue, or to begin. None: all that is older than [`WEBHOOK_TIME`] is read.
///
/// Events are read from where the last window ended. If Stripe no longer has all of them, or no run
/// has come to its end yet, the objects are read that may still change.
pub fn next(state: &ReconcileState, now: Instant) -> Option<Listing> {
    let oldest = now - EVENTS_LISTED;
    let until = whole_second(now - WEBHOOK_TIME);
    let from = state.through.filter(|through| *through >= oldest);
    match (&state.listing, from) {
        // Stripe must still have the events since then when the objects are read.
        (Some(listing), _) if !listing.list.has_events() && listing.until >= oldest => {
            Some(listing.clone())
        }
        (Some(listing), Some(_)) if listing.list.has_events() => Some(listing.clone()),
        (_, None) => Some(Listing { list: StripeList::OBJECTS[0], until, after: None }),
        (_, Some(from)) => {
            let until = until.min(from + MAX_WINDOW);
            let list = StripeList::EVENTS[0];
            let events = (from < until).then_some(Listing { list, until, after: None });
            events.or_else(|| all_subscriptions(state, now))
        }
    }
}

/// Once a day all subscriptions are compared: what follows from one is by what Stripe says now, and
/// an event may never come.
fn all_subscriptions(state: &ReconcileState, now: Instant) -> Option<Listing> {
    let is_due = state.compared_at.is_none_or(|at| at + COMPARED_EVERY <= now);
    let until = whole_second(now);
    is_due.then_some(Listing { list: StripeList::Subscriptions, until, after: None })
}

/// The state after a page of `listing` was applied. `last`: the id of the page's last one, if the
/// list goes on after it.
pub fn read(state: ReconcileState, listing: Listing, last: Option<String>) -> ReconcileState {
    let Listing { list, until, .. } = listing;
    let goes_on = match last {
        Some(last) => Some((list, Some(last))),
        None => list.next().map(|next| (next, None)),
    };
    match goes_on {
        Some((list, after)) => {
            ReconcileState { listing: Some(Listing { list, until, after }), ..state }
        }
        None if list == StripeList::Subscriptions => {
            ReconcileState { compared_at: Some(until), listing: None, ..state }
        }
        None => ReconcileState { through: Some(until), listing: None, ..state },
    }
}

/// The write of a new state, if no other run has written its own since this one was read.
pub fn save(state: ReconcileState) -> Write {
    let expect = match state.version {
        0 => Expect::Absent,
        version => Expect::Is(Seen::Version(version)),
    };
    Write::row(RowWrite::Put(Row::Reconcile(state), expect))
}

/// Stripe dates in whole seconds.
fn whole_second(at: Instant) -> Instant {
    Instant::from_ms(at.ms() - at.ms().rem_euclid(1000))
}
