//! Payments: applies Stripe's notices and operators' decisions.

use super::maintenance::{advance_now, advance_with_entry, make_ready, recall, tidy};
use super::order::note;
use super::{Run, lost, retried, until_known};
use crate::context::Context;
use crate::decide::history::{Back, History};
use crate::decide::payment::{self, Again, PaymentChange};
use crate::decide::{Field, UnreadEvent, auto_top_up};
use crate::domain::payment::{Decided, Facts, IntentId, Order, Payment, PaymentNotice};
use crate::domain::{
    AccountId, Credits, Debt, Entry, EntryKind, GrantId, Instant, OperationId, Refusal,
};
use crate::failure::Failure;
use crate::store::{Outcome, StoreError, unknown};

/// How many payments and events may wait for an operator. Beyond it, events that cannot be read
/// stay with Stripe, which sends them again for three days.
pub const MAX_PARKED: i32 = 1000;

/// The outcome of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeOutcome {
    /// It is about no payment of ours, or about an unknown one.
    Foreign,
    /// It was known already.
    Known,
    OrderUpdate(OrderUpdate),
}

/// A change of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderUpdate {
    /// The order of the payment, and its account; None while the order is unknown.
    pub order: Option<(OperationId, AccountId)>,
    pub intent: IntentId,
    /// The payment's credits in the account before, and now.
    pub before: Credits,
    pub after: Credits,
    /// Why it waits for an operator, if it begins to.
    pub parked: Option<String>,
}

/// Applies a notice of Stripe; notices may repeat and arrive in any order. `adopt`: whether to keep
/// a payment without a known order, because its order may be named later.
///
/// # Errors
/// [`Failure::Store`]: send the notice again.
pub async fn take_notice(
    context: &Context,
    said: &PaymentNotice,
    adopt: bool,
) -> Result<NoticeOutcome, Failure> {
    match said {
        PaymentNotice::Expired { order } => {
            let catalog = context.catalog().await;
            let run = &Run::begin(context, &catalog);
            match retried(run, || context.store.order(*order)).await? {
                None => Ok(NoticeOutcome::Foreign),
                Some(order) if order.expired => Ok(NoticeOutcome::Known),
                Some(order) => {
                    note(context, order.id, Field::Expired).await?;
                    Ok(NoticeOutcome::Known)
                }
            }
        }
        PaymentNotice::Payment { intent, facts } => {
            let becomes =
                |before: &Payment, _: Option<&Order>| Ok(payment::told(before, facts.clone()));
            join(context, intent, adopt, None, &becomes).await
        }
    }
}

/// Decides a payment that waits for an operator. The same decision sent again changes nothing.
///
/// # Errors
/// [`Refusal::PaymentNotFound`], [`Refusal::PaymentNotParked`], or a [`StoreError`].
pub async fn decide(
    context: &Context,
    intent: &IntentId,
    decided: &Decided,
) -> Result<OrderUpdate, Failure> {
    let becomes = |before: &Payment, order: Option<&Order>| match order {
        Some(order) => payment::decided(before, order, decided.clone()),
        None => Err(Refusal::PaymentNotFound),
    };
    match join(context, intent, false, None, &becomes).await? {
        NoticeOutcome::OrderUpdate(news) => Ok(news),
        NoticeOutcome::Known => unchanged(context, intent).await,
        NoticeOutcome::Foreign => Err(Refusal::PaymentNotFound.into()),
    }
}

/// A payment that a decision has not changed, as it was made before.
async fn unchanged(context: &Context, intent: &IntentId) -> Result<OrderUpdate, Failure> {
    let payment = context.store.payment(intent, context.clock.now()).await?;
    let order = context.store.order_of(&payment).await?;
    Ok(OrderUpdate {
        order: order.map(|order| (order.id, order.account)),
        intent: intent.clone(),
        before: payment.applied,
        after: payment.applied,
        parked: None,
    })
}

/// A payment whose recorded credits differ from the entries of its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The payment's version when it was read, before the account was.
    pub version: u64,
    /// The payment's credits by the entries of the account.
    pub got: Credits,
}

/// Repairs a payment: records the credits that the account got, and grants or takes back the
/// difference to what is due, with an entry. `facts` are further facts of the payment.
///
/// # Errors
/// [`Failure::Store`]. [`NoticeOutcome::Known`]: it was written in between; check again.
pub async fn repair(
    context: &Context,
    intent: &IntentId,
    repaired: &Repaired,
    facts: &Facts,
) -> Result<NoticeOutcome, Failure> {
    let becomes = |before: &Payment, _: Option<&Order>| Ok(payment::told(before, facts.clone()));
    join(context, intent, false, Some(repaired), &becomes).await
}

