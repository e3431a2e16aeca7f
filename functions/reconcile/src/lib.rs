//! Reconcile: finds at Stripe what the webhook missed, and applies it like the webhook.
//!
//! Every 15 minutes it reads Stripe's events since its last run that are more than 10 minutes old:
//! the webhook had its time for them. A payment that one of them changes is a missed webhook, and
//! an alarm. Where Stripe no longer has the events, it reads the objects that may still change.

pub mod invoke;
mod report;

use std::collections::BTreeSet;

use serde_json::Value;
use shared::command::payment::{self, KeepOutcome, NoticeOutcome, OrderUpdate};
use shared::command::subscription::{self, SubscriptionOutcome, SubscriptionUpdate};
use shared::command::topup::{self, InvoiceOutcome};
use shared::command::{self, auto_top_up};
use shared::context::Context;
use shared::decide::{UnreadEvent, reconcile};
use shared::domain::instant::Span;
use shared::domain::payment::PaymentNotice;
use shared::domain::reconcile::{Listing, ReconcileState, StripeList};
use shared::domain::subscription::SubscriptionId;
use shared::failure::Failure;
use shared::store::{Outcome, StoreError};
use shared::stripe::object::Said;
use shared::stripe::{self, ListPage, ListPart, Stripe, StripeError};

pub use report::{Found, FoundSubscription, ReconcileReport};

/// Why a run stopped early. What it applied stays applied, and the next run continues after the
/// last page.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a payment was not processed: {0:?}")]
    Failed(Failure),
    #[error("an event was not kept: too many wait for an operator")]
    Full,
}

/// Reads on from where the last run stopped, up to ten minutes ago, while `goes_on`, called after
/// each page, returns true.
///
/// # Errors
/// [`ReconcileError`]: run it again.
pub async fn run(
    context: &Context,
    stripe: &Stripe,
    mut goes_on: impl FnMut(&ReconcileReport) -> bool,
) -> Result<ReconcileReport, ReconcileError> {
    // Read once: otherwise each window would be followed by the one of the time that it took.
    let now = context.clock.now();
    let mut report = ReconcileReport::default();
    let mut state = command::retry(context, || context.store.reconcile_state()).await?;
    while let Some(listing) = reconcile::next(&state, now) {
        let last = read_page(context, stripe, &state, &listing, &mut report).await?;
        let read = reconcile::read(state, listing, last);
        let (version, write) = (read.version, reconcile::save(read.clone()));
        let saved = command::retry(context, || context.store.commit(&write)).await?;
        state = ReconcileState { version: version + 1, ..read };
        if !matches!(saved, Outcome::Done(_)) {
            // Both runs applied the page, which has the effect of one. The other one goes on.
            report.overtaken = true;
            break;
        }
        if !goes_on(&report) {
            report.goes_on = reconcile::next(&state, now).is_some();
            break;
        }
    }
    report.through = state.through;
    Ok(report)
}

/// Compares all objects that may still change, up to now, wherever the scheduled runs are. It saves
/// no position.
///
/// # Errors
/// [`ReconcileError`]: run it again.
pub async fn compare(
    context: &Context,
    stripe: &Stripe,
) -> Result<ReconcileReport, ReconcileError> {
    let mut report = ReconcileReport::default();
    // Later than all objects, also if Stripe's clock is ahead.
    let until = context.clock.now() + Span::from_s(86_400);
    let mut state = ReconcileState::default();
    for first in [StripeList::OBJECTS[0], StripeList::DAILY[0]] {
        state.listing = Some(Listing { list: first, until, after: None });
        while let Some(listing) = state.listing.take().or(state.comparing.take()) {
            let last = read_page(context, stripe, &state, &listing, &mut report).await?;
            state = reconcile::read(state, listing, last);
        }
    }
    Ok(report)
}

/// Asks Stripe about the orders of auto top-up whose outcome nothing has told, and orders again
/// where a new month allows it. Returns how many accounts it looked at.
///
/// # Errors
/// [`ReconcileError`]: run it again.
pub async fn look(
    context: &Context,
    stripe: &Stripe,
    goes_on: impl Fn() -> bool,
) -> Result<usize, ReconcileError> {
    let due = auto_top_up::due(context).await?;
    let mut failed = None;
    for account in due.iter().take_while(|_| goes_on()) {
        match auto_top_up::look(context, stripe, account).await {
            Ok(()) => {}
            // A broken account does not stop the others.
            Err(Failure::Store(error)) if error.is_of_one_account() => {
                let account = account.as_str();
                tracing::error!(account, %error, "an auto top-up cannot be read");
            }
            Err(failure) => failed = Some(ReconcileError::Failed(failure)),
        }
    }
    failed.map_or(Ok(due.len()), Err)
}

