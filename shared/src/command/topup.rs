//! Top-up plans: begins one at Stripe, and credits its paid invoices.

use serde_json::Value;

use super::payment::{KeepOutcome, NoticeOutcome, keep, take_notice};
use super::{Run, until_known};
use crate::context::Context;
use crate::decide::{UnreadEvent, advance, payment, topup};
use crate::domain::invoice::PaidInvoice;
use crate::domain::payment::{PaymentNotice, Verdict};
use crate::domain::topup::InvoiceId;
use crate::domain::{AccountId, Key, Refusal};
use crate::failure::Failure;
use crate::session::Session;
use crate::store::{Outcome, StoreError};
use crate::stripe::{self, Stripe};

/// Before the id of an invoice that waits for an operator.
const KEPT: &str = "invoice-";

/// Asks Stripe for the address where the customer begins a top-up plan. The same request with the
/// same key gets the same address, for as long as Stripe knows the key.
///
/// # Errors
/// A [`Refusal`], or [`Failure::Store`] or [`Failure::Stripe`]: send the request again.
pub async fn begin(
    context: &Context,
    stripe: &Stripe,
    session: &Session,
    key: &Key,
    topup: &str,
) -> Result<String, Failure> {
    let (catalog, now) = (context.catalog().await, context.clock.now());
    let Session { account: id, return_url, .. } = session;
    let loaded = context.store.account(id).await?.ok_or_else(|| Refusal::no_account(id))?;
    let billing = context.store.billing(id, stripe.is_live()).await?;
    let account = advance::advance(&loaded.account, &catalog, now)?.account;
    let checkout = topup::begin(&account, &billing, (topup, return_url), &catalog, now)?;
    Ok(stripe.begin_topup(&checkout, key, now).await?)
}

/// The outcome of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvoiceOutcome {
    /// That of its payment.
    Notice(NoticeOutcome),
    /// It cannot be credited: under this id it waits for an operator, with the problem.
    Kept { id: String, problem: String, kept: KeepOutcome },
}

/// Asks Stripe about an invoice, and credits it if it is a paid one of a top-up plan.
///
/// # Errors
/// [`Failure::Stripe`] and [`Failure::Store`]: ask again.
pub async fn take_invoice(
    context: &Context,
    stripe: &Stripe,
    id: &InvoiceId,
) -> Result<InvoiceOutcome, Failure> {
    match stripe.invoice(id, context.clock.now()).await? {
        Some(object) => take_object(context, object).await,
        None => Ok(InvoiceOutcome::Notice(NoticeOutcome::Foreign)),
    }
}

/// Credits an invoice that Stripe said whole, if it is a paid one of a top-up plan. It may be said
/// any number of times, before and after the refunds of its payment.
///
/// # Errors
/// [`Failure::Store`]: say it again.
pub async fn take_object(context: &Context, object: Value) -> Result<InvoiceOutcome, Failure> {
    let invoice = match stripe::topup::paid_invoice(&object) {
        Ok(Some(invoice)) => invoice,
        Ok(None) => return Ok(InvoiceOutcome::Notice(NoticeOutcome::Foreign)),
        Err(problem) => return kept(context, object, problem.to_string()).await,
    };
    match credit(context, &invoice).await? {
        Ok(outcome) => Ok(InvoiceOutcome::Notice(outcome)),
        Err(problem) => kept(context, object, problem).await,
    }
}

/// Credits an invoice that waited for an operator. None: the event is of no invoice.
///
/// # Errors
/// [`Refusal::EventUnreadable`]: it still cannot be credited. [`Failure::Store`].
pub async fn release(
    context: &Context,
    event: &UnreadEvent,
) -> Result<Option<NoticeOutcome>, Failure> {
    if !event.id.starts_with(KEPT) {
        return Ok(None);
    }
    let unreadable = |problem: String| Refusal::EventUnreadable { problem };
    let object = serde_json::from_str(&event.body).map_err(|e| unreadable(e.to_string()))?;
    let read = stripe::topup::paid_invoice(&object).map_err(|e| unreadable(e.to_string()))?;
    let invoice = read.ok_or_else(|| unreadable("it is of no top-up plan".to_owned()))?;
    Ok(Some(credit(context, &invoice).await?.map_err(unreadable)?))
}

