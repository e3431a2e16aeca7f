//! The items of payments, and of payments and events that wait for an operator.
//!
//! They are rare and never hot, so they hold JSON that a person can read.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::Select;
use serde::{Deserialize, Serialize};

use super::item::{self, Attributes, Item};
use super::table::{
    ACCOUNT, PARKED, SORT, customer_account_key, customer_key, event_key, ledger, payment_key,
    place_key,
};
use super::{MAX_KEY_BYTES, Store, StoreError, Stored};
use crate::decide::{Mark, UnreadEvent};
use crate::domain::entry::Explanation;
use crate::domain::instant::Span;
use crate::domain::payment::{
    Customer, Decided, Dispute, DisputeStage, Facts, IntentId, Payment, Refund, RefundStage,
    Verdict,
};
use crate::domain::tax::Priced;
use crate::domain::{AccountId, Credits, Instant, Money, OperationId};

/// A payment without a known order is kept for this long. Stripe also sells things that are not
/// ours; `reconcile` reports ours again for 30 days.
const FOREIGN: Span = Span::from_s(40 * 86_400);
/// How many parked payments and events one listing returns.
const LISTED: i32 = 100;

/// A place in a listing of payments: the time and the id of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentPlace {
    pub at: Instant,
    pub id: String,
}

impl Store {
    /// The payment; a new one if there was no notice of it yet.
    pub async fn payment(&self, intent: &IntentId, now: Instant) -> Stored<Payment> {
        match self.ledger_item(&payment_key(intent), ledger::PAYMENT).await? {
            Some(item) => read_payment(&item, intent),
            None => Ok(Payment::new(intent.clone(), now)),
        }
    }

    /// Stripe's id of a buyer who has paid for this account before.
    pub async fn customer(
        &self,
        account: &AccountId,
        subject: &str,
        live: bool,
    ) -> Stored<Option<String>> {
        let item = self.ledger_item(account.as_str(), &customer_key(subject, live)).await?;
        let Some(item) = item else { return Ok(None) };
        let row = Attributes::of("ledger", &item);
        match row.text(ledger::KEY)? == subject {
            true => Ok(Some(row.text(ledger::TEXT)?.to_owned())),
            false => Err(row.broken(ledger::KEY, "is another subject of the same hash")),
        }
    }

    /// An event that was kept because it could not be read, and the decision of an operator, if
    /// there was one.
    pub async fn event(&self, id: &str) -> Stored<Option<(UnreadEvent, Option<Decided>)>> {
        let key = event_key(id);
        if key.len() > MAX_KEY_BYTES {
            return Ok(None);
        }
        let Some(item) = self.ledger_item(&key, ledger::EVENT).await? else { return Ok(None) };
        let row = Attributes::of("ledger", &item);
        let event = UnreadEvent {
            id: id.to_owned(),
            body: row.text(ledger::TEXT)?.to_owned(),
            problem: row.text(ledger::CONTENT)?.to_owned(),
            at: row.instant(ledger::AT)?,
        };
        if !item.contains_key(ledger::DECIDED) {
            return Ok(Some((event, None)));
        }
        let decided = parsed::<DecidedText>(&row, ledger::DECIDED)?.decided();
        let decided = decided.ok_or_else(|| row.broken(ledger::DECIDED, "is not a decision"))?;
        Ok(Some((event, Some(decided))))
    }

    /// The payments and events that wait for an operator, the oldest first: up to 100 after
    /// `after`, and the position after which there are more.
    pub async fn parked(
        &self,
        after: Option<&PaymentPlace>,
    ) -> Stored<(Vec<Mark>, Option<PaymentPlace>)> {
        let key = after.map(|after| {
            let key = [(ACCOUNT, PARKED.to_owned()), (SORT, place_key(after.at, &after.id))];
            Item::from(key.map(|(name, value)| (name.to_owned(), item::text(value))))
        });
        let query = self.parked_query().set_exclusive_start_key(key).limit(LISTED + 1);
        let got = Box::pin(query.send()).await.map_err(StoreError::of)?;
        let mut parked = got.items().iter().map(read_mark).collect::<Stored<Vec<_>>>()?;
        let more = parked.len() > LISTED as usize;
        parked.truncate(LISTED as usize);
        let last = parked.last().map(|last| PaymentPlace { at: last.at, id: last.id.clone() });
        Ok((parked, last.filter(|_| more)))
    }

