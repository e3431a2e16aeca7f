//! Auto top-up: consents are kept, and packs bought with a saved card.
//!
//! The order and the claim are one transaction, before Stripe is asked. A claim ends when its
//! payment is paid, in the transaction that gives the credits, or when Stripe says that it never
//! will be. Until then nothing else is bought: an answer that was lost is asked for again, under
//! the key of the order.

use serde_json::Value;

use super::order::open;
use super::payment::take_notice;
use super::{Run, lost, retried, until_known};
use crate::context::Context;
use crate::decide::auto_top_up::{self as decide, Crossed, Read};
use crate::decide::{Write, advance};
use crate::domain::auto_top_up::{
    AutoTopUp, Claim, Consent, Crossing, Failed, OffReason, State, Terms,
};
use crate::domain::payment::{DisputeStage, IntentId};
use crate::domain::refusal::FieldProblem;
use crate::domain::{AccountId, Catalog, Instant, OperationId, Refusal, TaxBehavior};
use crate::failure::Failure;
use crate::query::payments::{self, PaymentRecord};
use crate::store::{Loaded, Outcome, StoreError};
use crate::stripe::object::{self, Said};
use crate::stripe::{SavedCard, Stripe, StripeError, intent_id};

/// How many accounts one run of `reconcile` looks at.
const LOOKED_AT: i32 = 1_000;

/// A customer's request to switch it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub terms: Terms,
    /// The words that were consented to.
    pub words: String,
    /// Who asks, as the session says.
    pub by: String,
    /// Where the customer comes from, as the session says.
    pub return_url: String,
    /// Whether it is for real money: the key of the requests to Stripe decides.
    pub live: bool,
}

/// Keeps a customer's consent. The same sent again changes nothing. It is on at once if the same
/// person's card is there, and otherwise once a card is saved.
///
/// # Errors
/// A [`Refusal`], or a [`StoreError`] if the outcome is not known.
pub async fn set(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    asked: &Asked,
) -> Result<AutoTopUp, Failure> {
    let run = &Run::begin(context, catalog);
    let words = decide::words(&asked.terms, catalog).map_err(|refusal| run.refuse(refusal))?;
    if asked.words != words {
        let fields = vec![FieldProblem::new("consent", format!("must be, to the letter: {words}"))];
        return Err(run.refuse(Refusal::InvalidRequest { fields }));
    }
    if retried(run, || is_disputed(context, account)).await? {
        return Err(run.refuse(Refusal::DisputeOpen));
    }
    until_known(run, || async {
        let before = context.store.auto_top_up(account).await?;
        let Loaded { account: read, .. } = loaded(run, account).await?;
        let now = context.clock.now();
        let Asked { terms, words, by, return_url, live } = asked.clone();
        let id = context.entropy.own(now);
        let consent = Consent { id, terms, by, at: now, words, live, return_url };
        let is_again = |known: &AutoTopUp| {
            !matches!(known.state, State::Off(_)) && known.consent.is_again(&consent)
        };
        if let Some(known) = before.clone().filter(is_again) {
            return Ok(Some(known));
        }
        let (after, write) = decide::set(before.as_ref(), &read, consent, now);
        Ok(done(run, &write).await?.map(|()| after))
    })
    .await
}

/// Whether a dispute of one of the account's latest payments is open.
async fn is_disputed(context: &Context, account: &AccountId) -> Result<bool, StoreError> {
    let listed = payments::list(context, Some(account), None, None).await?;
    Ok(listed.payments.iter().any(|record| match record {
        PaymentRecord::Order { checkout, .. } => {
            let facts = checkout.payment.as_ref().map(|payment| &payment.facts);
            let mut disputes = facts.into_iter().flat_map(|facts| facts.disputes.values());
            disputes.any(|dispute| dispute.stage == DisputeStage::Open)
        }
        PaymentRecord::Event(..) | PaymentRecord::Mark(_) => false,
    }))
}

