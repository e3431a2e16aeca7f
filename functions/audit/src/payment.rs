//! Compares payments with the account that got their credits, with their orders, and with Stripe.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::context::Context;
use shared::domain::payment::{Facts, IntentId, Payment, PaymentNotice};
use shared::domain::{AccountId, Credits, OperationId, Order};
use shared::store::StoreError;
use shared::stripe::object::Said;
use shared::stripe::{self, ObjectList, Stripe, StripeError};

use crate::difference::{Difference, Kind};
use crate::findings::Findings;
use crate::micro::{Micro, micro, shown};

/// Stripe's latest change may still be on its way to the webhook: the audit looks again after this.
const PAUSE: Duration = Duration::from_millis(500);

/// Why payments could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stripe(#[from] StripeError),
}

/// Compares the payments of an account: those that its entries name, and those that its orders
/// name.
/// `got` is the credits that each of them gave, by the entries.
pub(crate) async fn of_account(
    context: &Context,
    got: &BTreeMap<String, (OperationId, Micro)>,
    orders: &[OperationId],
    audit: &mut Findings<'_>,
) -> Result<(), StoreError> {
    let mut due: BTreeMap<IntentId, (OperationId, Micro)> = BTreeMap::new();
    for (intent, (order, credits)) in got {
        match intent.parse() {
            Ok(intent) => {
                due.insert(intent, (*order, *credits));
            }
            Err(_) => {
                let (expected, found) = ("the id of a payment".to_owned(), intent.clone());
                differs(context, Kind::Order(*order), expected, found, audit).await?;
            }
        }
    }
    for id in orders {
        let Some(order) = audit.read(context.store.order(*id).await)? else { continue };
        match order.map(|order| order.intent) {
            None => differs(context, Kind::Order(*id), an_order(), none(), audit).await?,
            Some(Some(intent)) => {
                due.entry(intent).or_insert((*id, 0));
            }
            Some(None) => {}
        }
    }
    for (intent, (order, credits)) in due {
        let payment = context.store.payment(&intent, context.clock.now()).await;
        let Some(payment) = audit.read(payment)? else { continue };
        let applied = micro(payment.applied);
        if applied != credits {
            let got = Credits::from_micro(i64::try_from(credits).unwrap_or(i64::MAX));
            let kind = Kind::Payment { intent: intent.clone(), order, got };
            differs(context, kind, shown(credits), shown(applied), audit).await?;
        }
        let known = payment.order().unwrap_or(order);
        let Some(known) = audit.read(context.store.order(known).await)? else { continue };
        let Some(known) = known else {
            differs(context, Kind::Order(order), an_order(), none(), audit).await?;
            continue;
        };
        // With two orders it is not known whose credits these are: nothing moves until someone
        // decides.
        if payment.facts.orders.len() == 1 {
            let (due, applied) = (payment.due(&known).to_string(), payment.applied.to_string());
            differs(context, Kind::Due(intent.clone()), due, applied, audit).await?;
        }
        let waits = payment.version > 0 && payment.is_parked(&known);
        let listed = context.store.is_marked(&payment).await?;
        differs(context, Kind::Mark(intent), waits.to_string(), listed.to_string(), audit).await?;
    }
    Ok(())
}

/// Reports a difference about money, unless an operator has decided to keep it as it is.
async fn differs(
    context: &Context,
    kind: Kind,
    expected: String,
    found: String,
    audit: &mut Findings<'_>,
) -> Result<(), StoreError> {
    if expected == found {
        return Ok(());
    }
    match context.store.event(&kept(&kind, &expected, &found)).await? {
        Some((_, Some(_))) => {}
        asked => {
            let (account, parked) = (Some(audit.account.clone()), asked.is_some());
            audit.found.push(Difference { account, kind, expected, found, parked });
        }
    }
    Ok(())
}

/// The id under which `repair` parks its question about a difference.
pub fn kept(kind: &Kind, expected: &str, found: &str) -> String {
    let text = format!("{}-{}-{expected}-{found}", kind.name(), kind.about());
    text.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_', "_")
}

/// Compares the payments of the last days with Stripe.
///
/// # Errors
/// [`AuditError`] if Stripe or the tables do not answer.
pub async fn of_stripe(context: &Context, stripe: &Stripe) -> Result<Vec<Difference>, AuditError> {
    let (found, differing) = compare_all(context, told(context, stripe).await?).await?;
    if found.iter().all(|difference| difference.parked) {
        return Ok(found);
    }
    // A second look: the change may have been on its way to the webhook, or arrived by it since.
    tokio::time::sleep(PAUSE).await;
    let mut again = told(context, stripe).await?;
    again.retain(|intent, _| differing.contains(intent));
    Ok(compare_all(context, again).await?.0)
}