/// Whether an invoice waits for an operator, or was decided by one.
///
/// # Errors
/// [`StoreError`].
pub async fn is_kept(context: &Context, id: &InvoiceId) -> Result<bool, StoreError> {
    Ok(context.store.event(&format!("{KEPT}{id}")).await?.is_some())
}

/// Keeps an invoice for an operator, who can release it once the catalog or a later version can.
async fn kept(
    context: &Context,
    object: Value,
    problem: String,
) -> Result<InvoiceOutcome, Failure> {
    let invoice = object["id"].as_str().and_then(|id| id.parse::<InvoiceId>().ok());
    let Some(invoice) = invoice else {
        return Ok(InvoiceOutcome::Notice(NoticeOutcome::Foreign));
    };
    let (id, body, at) = (format!("{KEPT}{invoice}"), object.to_string(), context.clock.now());
    let event = UnreadEvent { id: id.clone(), body, problem: problem.clone(), at };
    let kept = keep(context, event).await?;
    Ok(InvoiceOutcome::Kept { id, problem, kept })
}

/// Places the order of an invoice, once, and applies its payment; or says why it cannot.
async fn credit(
    context: &Context,
    invoice: &PaidInvoice,
) -> Result<Result<NoticeOutcome, String>, Failure> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    match until_known(run, || try_place(run, invoice)).await? {
        Placed::Order => {}
        Placed::Foreign => return Ok(Ok(NoticeOutcome::Foreign)),
        Placed::Problem(problem) => return Ok(Err(problem)),
    }
    let (intent, facts) = (invoice.intent.clone(), topup::facts(invoice));
    let notice = PaymentNotice::Payment { intent, facts };
    take_notice(context, &notice, true).await.map(Ok)
}

/// What came of placing the order of an invoice.
enum Placed {
    /// It is there.
    Order,
    /// The invoice is of no account of ours, or an operator dismissed it.
    Foreign,
    Problem(String),
}

async fn try_place(run: &Run<'_>, invoice: &PaidInvoice) -> Result<Option<Placed>, Failure> {
    let store = &run.context.store;
    if store.order(invoice.order()).await?.is_some() {
        return Ok(Some(Placed::Order));
    }
    let account = match invoice.account.parse::<AccountId>() {
        Ok(id) => store.account(&id).await?.map(|loaded| loaded.account.id),
        Err(_) => None,
    };
    let Some(account) = account else {
        // The product has not opened it yet: the daily look at all invoices finds it then.
        tracing::warn!(invoice = invoice.id.as_str(), "no such account");
        return Ok(Some(Placed::Foreign));
    };
    let known = store.event(&format!("{KEPT}{}", invoice.id)).await?;
    let decided = known.and_then(|(_, decided)| decided);
    if decided.is_some_and(|decided| decided.verdict == Verdict::Dismissed) {
        return Ok(Some(Placed::Foreign));
    }
    let offered = match invoice.catalog {
        Some(version) if version != run.catalog.version => run.context.catalog_of(version).await?,
        _ => run.context.catalog().await,
    };
    let Some(order) = topup::order(invoice, account.clone(), &offered) else {
        let problem = format!("{account} paid for the top-up plan {}", invoice.topup);
        return Ok(Some(Placed::Problem(format!("{problem}, which the catalog does not have"))));
    };
    let orders = store.orders(&account).await?;
    match store.commit(&payment::list(order, &orders)).await? {
        Outcome::Done(_) => Ok(Some(Placed::Order)),
        _ => Ok(None),
    }
}