/// Switches it on, with the card that was saved for its consent.
///
/// # Errors
/// [`StoreError`].
pub async fn card_saved(context: &Context, saved: &SavedCard) -> Result<(), Failure> {
    let SavedCard { account, consent, card } = saved;
    change(context, account, |before, loaded, now| {
        decide::card_saved(before, &loaded.account, *consent, card.clone(), now)
    })
    .await
    .map(drop)
}

/// Switches it off. The order under way goes on. None: there is none.
///
/// # Errors
/// [`Refusal::AccountNotFound`], or a [`StoreError`] if the outcome is not known.
pub async fn switch_off(
    context: &Context,
    account: &AccountId,
    reason: OffReason,
) -> Result<Option<AutoTopUp>, Failure> {
    change(context, account, |before, loaded, now| {
        decide::switch_off(before, &loaded.account, reason, now)
    })
    .await?;
    Ok(context.store.auto_top_up(account).await?)
}

/// Writes what `make` makes of it, if anything.
async fn change(
    context: &Context,
    account: &AccountId,
    make: impl Fn(&AutoTopUp, &Loaded, Instant) -> Option<Write> + Send + Sync,
) -> Result<(), Failure> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    until_known(run, || async {
        let Some(before) = context.store.auto_top_up(account).await? else { return Ok(Some(())) };
        let loaded = loaded(run, account).await?;
        match make(&before, &loaded, context.clock.now()) {
            Some(write) => done(run, &write).await,
            None => Ok(Some(())),
        }
    })
    .await
}

async fn loaded(run: &Run<'_>, account: &AccountId) -> Result<Loaded, Failure> {
    let loaded = run.context.store.account(account).await?;
    loaded.ok_or_else(|| run.refuse(Refusal::no_account(account)))
}

/// Commits a write. None: another one came in between.
async fn done(run: &Run<'_>, write: &Write) -> Result<Option<()>, Failure> {
    match run.context.store.commit_in(write, &run.in_flight).await? {
        Outcome::Done(_) => Ok(Some(())),
        _ => Ok(None),
    }
}

/// Buys a pack, if the account needs one and its customer allows it. `pays`: whether the card is
/// charged now; if not, `reconcile` does it.
///
/// # Errors
/// [`Failure::Store`]: look again. What Stripe did not answer is no error: `reconcile` asks again.
pub async fn crossed(
    context: &Context,
    stripe: &Stripe,
    account: &AccountId,
    crossing: &Crossing,
    pays: bool,
) -> Result<(), Failure> {
    match claim(context, stripe, account, crossing, None).await? {
        Some(claim) if pays => pay(context, stripe, account, &claim).await,
        _ => Ok(()),
    }
}

/// Orders a pack. Returns the claim to be paid, if there is one. `due`: when it was to be looked at,
/// if that is why.
async fn claim(
    context: &Context,
    stripe: &Stripe,
    account: &AccountId,
    crossing: &Crossing,
    due: Option<Instant>,
) -> Result<Option<Claim>, Failure> {
    let catalog = context.catalog().await;
    let run = &Run::begin(context, &catalog);
    until_known(run, || try_claim(run, stripe, account, crossing, due)).await
}

