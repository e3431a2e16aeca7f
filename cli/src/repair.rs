//! `repair`: corrects contradictions between tables that were restored to different moments where a
//! rule can, and parks the rest.
//!
//! A rule never guesses a balance. A change of a balance goes through its payment and has its
//! entry; everything else is key aliases, idempotency records, counts and segments. Where no rule
//! applies, repair freezes the account, with the reason, or parks a question for an operator.

mod act;
mod rule;

use std::collections::{BTreeMap, BTreeSet};

use ::audit::{
    AuditError, Difference, Kind, account, accounts, directory_difference, kept, of_stripe,
    subscriptions, told,
};
use shared::command;
use shared::command::payment::{KeepOutcome, NoticeOutcome, Repaired, keep};
use shared::context::Context;
use shared::decide::payment::PaymentChange;
use shared::decide::repair::REPAIR;
use shared::decide::{
    AccountWrite, Guard, Made, Row, Step, UnreadEvent, Write, directory, operation, plan, repair,
    subscription,
};
use shared::domain::entry::Explanation;
use shared::domain::payment::{Facts, IntentId};
use shared::domain::{Account, AccountId, Key, KeySpace, OperationId, Refusal};
use shared::failure::Failure;
use shared::store::{Outcome, ScannedRow, StoreError};
use shared::stripe::{Stripe, StripeError};

use crate::counter;
pub use act::{Act, Done};
use rule::rule;

/// How often an account is audited again: one rule may build on the repairs of another.
const ROUNDS: usize = 16;

/// Why a repair stopped early. Repairs already made stay: run it again.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error(transparent)]
    Reconcile(#[from] reconcile::ReconcileError),
    #[error("{0:?}")]
    Failed(Failure),
}

/// Repairs the differences of an audit, in one account or in all. Without `stripe` no payment is
/// repaired. `rehearsed`: writes nothing, and returns the repairs that would come first.
///
/// # Errors
/// [`RepairError`].
pub async fn run(
    context: &Context,
    stripe: Option<&Stripe>,
    only: Option<&AccountId>,
    rehearsed: bool,
) -> Result<Vec<Act>, RepairError> {
    let told = match stripe {
        Some(stripe) => told(context, stripe).await?,
        None => BTreeMap::new(),
    };
    let ids = match only {
        Some(id) => BTreeSet::from([id.clone()]),
        None => accounts(context).await?,
    };
    let live = stripe.map(Stripe::is_live);
    let mut repair = Repair { context, told, live, rehearsed, acts: Vec::new() };
    let counter = counter("accounts");
    for id in ids {
        repair.directory(&id).await?;
        repair.account(&id).await?;
        counter.inc(1);
    }
    counter.finish_and_clear();
    // After the accounts: the credits that each payment gave are known by now, so none is given
    // twice.
    if let Some(stripe) = stripe.filter(|_| !rehearsed) {
        let report = reconcile::compare(context, stripe).await?;
        for found in report.followed {
            let Ok(id) = found.subscription.parse() else { continue };
            let expected = found.plan.or(found.parked).unwrap_or_default();
            let (account, kind) = (Some(found.account), Kind::Subscription(id));
            let found = "none of it".to_owned();
            let difference = Difference { account, kind, expected, found, parked: false };
            repair.note(difference, Done::Repaired);
        }
        for found in report.found {
            let kind = found.payment.parse().map(Kind::Stripe);
            let Ok(kind) = kind else { continue };
            let (expected, was) = (found.after.to_string(), found.before.to_string());
            let account = found.account;
            let difference = Difference { account, kind, expected, found: was, parked: false };
            repair.note(difference, Done::Repaired);
        }
        let mut found = of_stripe(context, stripe).await?;
        found.extend(subscriptions(context, stripe).await?);
        found.retain(|found| {
            !found.parked && only.is_none_or(|id| found.account.as_ref() == Some(id))
        });
        repair.ask(found).await?;
    }
    if !rehearsed {
        // What was repaired or frozen meanwhile is another state than the row has.
        let acted = repair.acts.iter().filter_map(|act| act.difference.account.clone());
        for id in acted.collect::<BTreeSet<_>>() {
            repair.directory(&id).await?;
        }
    }
    Ok(repair.acts)
}

