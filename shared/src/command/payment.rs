//! Payments carried through: what Stripe says heard, what operators decide done.

use super::maintenance::{advance_now, lay_out_now, make_ready, recall, tidy};
use super::order::note;
use super::{Run, lost, retried, until_known};
use crate::context::Context;
use crate::decide::history::{Back, History};
use crate::decide::payment::{self, Again, PaymentChange};
use crate::decide::{Field, UnreadEvent};
use crate::domain::payment::{Decided, Facts, IntentId, Order, Payment, PaymentNotice};
use crate::domain::{
    AccountId, Credits, Debt, Entry, EntryKind, GrantId, Instant, OperationId, Refusal,
};
use crate::failure::Failure;
use crate::store::{Outcome, StoreError};

/// How many may wait for an operator before events that cannot be read are left with Stripe, which
/// sends them again for three days.
pub const MAX_PARKED: i32 = 1000;

/// What became of something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeOutcome {
    /// It is of no payment of ours, or of none that is known.
    Foreign,
    /// It was known.
    Known,
    OrderUpdate(OrderUpdate),
}

/// What is new about a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderUpdate {
    /// The order that it is for, and its account; None while none is known.
    pub order: Option<(OperationId, AccountId)>,
    pub intent: IntentId,
    /// The credits of it that were in the account, and those that are now.
    pub before: Credits,
    pub after: Credits,
    /// What is wrong with it, if it begins to wait for an operator.
    pub parked: Option<String>,
}

/// Takes in what Stripe says, as often and in whatever order it says it. `adopt`: whether a payment
/// that no order is known for is kept, because its order may be told later.
///
/// # Errors
/// [`Failure::Store`]: say it again.
pub async fn hear(
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

/// Decides about a payment that waits for an operator.
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
        NoticeOutcome::Foreign | NoticeOutcome::Known => Err(Refusal::PaymentNotFound.into()),
    }
}

/// A payment whose account tells otherwise what it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// The number of the write as which the payment was read, before the account was.
    pub version: u64,
    /// What the entries of the account say it gave.
    pub got: Credits,
}

/// Puts a payment right: what it gave is what the account got, and what is due beyond that is given
/// or taken back, with its entry. `facts` are what is known of it besides.
///
/// # Errors
/// [`Failure::Store`]. [`NoticeOutcome::Known`]: it was written in between; look again.
pub async fn mend(
    context: &Context,
    intent: &IntentId,
    repaired: &Repaired,
    facts: &Facts,
) -> Result<NoticeOutcome, Failure> {
    let becomes = |before: &Payment, _: Option<&Order>| Ok(payment::told(before, facts.clone()));
    join(context, intent, false, Some(repaired), &becomes).await
}

/// Keeps an event that cannot be read. False: too many wait already.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(context: &Context, event: UnreadEvent) -> Result<bool, StoreError> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    if retried(run, || context.store.parked_reaches(MAX_PARKED)).await? {
        return Ok(false);
    }
    let write = payment::keep(event);
    // Refused: it was kept before.
    retried(run, || context.store.commit(&write)).await.map(|_| true)
}

/// Notes what was decided about an event that was kept.
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
    match retried(run, || context.store.commit(&write)).await? {
        Outcome::Done(_) => Ok(()),
        _ => Err(Refusal::PaymentNotParked.into()),
    }
}

/// What a payment is to become, of what it is.
type Becomes<'a> = dyn Fn(&Payment, Option<&Order>) -> Result<Payment, Refusal> + Send + Sync + 'a;

/// Writes what a payment becomes, and with it what its account gets or gives back.
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
        // A write of it since then has changed the account as well.
        if before.version != repaired.version {
            return Ok(Some(NoticeOutcome::Known));
        }
        before.applied = repaired.got;
    }
    // The order may be told by what is said now.
    let id = becomes(&before, None).ok().and_then(|after| after.order()).or(before.order());
    let order = match id {
        Some(id) => store.order(id).await?,
        None => None,
    };
    // An order that was never placed here: another system's, that sells through the same account.
    if order.is_none() && (id.is_some() || (!adopt && before.version == 0)) {
        return Ok(Some(NoticeOutcome::Foreign));
    }
    let mut after = becomes(&before, order.as_ref())?;
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
        // What time did at the end of its credits is written before what became of them is asked.
        if loaded.account.valid_until <= now {
            advance_now(run, Some(loaded)).await?;
            return Ok(None);
        }
        let lapsed = lapsed(run, &order.account, order.expires_at(), after.grant(order)).await?;
        // Of what did not lapse nothing is known to be unused: all that is due counts.
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
            // What time did since then is written first.
            if loaded.account.valid_until <= now {
                advance_now(run, Some(loaded)).await?;
                return Ok(None);
            }
            let grant = GrantId::Operation(after.grant(order));
            let over = order.expires_at() <= now;
            let debt = Debt { grant, credits };
            let history = History::of_reversal(&loaded.account, debt, over, order.at);
            let (back, rest) = match recall(run, loaded, history).await {
                // Entries are lost, which an audit names, or are more than can be gone through: what is
                // known is that it was paid for.
                Err(Failure::Store(
                    error @ (StoreError::Broken { .. } | StoreError::Exhausted { .. }),
                )) => {
                    let account = order.account.as_str();
                    tracing::error!(account, %error, "history unreadable: credits go to the pack");
                    (Back::default(), credits)
                }
                recalled => recalled?,
            };
            if back.is_over(run.context.clock.now()) {
                lay_out_now(run, loaded).await?;
                return Ok(None);
            }
            // What had been left of a grant that is over by now would have lapsed.
            let arrives = if over { Credits::ZERO } else { rest };
            again = Some(Again { undone: credits - rest, arrives, back });
        }
    }
    // Once more: what was read since has taken its time. An end of the credits in between is looked at anew.
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
    let change = PaymentChange { customer, ..change };
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
    match store.commit(&change.write()).await? {
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

/// What lapsed unused of a grant that was over at `end`: the first advance from then on tells.
async fn lapsed(
    run: &Run<'_>,
    account: &AccountId,
    end: Instant,
    grant: OperationId,
) -> Result<Credits, StoreError> {
    let moved = |entry: &Entry| match &entry.kind {
        EntryKind::TimePassed { moved, .. } => Some(moved.clone()),
        _ => None,
    };
    let moved = run.context.store.first_from(account, end, moved).await?.unwrap_or_default();
    let lost = moved.iter().filter(|moved| moved.grant == GrantId::Operation(grant));
    Ok(lost.map(|moved| -moved.credits).sum::<Credits>().max(Credits::ZERO))
}