async fn try_claim(
    run: &Run<'_>,
    stripe: &Stripe,
    account: &AccountId,
    crossing: &Crossing,
    due: Option<Instant>,
) -> Result<Option<Option<Claim>>, Failure> {
    let (context, catalog) = (run.context, run.catalog);
    let Some(before) = context.store.auto_top_up(account).await? else { return Ok(Some(None)) };
    let loaded = context.store.account(account).await?.ok_or_else(|| lost(account))?;
    let orders = context.store.orders(account).await?;
    // A record that comes again, when its order has ended or is under way.
    if context.store.order(crossing.order(account)).await?.is_some() {
        return Ok(Some(None));
    }
    let open = open(context, &orders, context.clock.now()).await?;
    let (now, live) = (context.clock.now(), stripe.is_live());
    let advanced = advance::advance(&loaded.account, catalog, now)?.account;
    let (account, advanced) = (&loaded.account, &advanced);
    let (before, orders, open) = (&before, &orders, &open);
    let mut read = Read { before, account, advanced, orders, open, live, charged: None };
    let mut crossed = decide::crossed(&read, crossing, catalog, now);
    // Only an order that would be placed is worth a question.
    if let (Crossed::Claims(claim, _), Some(TaxBehavior::Exclusive)) =
        (&crossed, catalog.tax.behavior)
    {
        crossed = match stripe.with_tax(claim.price, &claim.card.customer, now).await {
            Ok(charged) => {
                read.charged = Some(charged);
                decide::crossed(&read, crossing, catalog, now)
            }
            Err(StripeError::Again(_) | StripeError::Key(_)) => {
                Crossed::Refused(decide::waits(before, account, now))
            }
            // Such as a customer without an address.
            Err(error) => {
                let account = account.id.as_str();
                tracing::error!(account, %error, "the tax of an auto top-up cannot be computed");
                decide::refused(before, read.account, Failed::TaxUnknown, now)
            }
        };
    }
    Ok(match crossed {
        Crossed::Claims(claim, write) => done(run, &write).await?.map(|()| Some(claim)),
        Crossed::Refused(write) => done(run, &write).await?.map(|()| None),
        Crossed::Nothing if due.is_some() && before.due == due => {
            let write = decide::looked(before, account, now);
            done(run, &write).await?.map(|()| None)
        }
        Crossed::Nothing => Some(None),
    })
}

/// Charges the card of a claim, and applies the answer.
async fn pay(
    context: &Context,
    stripe: &Stripe,
    account: &AccountId,
    claim: &Claim,
) -> Result<(), Failure> {
    let answer = match stripe.charge(account, claim, context.clock.now()).await {
        Err(StripeError::Card { intent: Some(id), .. }) => match id.parse() {
            Ok(id) => stripe.intent(&id, context.clock.now()).await,
            Err(_) => Err(StripeError::Rejected("the intent has no id".to_owned())),
        },
        answered => answered,
    };
    match answer {
        Ok(intent) => conclude(context, stripe, account, claim, intent).await,
        // No intent was made: the card or its customer does not exist any more.
        Err(StripeError::Missing(_) | StripeError::Card { .. }) => {
            fail(context, account, claim.order, Failed::Declined).await
        }
        Err(error) => unanswered(account, claim, &error),
    }
}

fn unanswered(account: &AccountId, claim: &Claim, error: &StripeError) -> Result<(), Failure> {
    let (account, order) = (account.as_str(), claim.order.to_string());
    tracing::warn!(account, order, %error, "the outcome of an auto top-up is not known yet");
    Ok(())
}

/// Applies what Stripe says of the payment of a claim. A payment that waits for the customer is
/// canceled: nobody is there.
async fn conclude(
    context: &Context,
    stripe: &Stripe,
    account: &AccountId,
    claim: &Claim,
    intent: Value,
) -> Result<(), Failure> {
    let now = context.clock.now();
    let why = failed(&intent);
    let intent = match (intent["status"].as_str(), intent_id(&intent)) {
        (Some("succeeded" | "processing" | "requires_capture" | "canceled"), _) => Ok(intent),
        (_, Ok(id)) => stripe.cancel_intent(&id, now).await,
        (_, Err(error)) => Err(error),
    };
    let intent = match intent {
        Ok(intent) => intent,
        Err(error) => return unanswered(account, claim, &error),
    };
    if intent["status"] == "canceled" {
        fail(context, account, claim.order, why).await?;
    }
    match object::said(intent, stripe.is_live()) {
        Ok(Some(Said::Payment(said))) => take_notice(context, &said, false).await.map(drop),
        Ok(_) => Ok(()),
        Err(error) => unanswered(account, claim, &StripeError::Rejected(error.to_string())),
    }
}