struct Repair<'a> {
    context: &'a Context,
    told: BTreeMap<IntentId, Facts>,
    /// The mode of Stripe's key, if Stripe can be asked.
    live: Option<bool>,
    rehearsed: bool,
    acts: Vec<Act>,
}

impl Repair<'_> {
    async fn account(&mut self, id: &AccountId) -> Result<(), RepairError> {
        for _ in 0..ROUNDS {
            let mut found = account(self.context, id).await?;
            found.retain(|difference| !difference.parked);
            if found.is_empty() {
                return Ok(());
            }
            // A wrong charge is in its entry, and the balance is as the entries say: an operator
            // gives back what was too much.
            let is_charge = |difference: &Difference| {
                matches!(difference.kind, Kind::Price(_) | Kind::Limit(_))
            };
            if found.iter().all(is_charge) {
                found.into_iter().for_each(|difference| self.note(difference, Done::Left));
                return Ok(());
            }
            found.retain(|difference| !is_charge(difference));
            // What the entries say is not known in full: the version that knows them repairs.
            if found.iter().any(|difference| matches!(difference.kind, Kind::Unknown(_))) {
                found.into_iter().for_each(|difference| self.note(difference, Done::Left));
                return Ok(());
            }
            if self.rehearsed {
                for difference in found {
                    let done = rule(&difference.kind).map_or(Done::Parked, |_| Done::Repaired);
                    self.note(difference, done);
                }
                return Ok(());
            }
            if !self.mend(id, &found).await? {
                return self.park(id, found).await;
            }
        }
        let found = account(self.context, id).await?;
        self.park(id, found).await
    }

    /// Writes the row by which operators find the account as the account is now.
    async fn directory(&mut self, id: &AccountId) -> Result<(), RepairError> {
        let Some(difference) = directory_difference(self.context, id).await? else { return Ok(()) };
        let write = match &difference.kind {
            Kind::Directory { state: Some((state, seq)), found } => {
                directory::repaired(id, state.clone(), *seq, found)
            }
            Kind::Directory { state: None, found } => directory::removed(id, found),
            _ => unreachable!("only the row is compared"),
        };
        // A row that relay has written since it was read is right, too.
        if !self.rehearsed {
            self.context.store.commit(&write).await?;
        }
        self.note(difference, Done::Repaired);
        Ok(())
    }

    /// Applies the first rule that repairs something. False: no rule did.
    async fn mend(&mut self, id: &AccountId, found: &[Difference]) -> Result<bool, RepairError> {
        let rules: BTreeSet<u8> = found.iter().filter_map(|found| rule(&found.kind)).collect();
        for first in rules {
            let mut repaired = false;
            let concerned = found.iter().filter(|found| rule(&found.kind) == Some(first));
            for difference in concerned {
                if self.mend_one(id, &difference.kind).await? {
                    self.note(difference.clone(), Done::Repaired);
                    repaired = true;
                }
            }
            if repaired {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn mend_one(&self, id: &AccountId, kind: &Kind) -> Result<bool, RepairError> {
        let write = match kind {
            Kind::Account => return self.set_all_aside(id).await,
            Kind::Segment(segment) | Kind::Ahead(segment) => {
                repair::quarantine_segment((**segment).clone())
            }
            Kind::KeyAliasMissing(name) => operation::key_alias(name.clone()),
            Kind::KeyAliasDiffers { there, id } => {
                let mut name = there.clone();
                (name.replaces, name.id) = (Some(there.id), *id);
                operation::key_alias(name)
            }
            Kind::RecordAlone(receipt) => repair::quarantine_record(receipt.clone()),
            Kind::RecordMissing(entry) => match repair::receipt(id, entry) {
                Some(receipt) => Write::create(Row::IdempotencyRecord(receipt)),
                None => return Ok(false),
            },
            Kind::Returned(count) => repair::returned(id, count),
            Kind::Consumed { seq, action, off } => Write::account(AccountWrite {
                account: id.clone(),
                when: vec![Guard::SeqIs(*seq)],
                then: vec![Step::Consume(*action, -*off)],
            }),
            Kind::Used { seq, counter, credits, .. } => repair::used(id, *seq, *counter, *credits),
            Kind::OwnLimits { seq, own } => repair::own_limits(id, *seq, own),
            Kind::Day(day) => Write::row((**day).clone().write(id)),
            Kind::Followed { live, by } => {
                // The plan follows from there when Stripe is asked about all subscriptions.
                let Some(mode) = self.live.filter(|mode| live.is_none_or(|live| live == *mode))
                else {
                    return Ok(false);
                };
                let billing = self.context.store.billing(id, mode).await?;
                subscription::refollow(&billing, by.as_deref().cloned())
            }
            Kind::Payment { intent, order, .. } => return self.payment(id, intent, *order).await,
            Kind::Due(intent) | Kind::Mark(intent) => return self.due(id, intent).await,
            _ => return Ok(false),
        };
        match self.context.store.commit(&write).await {
            Ok(outcome) => Ok(matches!(outcome, Outcome::Done(_))),
            // The item cannot be read: that is a difference of its own.
            Err(StoreError::Broken { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Quarantines the segments, limits and idempotency records of a missing account, which can then be
    /// opened.
    async fn set_all_aside(&self, id: &AccountId) -> Result<bool, RepairError> {
        let (mut done, mut after) = (false, None);
        loop {
            let scan_part = self.context.store.scan_part(id, after.as_deref()).await?;
            for scanned in scan_part.scanned {
                let write = match scanned? {
                    ScannedRow::Segment(segment) => repair::quarantine_segment(segment),
                    ScannedRow::IdempotencyRecord(receipt) => repair::quarantine_record(receipt),
                    ScannedRow::Limits(own) => repair::quarantine_limits(id, own),
                    _ => continue,
                };
                let outcome = self.context.store.commit(&write).await?;
                done |= matches!(outcome, Outcome::Done(_));
            }
            after = scan_part.next;
            if after.is_none() {
                return Ok(done);
            }
        }
    }

    /// Repairs a payment that contradicts its account: the credits that the account got are a fact,
    /// and Stripe decides what is due beyond them.
    async fn payment(
        &self,
        id: &AccountId,
        intent: &IntentId,
        order: OperationId,
    ) -> Result<bool, RepairError> {
        let store = &self.context.store;
        let Some(facts) = self.told.get(intent) else { return Ok(false) };
        // Read before the account: a write in between changes this version.
        let version = store.payment(intent, self.context.clock.now()).await?.version;
        let again = account(self.context, id).await?.into_iter();
        let got = again.map(|found| found.kind).find_map(|kind| match kind {
            Kind::Payment { intent: other, got, .. } if other == *intent => Some(got),
            _ => None,
        });
        let Some(got) = got.filter(|_| version > 0 || facts.orders.contains(&order)) else {
            return Ok(false);
        };
        self.heard(intent, &Repaired { version, got }, facts).await
    }

    /// Gives or takes back what is due for a payment, or corrects its mark as parked.
    async fn due(&self, id: &AccountId, intent: &IntentId) -> Result<bool, RepairError> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        let payment = store.payment(intent, now).await?;
        let Some(order) = store.order_of(&payment).await? else { return Ok(false) };
        let (waits, is_marked) = (payment.is_parked(&order), store.is_marked(&payment).await?);
        if waits != is_marked {
            let parks = Some((waits, format!("{intent} of {id} was found by {REPAIR}")));
            let change = PaymentChange {
                payment,
                order: None,
                parks,
                lists: None,
                customer: None,
                change: None,
                auto: Vec::new(),
            };
            let outcome = store.commit(&change.write()).await?;
            return Ok(matches!(outcome, Outcome::Done(_)));
        }
        let Some(facts) = self.told.get(intent) else { return Ok(false) };
        let repaired = Repaired { version: payment.version, got: payment.applied };
        self.heard(intent, &repaired, facts).await
    }

    async fn heard(
        &self,
        intent: &IntentId,
        repaired: &Repaired,
        facts: &Facts,
    ) -> Result<bool, RepairError> {
        let heard = command::payment::repair(self.context, intent, repaired, facts).await;
        let heard = heard.map_err(RepairError::Failed)?;
        Ok(matches!(heard, NoticeOutcome::OrderUpdate(_)))
    }

    /// Parks the differences that no rule covers. Money becomes a question for an operator;
    /// anything else freezes the account, because its unknown part could be spent, or charged,
    /// twice.
    async fn park(&mut self, id: &AccountId, found: Vec<Difference>) -> Result<(), RepairError> {
        let (money, rest): (Vec<_>, Vec<_>) = found.into_iter().partition(|d| d.kind.is_of_money());
        self.ask(money).await?;
        if rest.is_empty() {
            return Ok(());
        }
        let done = match self.freeze(id, &rest).await {
            Ok(()) => Done::Parked,
            Err(failure) => {
                tracing::error!(account = id.as_str(), ?failure, "an account cannot be frozen");
                Done::Left
            }
        };
        rest.into_iter().for_each(|difference| self.note(difference, done));
        Ok(())
    }

    /// Parks questions about money for an operator.
    async fn ask(&mut self, found: Vec<Difference>) -> Result<(), RepairError> {
        for difference in found {
            let done = match keep(self.context, question(&difference, self.context)).await? {
                KeepOutcome::Kept | KeepOutcome::Known => Done::Parked,
                KeepOutcome::Full => Done::Left,
            };
            self.note(difference, done);
        }
        Ok(())
    }

    async fn freeze(&self, id: &AccountId, found: &[Difference]) -> Result<(), Failure> {
        let catalog = &*self.context.catalog().await;
        let words: BTreeSet<&str> = found.iter().map(|found| found.kind.name()).collect();
        let words = words.into_iter().collect::<Vec<_>>().join(", ");
        let explanation = Explanation { reason: format!("audit finds: {words}"), message: None };
        let account = self.context.store.account(id).await?;
        let seq = account.ok_or_else(|| Refusal::no_account(id))?.account.seq;
        let key: Key = format!("{REPAIR} after entry {seq}").parse().expect("printable");
        let content = plan::freeze_content(true, &explanation);
        let make = |account: Option<&Account>, now, operation| {
            let account = account.ok_or_else(|| Refusal::no_account(id))?;
            let freeze = plan::freeze;
            let change = freeze(account, true, &explanation, operation, catalog, Some(REPAIR), now);
            Ok(Made::Change(change))
        };
        let space = KeySpace::Repair;
        let frozen = command::receipted(self.context, catalog, id, space, &key, &content, &make);
        frozen.await.map(|_| ())
    }

    fn note(&mut self, difference: Difference, done: Done) {
        let act = Act { difference, done };
        if !self.rehearsed {
            act.log();
        }
        self.acts.push(act);
    }
}

/// The parked question that an operator reads. Once it is dismissed, the difference stays as it is.
fn question(difference: &Difference, context: &Context) -> UnreadEvent {
    let id = kept(&difference.kind, &difference.expected, &difference.found);
    let problem = difference.to_string();
    UnreadEvent { id, body: problem.clone(), problem, at: context.clock.now() }
}