/// The outcome of an event that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepOutcome {
    /// It waits for an operator.
    Kept,
    /// It was kept before.
    Known,
    /// Too many wait already: Stripe keeps it.
    Full,
}

/// Keeps an event that cannot be read.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(context: &Context, event: UnreadEvent) -> Result<KeepOutcome, StoreError> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    if retried(run, || context.store.count_parked(MAX_PARKED)).await? >= MAX_PARKED {
        return Ok(KeepOutcome::Full);
    }
    let write = payment::keep(event);
    match retried(run, || context.store.commit(&write)).await? {
        Outcome::Done(_) => Ok(KeepOutcome::Kept),
        _ => Ok(KeepOutcome::Known),
    }
}

/// Records the decision about an event that was kept.
///
/// # Errors
/// [`Refusal::PaymentNotParked`] if it was decided before, or a [`StoreError`].
pub async fn advance_event(
    context: &Context,
    event: UnreadEvent,
    decided: Decided,
) -> Result<(), Failure> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    let write = payment::decide_event(event, decided);
    match retried(run, || context.store.commit_in(&write, &run.in_flight)).await? {
        Outcome::Done(_) => Ok(()),
        _ => Err(run.refuse(Refusal::PaymentNotParked)),
    }
}

/// Makes the new state of a payment from its state and its order.
type Becomes<'a> = dyn Fn(&Payment, Option<&Order>) -> Result<Payment, Refusal> + Send + Sync + 'a;

/// Writes the new state of a payment, and with it the credits that its account gets or returns.
async fn join(
    context: &Context,
    intent: &IntentId,
    adopt: bool,
    repaired: Option<&Repaired>,
    becomes: &Becomes<'_>,
) -> Result<NoticeOutcome, Failure> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    until_known(run, || try_join(run, intent, adopt, repaired, becomes)).await
}