/// Why a payment was not made.
fn failed(intent: &Value) -> Failed {
    let code = intent["last_payment_error"]["code"].as_str();
    match (intent["status"].as_str(), code) {
        (Some("requires_action"), _) | (_, Some("authentication_required")) => {
            Failed::AuthenticationRequired
        }
        _ => Failed::Declined,
    }
}

async fn fail(
    context: &Context,
    account: &AccountId,
    order: OperationId,
    failed: Failed,
) -> Result<(), Failure> {
    change(context, account, |before, loaded, now| {
        decide::failed(before, &loaded.account, order, failed, now)
    })
    .await
}

/// The accounts to look at: those with a claim that nothing has ended for a while, and those whose
/// month is over.
///
/// # Errors
/// [`StoreError`].
pub async fn due(context: &Context) -> Result<Vec<AccountId>, StoreError> {
    let now = context.clock.now();
    super::retry(context, || context.store.auto_due(now, LOOKED_AT)).await
}

/// Looks at one of them: asks Stripe about its claim, or whether it needs a pack now.
///
/// # Errors
/// [`Failure::Store`]: look again.
pub async fn look(context: &Context, stripe: &Stripe, account: &AccountId) -> Result<(), Failure> {
    let now = context.clock.now();
    let known = super::retry(context, || context.store.auto_top_up(account)).await?;
    let Some(auto) = known.filter(|auto| auto.due.is_some_and(|due| due <= now)) else {
        return Ok(());
    };
    let Some(claim) = &auto.claim else {
        let loaded = super::retry(context, || context.store.account(account)).await?;
        let loaded = loaded.ok_or_else(|| lost(account))?.account;
        let (seq, set) = (loaded.seq, loaded.threshold.map_or(0, |threshold| threshold.set));
        let crossing = Crossing { seq, set, at: auto.due.unwrap_or(now), fresh: false };
        let claimed = self::claim(context, stripe, account, &crossing, auto.due).await?;
        return match claimed {
            Some(claim) => pay(context, stripe, account, &claim).await,
            None => Ok(()),
        };
    };
    // A key of the other mode does not know the payment.
    if auto.consent.live != stripe.is_live() {
        return Ok(());
    }
    let loaded = super::retry(context, || context.store.account(account)).await?;
    let loaded = loaded.ok_or_else(|| lost(account))?;
    let may_charge = auto.card() == Some(&claim.card) && loaded.account.gate.is_open();
    match find(context, stripe, account, claim, may_charge).await {
        Ok(Some(id)) => match stripe.intent(&id, context.clock.now()).await {
            Ok(intent) => conclude(context, stripe, account, claim, intent).await,
            Err(error) => unanswered(account, claim, &error),
        },
        Ok(None) => fail(context, account, claim.order, Failed::Declined).await,
        Err(error) => unanswered(account, claim, &error),
    }
}

/// The payment of a claim. The request is sent again as long as it may be: it gets the same answer,
/// or is made now. Else the payment is looked for. None: there is none, and there never will be.
async fn find(
    context: &Context,
    stripe: &Stripe,
    account: &AccountId,
    claim: &Claim,
    may_charge: bool,
) -> Result<Option<IntentId>, StripeError> {
    let now = context.clock.now();
    if !claim.may_be_sent(now) || !may_charge {
        let found = stripe.intent_of(claim, now).await?;
        return match found.is_none() && claim.is_in_flight(now) {
            true => Err(StripeError::Again("a request may be under way".to_owned())),
            false => Ok(found),
        };
    }
    match stripe.charge(account, claim, now).await {
        Ok(intent) => intent_id(&intent).map(Some),
        Err(StripeError::Card { intent: Some(id), .. }) => {
            let id = id.parse();
            id.map(Some).map_err(|_| StripeError::Rejected("the intent has no id".to_owned()))
        }
        Err(StripeError::Card { intent: None, .. } | StripeError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