    /// How many payments and events wait for an operator: one query counts up to `most`.
    pub async fn count_parked(&self, most: i32) -> Stored<i32> {
        let query = self.parked_query().limit(most).select(Select::Count);
        Ok(Box::pin(query.send()).await.map_err(StoreError::of)?.count())
    }

    fn parked_query(&self) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let query = self.client.query().table_name(&self.tables.ledger).consistent_read(true);
        let query = query.key_condition_expression("a = :parked");
        query.expression_attribute_values(":parked", item::text(PARKED))
    }
}

// ---------------------------------------------------------------- items

pub(super) fn payment_item(payment: &Payment) -> Item {
    let item = [
        (ACCOUNT, item::text(payment_key(&payment.intent))),
        (SORT, item::text(ledger::PAYMENT)),
        (ledger::VERSION, item::number(payment.version + 1)),
        (ledger::TEXT, item::text(json(&PaymentText::of(payment)))),
    ];
    let mut item = Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)));
    if payment.facts.orders.is_empty() {
        let gone_s = (payment.at + FOREIGN).ms() / 1000;
        item.insert(ledger::DELETE_AT_S.to_owned(), item::number(gone_s));
    }
    item
}

fn read_payment(item: &Item, intent: &IntentId) -> Stored<Payment> {
    let row = Attributes::of("ledger", item);
    let text: PaymentText = parsed(&row, ledger::TEXT)?;
    let version = row.number(ledger::VERSION)?;
    text.payment(intent, version).ok_or_else(|| row.broken(ledger::TEXT, "is not a payment"))
}

pub(super) fn customer_item(customer: &Customer) -> Item {
    let item = [
        (ACCOUNT, item::text(customer.account.as_str())),
        (SORT, item::text(customer_key(&customer.subject, customer.live))),
        (ledger::KEY, item::text(&customer.subject)),
        (ledger::TEXT, item::text(&customer.id)),
    ];
    Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)))
}

pub(super) fn customer_account_item(account: &AccountId, id: &str) -> Item {
    let item = [
        (ACCOUNT, item::text(customer_account_key(id))),
        (SORT, item::text(ledger::CUSTOMER)),
        (ledger::OF, item::text(account.as_str())),
    ];
    Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)))
}

pub(super) fn event_item(event: &UnreadEvent) -> Item {
    let item = [
        (ACCOUNT, item::text(event_key(&event.id))),
        (SORT, item::text(ledger::EVENT)),
        (ledger::TEXT, item::text(&event.body)),
        (ledger::CONTENT, item::text(&event.problem)),
        (ledger::AT, item::number(event.at.ms())),
    ];
    Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)))
}

pub(super) fn mark_item(mark: &Mark) -> Item {
    let key = place_key(mark.at, &mark.id);
    let item = [(ACCOUNT, PARKED), (SORT, &key), (ledger::CONTENT, &mark.problem)];
    Item::from_iter(item.map(|(name, value)| (name.to_owned(), item::text(value))))
}

/// An operator's decision, as it is stored.
pub(super) fn decision(decided: &Decided) -> String {
    json(&DecidedText::of(decided))
}

fn read_mark(item: &Item) -> Stored<Mark> {
    let row = Attributes::of("ledger", item);
    let key = row.text(SORT)?.split_once('#');
    let key = key.and_then(|(at, id)| Some((at.parse().ok()?, id)));
    let (at_ms, id) = key.ok_or_else(|| row.broken(SORT, "is not a mark"))?;
    let problem = row.text(ledger::CONTENT)?.to_owned();
    Ok(Mark { id: id.to_owned(), at: Instant::from_ms(at_ms), problem })
}

pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values")
}

pub(super) fn parsed<T: for<'a> Deserialize<'a>>(row: &Attributes<'_>, name: &str) -> Stored<T> {
    serde_json::from_str(row.text(name)?).map_err(|e| row.broken(name, e))
}

/// A currency, and an amount in its smallest unit.
pub(super) type Amount = (String, u64);

pub(super) fn amount(money: Money) -> Amount {
    (money.currency.to_string(), money.minor)
}

pub(super) fn money((currency, minor): &Amount) -> Option<Money> {
    Some(Money { currency: currency.parse().ok()?, minor: *minor })
}

#[derive(Serialize, Deserialize)]
struct DecidedText {
    verdict: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    actor: Option<String>,
    at_ms: i64,
}