async fn try_join(
    run: &Run<'_>,
    intent: &IntentId,
    adopt: bool,
    repaired: Option<&Repaired>,
    becomes: &Becomes<'_>,
) -> Result<Option<NoticeOutcome>, Failure> {
    let store = &run.context.store;
    let now = run.context.clock.now();
    let mut before = store.payment(intent, now).await?;
    if let Some(repaired) = repaired {
        // A later write of the payment has changed the account as well.
        if before.version != repaired.version {
            return Ok(Some(NoticeOutcome::Known));
        }
        before.applied = repaired.got;
    }
    // This notice may be the one that names the order.
    let id = becomes(&before, None).ok().and_then(|after| after.order()).or(before.order());
    let order = match id {
        Some(id) => store.order(id).await?,
        None => None,
    };
    // The order was never placed here: another system sells through the same Stripe account.
    if order.is_none() && (id.is_some() || (!adopt && before.version == 0)) {
        return Ok(Some(NoticeOutcome::Foreign));
    }
    let mut after = becomes(&before, order.as_ref()).map_err(|refusal| run.refuse(refusal))?;
    let loaded = match &order {
        Some(order) => {
            let loaded = store.account(&order.account).await?;
            Some(loaded.ok_or_else(|| lost(&order.account))?)
        }
        None => None,
    };
    let met = order.as_ref().and_then(|order| payment::customer(&before, &after, order));
    let customer = match met {
        Some(met) => {
            let known = store.customer(&met.account, &met.subject, met.live).await?;
            Some(met).filter(|_| known.is_none())
        }
        None => None,
    };
    if let (Some(order), Some(loaded)) = (&order, &loaded)
        && after.used.is_none()
        && after.due(order) != before.applied
        && order.expires_at() <= now
    {
        // The advance past the expiry of its credits is written first; then the entries show how
        // many expired.
        if loaded.account.valid_until <= now {
            advance_now(run, Some(loaded)).await?;
            return Ok(None);
        }
        let lapsed = lapsed(run, &order.account, order.expires_at(), after.grant(order)).await?;
        // If none expired, none is known to be unused: all that is due counts as used.
        after.used = Some(match lapsed {
            Credits::ZERO => order.credits,
            lapsed => (before.applied - lapsed).max(Credits::ZERO),
        });
    }
    let mut again = None;
    if let (Some(order), Some(loaded)) = (&order, &loaded) {
        let due = after.now_due(order, before.applied);
        let credits = after.moves(before.applied, due);
        if credits > Credits::ZERO && after.went_back() {
            // The advance up to now is written first.
            if loaded.account.valid_until <= now {
                advance_now(run, Some(loaded)).await?;
                return Ok(None);
            }
            let grant = GrantId::Operation(after.grant(order));
            let over = order.expires_at() <= now;
            let debt = Debt { grant, credits };
            let history = History::of_reversal(&loaded.account, debt, over, order.at);
            let (back, rest) = match recall(run, loaded, history).await {
                // Entries are missing, which an audit reports, or are too many to read. The one
                // known fact is that the pack was paid for.
                Err(Failure::Store(
                    error
                    @ (StoreError::Broken { later: false, .. } | StoreError::Exhausted { .. }),
                )) => {
                    let account = order.account.as_str();
                    tracing::error!(account, %error, "history unreadable: credits go to the pack");
                    (Back::default(), credits)
                }
                recalled => recalled?,
            };
            if back.is_over(run.context.clock.now()) {
                advance_with_entry(run, loaded).await?;
                return Ok(None);
            }
            // The remainder of a grant that is over by now would have expired.
            let arrives = if over { Credits::ZERO } else { rest };
            again = Some(Again { undone: credits - rest, arrives, back });
        }
    }
    let auto = match &order {
        Some(order) => {
            let (paid, disputed) = auto_top_up::of_payment(&before.facts, &after.facts, order);
            let known = match paid.is_some() || disputed {
                true => store.auto_top_up(&order.account).await?,
                false => None,
            };
            known.and_then(|known| Some((auto_top_up::told(&known, paid, disputed, now)?, known)))
        }
        None => None,
    };
    // The reads took time, so the clock is read again. If the credits expired meanwhile, start
    // anew.
    let read_at = now;
    let now = run.context.clock.now();
    let ends = |order: &Order| read_at < order.expires_at() && order.expires_at() <= now;
    if order.as_ref().is_some_and(ends) {
        return Ok(None);
    }
    let ordered = order.as_ref().zip(loaded.as_ref().map(|loaded| &loaded.account));
    let change =
        payment::change(&before, after, ordered, again.as_ref(), run.context.entropy.own(now), now);
    let change = change.or_else(|| repaired.map(|_| payment::as_is(&before)));
    let Some(change) = change else {
        return Ok(Some(NoticeOutcome::Known));
    };
    let mut change = PaymentChange { customer, ..change };
    if let (Some((auto, known)), Some(loaded)) = (auto, &loaded) {
        auto_top_up::join(&mut change, &known, auto, &loaded.account, now);
    }
    if let (Some(loaded), Some(write)) = (&loaded, &change.change)
        && !make_ready(run, loaded, write, now).await?
    {
        return Ok(None);
    }
    let news = OrderUpdate {
        order: order.as_ref().map(|order| (order.id, order.account.clone())),
        intent: intent.clone(),
        before: before.applied,
        after: change.payment.applied,
        parked: change.parks.clone().and_then(|(begins, why)| begins.then_some(why)),
    };
    let changes = change.change.is_some();
    match store.commit_in(&change.write(), &run.in_flight).await? {
        Outcome::Done(_) => {
            if let (true, Some((_, account))) = (changes, &news.order) {
                match store.account(account).await {
                    Ok(Some(loaded)) => tidy(run, loaded).await,
                    Ok(None) => {}
                    Err(error) => {
                        let account = account.as_str();
                        tracing::warn!(account, %error, "account not advanced after a payment");
                    }
                }
            }
            Ok(Some(NoticeOutcome::OrderUpdate(news)))
        }
        _ => Ok(None),
    }
}

/// The credits of a grant that expired unused at `end`: the first advance from then on records
/// them.
async fn lapsed(
    run: &Run<'_>,
    account: &AccountId,
    end: Instant,
    grant: OperationId,
) -> Result<Credits, StoreError> {
    let moved = |entry: &Entry| match &entry.kind {
        EntryKind::TimePassed { moved, .. } => Some(Ok(moved.clone())),
        // It may be the advance.
        EntryKind::Unknown { .. } => Some(Err(unknown(account, entry.id))),
        _ => None,
    };
    let moved = run.context.store.first_from(account, end, moved).await?.transpose()?;
    let moved = moved.unwrap_or_default();
    let lost = moved.iter().filter(|moved| moved.grant == GrantId::Operation(grant));
    Ok(lost.map(|moved| -moved.credits).sum::<Credits>().max(Credits::ZERO))
}