/// The differences of these payments, and the payments that differ.
async fn compare_all(
    context: &Context,
    told: BTreeMap<IntentId, Facts>,
) -> Result<(Vec<Difference>, BTreeSet<IntentId>), StoreError> {
    let (mut found, mut differing) = (Vec::new(), BTreeSet::new());
    for (intent, facts) in told {
        if let Some(difference) = compare(context, &intent, &facts).await? {
            found.push(difference);
            differing.insert(intent);
        }
    }
    Ok((found, differing))
}

/// The facts that Stripe states of each payment that may be ours.
pub async fn told(
    context: &Context,
    stripe: &Stripe,
) -> Result<BTreeMap<IntentId, Facts>, StripeError> {
    let mut told: BTreeMap<IntentId, Facts> = BTreeMap::new();
    let mut unread = BTreeSet::new();
    let mut asking = ObjectList::new(stripe, context.clock.now());
    while let Some(objects) = asking.next().await? {
        for object in objects {
            match stripe::object::said(object, stripe.is_live()) {
                Ok(Some(Said::Payment(PaymentNotice::Payment { intent, facts }))) => {
                    told.entry(intent).or_default().join(facts);
                }
                Ok(_) => {}
                Err(problem) => {
                    unread.insert(problem.to_string());
                }
            }
        }
    }
    for problem in unread {
        tracing::error!(alarm = "audit_difference", problem, "an object of Stripe cannot be read");
    }
    if asking.is_cut() {
        tracing::error!(
            alarm = "audit_difference",
            "Stripe has more objects than one audit compares: the rest was not compared"
        );
    }
    Ok(told)
}

/// Compares one payment as it is stored with Stripe's facts.
async fn compare(
    context: &Context,
    intent: &IntentId,
    facts: &Facts,
) -> Result<Option<Difference>, StoreError> {
    let known = context.store.payment(intent, context.clock.now()).await?;
    let told = shared::decide::payment::told(&known, facts.clone());
    let Some(id) = told.order() else { return Ok(None) };
    let Some(order) = context.store.order(id).await? else {
        // An order that was never placed here is another system's, unless it names an account of
        // ours.
        let account = of_ours(context, &told).await?;
        let Some(account) = account else { return Ok(None) };
        let mut audit = Findings::of(&account);
        differs(context, Kind::Order(id), an_order(), none(), &mut audit).await?;
        return Ok(audit.found.pop());
    };
    let Order { account, .. } = &order;
    let mut audit = Findings::of(account);
    if let Some((expected, found)) = went_back(&known.facts, facts) {
        let (expected, found) = (expected.to_owned(), found.to_owned());
        differs(context, Kind::Stripe(intent.clone()), expected, found, &mut audit).await?;
        // Once an operator has decided about it, the rest still counts.
        if let Some(found) = audit.found.pop() {
            return Ok(Some(found));
        }
    }
    let due = if told.facts.orders.len() == 1 { told.due(&order) } else { known.applied };
    if due == known.applied && told.is_parked(&order) == known.is_parked(&order) {
        return Ok(None);
    }
    let shown = |payment: &Payment, credits| match payment.is_parked(&order) {
        true => "that it waits for an operator".to_owned(),
        false => format!("{credits}"),
    };
    let (expected, found) = (shown(&told, due), shown(&known, known.applied));
    differs(context, Kind::Stripe(intent.clone()), expected, found, &mut audit).await?;
    Ok(audit.found.pop())
}

/// The stage of a refund or a dispute at Stripe, and the later one stored here, if there is one.
/// Notices are joined, so a stored stage never goes back.
fn went_back(known: &Facts, told: &Facts) -> Option<(&'static str, &'static str)> {
    let disputes = told.disputes.iter().filter_map(|(id, told)| {
        let (told, known) = (told.stage, known.disputes.get(id)?.stage);
        (known > told).then(|| (told.name(), known.name()))
    });
    let refunds = told.refunds.iter().filter_map(|(id, told)| {
        let (told, known) = (told.stage, known.refunds.get(id)?.stage);
        (known > told).then(|| (told.name(), known.name()))
    });
    disputes.chain(refunds).next()
}

fn an_order() -> String {
    "an order".to_owned()
}

fn none() -> String {
    "none".to_owned()
}

/// The account that a payment names, if it exists.
async fn of_ours(context: &Context, told: &Payment) -> Result<Option<AccountId>, StoreError> {
    let named = told.facts.accounts.iter().find_map(|account| account.parse().ok());
    let Some(named) = named else { return Ok(None) };
    Ok(context.store.account_as_written(&named).await?.map(|account| account.id))
}