impl DecidedText {
    fn of(decided: &Decided) -> DecidedText {
        DecidedText {
            verdict: decided.verdict.name().to_owned(),
            reason: decided.explanation.reason.clone(),
            message: decided.explanation.message.clone(),
            actor: decided.actor.clone(),
            at_ms: decided.at.ms(),
        }
    }

    fn decided(self) -> Option<Decided> {
        let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.name() == self.verdict)?;
        let at = Instant::from_ms(self.at_ms);
        let explanation = Explanation { reason: self.reason, message: self.message };
        Some(Decided { verdict, explanation, actor: self.actor, at })
    }
}

/// The facts of a payment; for each refund and dispute, its stage and its amount.
#[derive(Serialize, Deserialize)]
struct PaymentText {
    orders: Vec<String>,
    accounts: BTreeSet<String>,
    modes: BTreeSet<bool>,
    submitted: bool,
    failed: bool,
    paid: Vec<Amount>,
    /// Of sessions with tax: the price, and the tax in its smallest unit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    priced: Vec<(Amount, u64)>,
    returned: BTreeMap<String, Amount>,
    refunds: BTreeMap<String, (String, Amount)>,
    disputes: BTreeMap<String, (String, Amount)>,
    receipt: Option<String>,
    customer: Option<String>,
    applied_micro: i64,
    used_micro: Option<i64>,
    decided: Option<DecidedText>,
    at_ms: i64,
}

impl PaymentText {
    fn of(payment: &Payment) -> PaymentText {
        let facts = payment.facts.clone();
        let refunds = facts
            .refunds
            .into_iter()
            .map(|(id, refund)| (id, (refund.stage.name().to_owned(), amount(refund.money))));
        let disputes = facts
            .disputes
            .into_iter()
            .map(|(id, dispute)| (id, (dispute.stage.name().to_owned(), amount(dispute.money))));
        PaymentText {
            orders: facts.orders.iter().map(OperationId::to_string).collect(),
            accounts: facts.accounts,
            modes: facts.modes,
            submitted: facts.submitted,
            failed: facts.failed,
            paid: facts.paid.into_iter().map(amount).collect(),
            priced: facts.priced.iter().map(|said| (amount(said.price), said.tax_minor)).collect(),
            returned: facts.returned.into_iter().map(|(id, money)| (id, amount(money))).collect(),
            refunds: refunds.collect(),
            disputes: disputes.collect(),
            receipt: facts.receipt,
            customer: facts.customer,
            applied_micro: payment.applied.micro(),
            used_micro: payment.used.map(Credits::micro),
            decided: payment.decided.as_ref().map(DecidedText::of),
            at_ms: payment.at.ms(),
        }
    }

    /// None if it holds an unknown word or id.
    fn payment(self, intent: &IntentId, version: u64) -> Option<Payment> {
        let orders = self.orders.iter().map(|id| OperationId::parse(id));
        let refunds = self.refunds.into_iter().map(|(id, (stage, amount))| {
            let (stage, money) = (RefundStage::named(&stage)?, money(&amount)?);
            Some((id, Refund { stage, money }))
        });
        let disputes = self.disputes.into_iter().map(|(id, (stage, amount))| {
            let (stage, money) = (DisputeStage::named(&stage)?, money(&amount)?);
            Some((id, Dispute { stage, money }))
        });
        let returned = self.returned.into_iter().map(|(id, amount)| Some((id, money(&amount)?)));
        let priced = self
            .priced
            .iter()
            .map(|(price, tax_minor)| Some(Priced { price: money(price)?, tax_minor: *tax_minor }));
        let decided = match self.decided {
            Some(decided) => Some(decided.decided()?),
            None => None,
        };
        let facts = Facts {
            orders: orders.collect::<Option<_>>()?,
            accounts: self.accounts,
            modes: self.modes,
            submitted: self.submitted,
            failed: self.failed,
            paid: self.paid.iter().map(money).collect::<Option<_>>()?,
            priced: priced.collect::<Option<_>>()?,
            returned: returned.collect::<Option<_>>()?,
            refunds: refunds.collect::<Option<_>>()?,
            disputes: disputes.collect::<Option<_>>()?,
            receipt: self.receipt,
            customer: self.customer,
        };
        let applied = Credits::from_micro(self.applied_micro);
        let at = Instant::from_ms(self.at_ms);
        let used = self.used_micro.map(Credits::from_micro);
        Some(Payment { intent: intent.clone(), facts, applied, used, decided, version, at })
    }
}
