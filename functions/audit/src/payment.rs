//! Payments: against the account that got their credits, their orders, and what Stripe says.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::domain::payment::{Facts, IntentId, Payment, Said};
use shared::domain::{AccountId, Credits, OperationId, Order};
use shared::store::StoreError;
use shared::stripe::{self, Asking, Stripe, StripeError};
use shared::world::World;

use crate::account::Findings;
use crate::book::{Micro, micro, shown};
use crate::difference::{Difference, Kind};

/// What Stripe says may be on its way to the webhook: it is looked at again after this.
const PAUSE: Duration = Duration::from_secs(1);

/// Why what Stripe says could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stripe(#[from] StripeError),
}

/// The payments of an account: those that its entries name, and those that its orders do. `got` is
/// what the entries say each of them gave.
pub async fn of_account(
    world: &World,
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
            Err(_) => audit.differs(Kind::Order(*order), "the id of a payment", intent),
        }
    }
    for id in orders {
        let Some(order) = audit.read(world.store.order(*id).await)? else { continue };
        match order.map(|order| order.intent) {
            None => lost_order(world, *id, audit).await?,
            Some(Some(intent)) => {
                due.entry(intent).or_insert((*id, 0));
            }
            Some(None) => {}
        }
    }
    for (intent, (order, credits)) in due {
        let payment = world.store.payment(&intent, world.clock.now()).await;
        let Some(payment) = audit.read(payment)? else { continue };
        let applied = micro(payment.applied);
        if applied != credits {
            let got = Credits::from_micro(i64::try_from(credits).unwrap_or(i64::MAX));
            let kind = Kind::Payment { intent: intent.clone(), order, got };
            audit.differs(kind, shown(credits), shown(applied));
        }
        let known = payment.order().unwrap_or(order);
        let Some(known) = audit.read(world.store.order(known).await)? else { continue };
        let Some(known) = known else {
            lost_order(world, order, audit).await?;
            continue;
        };
        // Of two orders it is not known whose credits they are: nothing moves until someone decides.
        if payment.facts.orders.len() == 1 {
            audit.compare(Kind::Due(intent.clone()), payment.due(&known), payment.applied);
        }
        let waits = payment.version > 0 && payment.is_parked(&known);
        audit.compare(Kind::Mark(intent), waits, world.store.is_marked(&payment).await?);
    }
    Ok(())
}

/// An order that is not there: nobody can tell any more what was bought. Once an operator has
/// decided about it, it is as it is.
async fn lost_order(
    world: &World,
    order: OperationId,
    audit: &mut Findings<'_>,
) -> Result<(), StoreError> {
    let kept = world.store.event(&kept(order)).await?;
    if kept.as_ref().is_none_or(|(_, decided)| !decided) {
        audit.differs(Kind::Order(order), "an order", "none");
        let parked = kept.is_some();
        audit.found.iter_mut().rev().take(1).for_each(|found| found.parked = parked);
    }
    Ok(())
}

/// As what `repair` keeps the question about an order that is lost, among what waits for an operator.
pub fn kept(order: OperationId) -> String {
    format!("order-{order}")
}

/// The payments of the last days as Stripe tells them.
///
/// # Errors
/// [`AuditError`] if Stripe or the tables do not answer.
pub async fn of_stripe(world: &World, stripe: &Stripe) -> Result<Vec<Difference>, AuditError> {
    let told = told(world, stripe).await?;
    let mut found = Vec::new();
    let mut intents: Vec<&IntentId> = told.keys().collect();
    // Twice: what was said a moment ago may be on its way to the webhook.
    for pause in [None, Some(PAUSE)] {
        if let Some(pause) = pause.filter(|_| !found.is_empty()) {
            tokio::time::sleep(pause).await;
        }
        found.clear();
        let mut differing = Vec::new();
        for intent in std::mem::take(&mut intents) {
            if let Some(difference) = compare(world, intent, &told[intent]).await? {
                found.push(difference);
                differing.push(intent);
            }
        }
        intents = differing;
    }
    Ok(found)
}

/// What Stripe says of each payment that may be ours.
pub async fn told(
    world: &World,
    stripe: &Stripe,
) -> Result<BTreeMap<IntentId, Facts>, StripeError> {
    let mut told: BTreeMap<IntentId, Facts> = BTreeMap::new();
    let mut asking = Asking::new(stripe, world.clock.now());
    while let Some(objects) = asking.next().await? {
        for object in objects {
            // What cannot be read is `reconcile`'s to name: it runs every day as well.
            let said = stripe::object::said(object, stripe.is_live());
            if let Ok(Some(Said::Payment { intent, facts })) = said {
                told.entry(intent).or_default().join(facts);
            }
        }
    }
    if asking.is_cut() {
        tracing::warn!("Stripe says more than is compared at once");
    }
    Ok(told)
}

/// One payment as it is known here, with what Stripe says of it.
async fn compare(
    world: &World,
    intent: &IntentId,
    facts: &Facts,
) -> Result<Option<Difference>, StoreError> {
    let known = world.store.payment(intent, world.clock.now()).await?;
    let told = shared::decide::payment::told(&known, facts.clone());
    let Some(id) = told.order() else { return Ok(None) };
    let differs = |account, kind, expected: String, found: String| {
        Some(Difference { account, kind, expected, found, parked: false })
    };
    let Some(order) = world.store.order(id).await? else {
        // An order that was never placed here is another system's. One of an account of ours was.
        let account = of_ours(world, &told).await?;
        let Some(account) = account else { return Ok(None) };
        return Ok(differs(Some(account), Kind::Order(id), "an order".into(), "none".into()));
    };
    let due = if told.facts.orders.len() == 1 { told.due(&order) } else { known.applied };
    if due == known.applied && told.is_parked(&order) == known.is_parked(&order) {
        return Ok(None);
    }
    let shown = |payment: &Payment, credits| match payment.is_parked(&order) {
        true => "that it waits for an operator".to_owned(),
        false => format!("{credits}"),
    };
    let (expected, found) = (shown(&told, due), shown(&known, known.applied));
    let Order { account, .. } = &order;
    Ok(differs(Some(account.clone()), Kind::Stripe(intent.clone()), expected, found))
}

/// The account that a payment names, if it is there.
async fn of_ours(world: &World, told: &Payment) -> Result<Option<AccountId>, StoreError> {
    let named = told.facts.accounts.iter().find_map(|account| account.parse().ok());
    let Some(named) = named else { return Ok(None) };
    Ok(world.store.account_as_written(&named).await?.map(|account| account.id))
}