/// Applies a page. Returns the id of its last one, if the list goes on after it.
async fn read_page(
    context: &Context,
    stripe: &Stripe,
    state: &ReconcileState,
    listing: &Listing,
    report: &mut ReconcileReport,
) -> Result<Option<String>, ReconcileError> {
    let now = context.clock.now();
    let &Listing { list, until, ref after } = listing;
    let changing = stripe::may_change_since(list, now.min(until));
    let since = match state.through {
        // What may have changed since the last comparison.
        _ if list.is_daily() => {
            let compared_at = state.compared_at.unwrap_or(until);
            stripe::may_change_since(list, compared_at.min(now).min(until))
        }
        Some(through) if list.has_events() => through,
        // All since then was missed.
        Some(through) => changing.min(through),
        None => changing,
    };
    let part = ListPart { list, since, until: Some(until), after: after.as_deref() };
    let page = match stripe.list(part, now).await {
        // Stripe has forgotten the last one that was read: the list is read from its beginning.
        Err(StripeError::Missing(_)) if after.is_some() => {
            stripe.list(ListPart { after: None, ..part }, now).await
        }
        listed => listed,
    };
    let ListPage { data, last } = page?;
    // One that fails does not stop the others of its page, which comes again.
    let mut failed = None;
    // Stripe says the same for each event of a subscription: what it is now.
    let mut asked = BTreeSet::new();
    for one in data {
        report.read += 1;
        if list == StripeList::Subscriptions && is_current(context, stripe, &one).await? {
            continue;
        }
        let id = one["id"].as_str().map(str::to_owned);
        if list == StripeList::Invoices {
            let outcome = topup::take_object(context, one).await;
            failed = failed.or(invoice(outcome, id, report).err());
            continue;
        }
        let said = match list.has_events() {
            true => of_event(context, one, report).await,
            false => Ok(of_object(stripe, one, report)),
        };
        let done = match said {
            Ok(Some(Said::CardSaved(intent))) => card_saved(context, stripe, &intent).await,
            Ok(Some(Said::Payment(notice))) => take_notice(context, &notice, id, report).await,
            Ok(Some(Said::Subscription(of))) if !asked.insert(of.clone()) => Ok(()),
            Ok(Some(Said::Subscription(of))) => {
                follow(context, stripe, &of, (list, id), report).await
            }
            Ok(Some(Said::Invoice(of))) => {
                invoice(topup::take_invoice(context, stripe, &of).await, id, report)
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        failed = failed.or(done.err());
    }
    failed.map_or(Ok(last), Err)
}

/// Switches an auto top-up on whose page is done.
async fn card_saved(
    context: &Context,
    stripe: &Stripe,
    intent: &str,
) -> Result<(), ReconcileError> {
    match stripe.saved_card(intent, context.clock.now()).await {
        Ok(Some(saved)) => {
            let saved = auto_top_up::card_saved(context, &saved).await;
            saved.map_err(ReconcileError::Failed)
        }
        Ok(None) | Err(StripeError::Missing(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The notice of an event. None: it changes nothing, or cannot be read; then it is kept.
async fn of_event(
    context: &Context,
    event: Value,
    report: &mut ReconcileReport,
) -> Result<Option<Said>, ReconcileError> {
    let body = event.to_string();
    let problem = match stripe::listed_event(event) {
        Ok(event) => return Ok(event.said),
        Err(problem) => problem,
    };
    report.unreadable += 1;
    let (id, at) = (stripe::name(body.as_bytes()), context.clock.now());
    let unread = UnreadEvent { id: id.clone(), body, problem: problem.to_string(), at };
    kept(payment::keep(context, unread).await?, &id, &problem.to_string())?;
    Ok(None)
}

/// Says that an event or an invoice waits for an operator.
fn kept(kept: KeepOutcome, event: &str, problem: &str) -> Result<(), ReconcileError> {
    match kept {
        KeepOutcome::Known => Ok(()),
        KeepOutcome::Kept => {
            tracing::error!(alarm = "payment_parked", event, problem, "an event cannot be applied");
            Ok(())
        }
        KeepOutcome::Full => {
            tracing::error!(
                alarm = "payment_parked",
                event,
                problem,
                "an event cannot be applied, and was not kept: too many wait already"
            );
            // The page comes again until there is room.
            Err(ReconcileError::Full)
        }
    }
}

/// The notice of an object. None: it is about no payment of ours, or cannot be read.
fn of_object(stripe: &Stripe, object: Value, report: &mut ReconcileReport) -> Option<Said> {
    match stripe::object::said(object, stripe.is_live()) {
        Ok(said) => said,
        Err(problem) => {
            report.unreadable += 1;
            tracing::error!(alarm = "payment_parked", %problem, "an object cannot be read");
            None
        }
    }
}

/// Applies a notice. `id`: Stripe's id of the event or the object that gives it.
async fn take_notice(
    context: &Context,
    said: &PaymentNotice,
    id: Option<String>,
    report: &mut ReconcileReport,
) -> Result<(), ReconcileError> {
    noticed(payment::take_notice(context, said, false).await, id, report)
}

/// Reports what came of an invoice of a top-up plan.
fn invoice(
    outcome: Result<InvoiceOutcome, Failure>,
    id: Option<String>,
    report: &mut ReconcileReport,
) -> Result<(), ReconcileError> {
    match outcome {
        Ok(InvoiceOutcome::Notice(notice)) => noticed(Ok(notice), id, report),
        Ok(InvoiceOutcome::Kept { id, problem, kept: outcome }) => {
            report.unreadable += usize::from(outcome != KeepOutcome::Known);
            kept(outcome, &id, &problem)
        }
        Err(Failure::Stripe(error)) => Err(error.into()),
        Err(failure) => noticed(Err(failure), id, report),
    }
}

/// Reports what came of a notice.
fn noticed(
    outcome: Result<NoticeOutcome, Failure>,
    id: Option<String>,
    report: &mut ReconcileReport,
) -> Result<(), ReconcileError> {
    let news = match outcome {
        Ok(NoticeOutcome::OrderUpdate(news)) => news,
        Ok(NoticeOutcome::Known | NoticeOutcome::Foreign) => return Ok(()),
        // A broken account does not stop the others.
        Err(Failure::Store(error)) if error.is_of_one_account() => {
            report.unjoined += 1;
            tracing::error!(
                alarm = "payment_parked", %error,
                "a payment cannot be processed: once its account can be read, run `scrip reconcile`"
            );
            return Ok(());
        }
        Err(failure) => return Err(ReconcileError::Failed(failure)),
    };
    let OrderUpdate { order, intent, before, after, parked } = news;
    // An update may change nothing: Stripe repeated the same state in another form.
    if before == after && parked.is_none() {
        return Ok(());
    }
    let (order, account) = order.unzip();
    let payment = intent.to_string();
    let (event, of) = (id.as_deref(), account.as_ref().map(|account| account.as_str()));
    tracing::error!(
        alarm = "webhook_missed", event, payment, account = of, %before, %after,
        "the webhook missed a change of a payment: it is applied now"
    );
    if let Some(problem) = &parked {
        tracing::error!(alarm = "payment_parked", payment, problem, "a payment is parked");
    }
    report.found.push(Found { event: id, payment, order, account, before, after, parked });
    Ok(())
}

/// Lets the plan of a subscription's account follow. `id`: that of the event or of the subscription.
async fn follow(
    context: &Context,
    stripe: &Stripe,
    of: &SubscriptionId,
    (list, id): (StripeList, Option<String>),
    report: &mut ReconcileReport,
) -> Result<(), ReconcileError> {
    let subscription = of.as_str();
    let alarm = "payment_parked";
    let update = match subscription::follow(context, stripe, of).await {
        Ok(SubscriptionOutcome::Updated(update)) => update,
        Ok(SubscriptionOutcome::Known | SubscriptionOutcome::Foreign) => return Ok(()),
        Ok(SubscriptionOutcome::Unclaimed { problem, .. }) => {
            tracing::error!(alarm, subscription, problem, "a subscription of no account");
            return Ok(());
        }
        Err(Failure::Stripe(StripeError::Unreadable(problem))) => {
            report.unreadable += 1;
            tracing::error!(alarm, subscription, problem, "a subscription cannot be read");
            return Ok(());
        }
        // A broken account does not stop the others.
        Err(Failure::Store(error)) if error.is_of_one_account() => {
            report.unjoined += 1;
            tracing::error!(
                alarm, subscription, %error,
                "a subscription cannot be followed: once its account can be read, run \
                 `scrip reconcile`"
            );
            return Ok(());
        }
        Err(Failure::Stripe(error)) => return Err(error.into()),
        Err(failure) => return Err(ReconcileError::Failed(failure)),
    };
    let SubscriptionUpdate { account, terms, is_first, parked } = update;
    let event = id.as_deref();
    // The daily look also finds what was there before Scrip was asked about it.
    let missed = terms.is_some() && (list.has_events() || !is_first);
    if missed {
        tracing::error!(
            alarm = "webhook_missed",
            event,
            subscription,
            account = account.as_str(),
            "the webhook missed a change of a subscription: the plan follows now"
        );
    }
    if let Some(problem) = &parked {
        tracing::error!(alarm, subscription, problem, "a subscription is parked");
    }
    if terms.is_some() || parked.is_some() {
        let plan = terms.map(|terms| format!("{}, {}", terms.plan, terms.status.name()));
        let subscription = of.to_string();
        report.followed.push(FoundSubscription { event: id, subscription, account, plan, parked });
    }
    Ok(())
}

/// Whether a subscription that Stripe lists is known as it is.
async fn is_current(
    context: &Context,
    stripe: &Stripe,
    object: &Value,
) -> Result<bool, ReconcileError> {
    match stripe::subscription(object.clone()) {
        Ok(listed) => Ok(subscription::is_current(context, stripe, &listed).await?),
        // Asking about it by itself tells why.
        Err(_) => Ok(false),
    }
}
