//! Payments: add paid credits to an account, take them back, and waive debts.
//!
//! A payment and its account are written together, and only if the payment is as it was read, so
//! its credits are never applied twice. How many credits of a payment are left depends on what is
//! spent meanwhile: taking back is a pending change, and the advance that follows finds out.

use super::history::Back;
use super::plan::entry;
use super::{
    AccountWrite, Expect, Field, Guard, IdempotencyRecord, Mark, Missing, PlacedPayment, Row,
    RowKey, RowWrite, Seen, Step, UnreadEvent, Write,
};
use crate::domain::account::ORDER_GRANTS;
use crate::domain::entry::{By, Explanation};
use crate::domain::orders::MAX_OPEN;
use crate::domain::payment::{
    Cause, CheckoutRequest, Customer, Decided, Facts, Mismatch, OPEN_FOR, Order, Payment, Verdict,
};
use crate::domain::tax::Priced;
use crate::domain::{
    Account, AccountId, Catalog, Credits, Debts, Entry, EntryKind, Gate, Grant, GrantId, GrantKind,
    Instant, Money, OperationId, Orders, PendingChange, Refusal,
};

/// An order of a pack, at the price and with the credits that the catalog offers now. `open`: the
/// open orders of the account.
///
/// # Errors
/// [`Refusal::UnknownPack`]; [`Refusal::InvalidRequest`] for a currency that it is not sold in;
/// [`Refusal::AccountFrozen`] and [`Refusal::PlanRequired`], for credits
/// that could not be used; [`Refusal::TooManyGrants`], [`Refusal::TooManyCheckouts`].
pub fn order(
    account: &Account,
    request: &CheckoutRequest,
    open: &[OperationId],
    id: OperationId,
    catalog: &Catalog,
    now: Instant,
) -> Result<Order, Refusal> {
    let CheckoutRequest { pack, currency, preferred, user, return_url, live } = request;
    let offered = catalog.sold_pack(pack)?;
    let price = match *currency {
        Some(currency) => offered.prices.in_currency(currency).ok_or_else(|| {
            let known: Vec<_> =
                offered.prices.all().map(|price| price.currency.to_string()).collect();
            Refusal::invalid("currency", format!("must be one of {}", known.join(", ")))
        })?,
        None => offered.prices.preferring(*preferred),
    };
    may_buy(account, offered.credits, now)?;
    if open.len() >= MAX_OPEN {
        let first = open.iter().map(OperationId::time).min().unwrap_or(now);
        return Err(Refusal::TooManyCheckouts { open: open.to_vec(), frees_at: first + OPEN_FOR });
    }
    Ok(Order {
        id,
        account: account.id.clone(),
        pack: pack.clone(),
        credits: offered.credits,
        price,
        tax: catalog.tax,
        expires_after_months: offered.expires_after_months,
        catalog: catalog.version,
        live: *live,
        user: user.clone(),
        return_url: return_url.clone(),
        customer: None,
        invoice: catalog.invoices,
        auto: false,
        at: now,
        url: None,
        intent: None,
        expired: false,
        from_invoice: None,
    })
}

/// Whether the account may buy `credits` now: whether it could use them.
///
/// # Errors
/// [`Refusal::AccountFrozen`], [`Refusal::PlanRequired`], [`Refusal::TooManyGrants`].
pub fn may_buy(account: &Account, credits: Credits, now: Instant) -> Result<(), Refusal> {
    let (required, available) = (credits, account.available);
    if account.gate.frozen {
        return Err(Refusal::AccountFrozen { required, available });
    }
    if account.gate.no_plan {
        return Err(Refusal::PlanRequired { required, available });
    }
    match account.grants_left(now) >= ORDER_GRANTS {
        true => Err(Refusal::TooManyGrants),
        false => Ok(()),
    }
}

/// The write of an order, once for its key, and only if no other order of the account was placed
/// since its orders were read.
pub fn place(order: Order, orders: &Orders, receipt: IdempotencyRecord) -> Write {
    let mut rows = placed(order, orders);
    rows.insert(0, RowWrite::Put(Row::IdempotencyRecord(receipt), Expect::Absent));
    Write { account: None, rows }
}

/// The write of an order, once, if its account's orders are as they were read.
pub fn list(order: Order, orders: &Orders) -> Write {
    Write { account: None, rows: placed(order, orders) }
}

/// The rows of an order, with its place among the latest of its account, which are as they were
/// read.
pub(super) fn placed(order: Order, orders: &Orders) -> Vec<RowWrite> {
    let read = match orders.version {
        0 => Expect::Absent,
        before => Expect::Is(Seen::Version(before)),
    };
    let orders = orders.with(order.id, order.at);
    let mut rows = vec![RowWrite::Put(Row::Orders(order.account.clone(), orders), read)];
    rows.extend(places(&order.account, order.at, order.id.to_string()));
    rows.push(RowWrite::Put(Row::Order(Box::new(order)), Expect::Absent));
    rows
}

/// The rows that list an order, or a payment that its order does not name. They hold keys alone, so
/// a row that is there is the same.
fn places(account: &AccountId, at: Instant, id: String) -> [RowWrite; 2] {
    let place = PlacedPayment { account: account.clone(), at, id };
    [Row::PaymentPlace(place.clone()), Row::AccountPaymentPlace(place)]
        .map(|row| RowWrite::Put(row, Expect::Any))
}

/// The credits that come back after their money had gone back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// How many of the credits that are due again had been taken back, or are owed.
    pub undone: Credits,
    /// How many of them arrive for the first time.
    pub arrives: Credits,
    pub back: Back,
}

/// The change of a payment, and of what depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentChange {
    /// The payment as it is to be. Its version is the one that was read, and the write counts it
    /// up.
    pub payment: Payment,
    /// The order that gets the payment's id.
    pub order: Option<OperationId>,
    /// Whether it begins (true) or ceases to wait for an operator, and the problem in one line.
    pub parks: Option<(bool, String)>,
    /// The account that begins to list it as a payment of its own: its order names another one.
    pub lists: Option<AccountId>,
    /// The Stripe customer to store for its buyer.
    pub customer: Option<Customer>,
    /// The write of its account.
    pub change: Option<AccountWrite>,
    /// The rows of its account's auto top-up that change with it.
    pub auto: Vec<RowWrite>,
}

/// The change after a payment notice or a decision about a payment. None: nothing is new.
///
/// `ordered` is the order and its account, as it was read; without an order there is no account.
/// `again`: what comes back of what was taken back before, if something may.
pub fn change(
    before: &Payment,
    after: Payment,
    ordered: Option<(&Order, &Account)>,
    again: Option<&Again>,
    operation: OperationId,
    now: Instant,
) -> Option<PaymentChange> {
    let mut payment = after;
    let (mut change, mut parks, mut learns, mut lists) = (None, None, None, None);
    if let Some((order, account)) = ordered {
        let due = payment.now_due(order, before.applied);
        let credits = (before.applied, due);
        let decided = payment.decided.as_ref().filter(|_| before.decided.is_none());
        let moved = (&payment, payment.facts.cause(&before.facts));
        change = apply((order, account), moved, credits, again, decided, (operation, now));
        payment.applied = due;
        let (was, is) = (before.version > 0 && before.is_parked(order), payment.is_parked(order));
        parks = (was != is).then(|| (is, why(&payment, order)));
        learns = order.intent.is_none().then_some(order.id);
        let is_second = order.intent.as_ref().is_some_and(|first| *first != payment.intent);
        lists = (is_second && before.order().is_none()).then(|| order.account.clone());
    }
    let news = payment != *before || change.is_some() || learns.is_some();
    let (order, customer, auto) = (learns, None, Vec::new());
    news.then_some(PaymentChange { payment, order, parks, lists, customer, change, auto })
}

/// The Stripe customer to store for the buyer of `order`, if there is none yet, by what is new
/// about a payment. A parked payment stores none: it may be another buyer's.
pub fn customer(before: &Payment, after: &Payment, order: &Order) -> Option<Customer> {
    let id = after.facts.customer.clone().filter(|_| !after.is_parked(order))?;
    let news = order.intent.is_none() || before.facts.customer.is_none();
    let (account, subject, live) = (order.account.clone(), order.user.clone()?, order.live);
    news.then_some(Customer { account, subject, live, id })
}

/// The write of a payment as it is: what it gave was read from its account.
pub fn as_is(payment: &Payment) -> PaymentChange {
    PaymentChange {
        payment: payment.clone(),
        order: None,
        parks: None,
        lists: None,
        customer: None,
        change: None,
        auto: Vec::new(),
    }
}

impl PaymentChange {
    /// The write of the payment, if it is as it was read, with its order, its mark, the customer
    /// and the account.
    pub fn write(self) -> Write {
        let PaymentChange { payment, order, parks, lists, customer, change, auto } = self;
        let (intent, at) = (payment.intent.clone(), payment.at);
        let read = match payment.version {
            0 => Expect::Absent,
            before => Expect::Is(Seen::Version(before)),
        };
        let mut rows = vec![RowWrite::Put(Row::Payment(Box::new(payment)), read)];
        if let Some(order) = order {
            let learns = Field::Intent(intent.clone());
            rows.push(RowWrite::Set(RowKey::Order(order), learns, Expect::Lacks(Missing::Intent)));
        }
        if let Some((begins, problem)) = parks {
            rows.push(RowWrite::mark(Mark { at, id: intent.to_string(), problem }, begins));
        }
        if let Some(account) = lists {
            rows.extend(places(&account, at, intent.to_string()));
        }
        if let Some(customer) = customer {
            let (account, id) = (customer.account.clone(), customer.id.clone());
            rows.push(RowWrite::Put(Row::CustomerAccount(account, id), Expect::Any));
            rows.push(RowWrite::Put(Row::Customer(customer), Expect::Absent));
        }
        rows.extend(auto);
        Write { account: change, rows }
    }
}

/// Keeps an event that cannot be read, if it was not kept before, with its mark.
pub fn keep(event: UnreadEvent) -> Write {
    let mark = Mark { at: event.at, id: event.id.clone(), problem: event.problem.clone() };
    let put = RowWrite::Put(Row::Event(event), Expect::Absent);
    Write { account: None, rows: vec![put, RowWrite::mark(mark, true)] }
}

/// Records an operator's decision about a kept event, once, and deletes its mark.
pub fn decide_event(event: UnreadEvent, decided: Decided) -> Write {
    let UnreadEvent { id, at, problem, .. } = event;
    let (key, decision) = (RowKey::Event(id.clone()), Field::Decision(decided));
    let set = RowWrite::Set(key, decision, Expect::Lacks(Missing::Decision));
    Write { account: None, rows: vec![set, RowWrite::mark(Mark { at, id, problem }, false)] }
}

/// The write that adds the credits that are due beyond `before`, or takes back those that are not
/// due any more. `decided`: what an operator decided, if that is why.
fn apply(
    (order, account): (&Order, &Account),
    (payment, cause): (&Payment, Cause),
    (before, due): (Credits, Credits),
    again: Option<&Again>,
    decided: Option<&Decided>,
    (operation, now): (OperationId, Instant),
) -> Option<AccountWrite> {
    let credits = due - before;
    let moves = payment.moves(before, due);
    let grant = GrantId::Operation(payment.grant(order));
    let expires_at = Some(order.expires_at());
    let mut available = Credits::ZERO;
    let (when, steps, kind) = if credits > Credits::ZERO {
        let whole = Grant::new(grant, GrantKind::Purchased, order.credits, order.at, expires_at);
        let arrives = again.map_or(moves, |again| again.arrives);
        let arrived = || PendingChange::Grant { grant: Grant { left: arrives, ..whole }, at: now };
        let (mut when, mut steps) = (Vec::new(), Vec::new());
        let (mut undone, mut moved, mut unowed) = (Credits::ZERO, Vec::new(), Debts::NONE);
        available = arrives;
        match again {
            None => steps.push(Step::AddPending(vec![arrived()])),
            Some(Again { undone: credits, back, .. }) => {
                let arrived = (!arrives.is_zero()).then(arrived);
                (when, steps) = back.give(account, arrived);
                when.extend([Guard::ValidAt(now), Guard::AdvancedIs(account.advanced_seq)]);
                undone = *credits;
                available += back.burn_order.left();
                (moved, unowed) = back.told();
            }
        }
        when.push(Guard::RoomFor(1));
        steps.push(Step::Add(available));
        let (order, cause) = (order.id, (!undone.is_zero()).then_some(cause));
        let kind =
            EntryKind::ToppedUp { order, cause, due, grant, expires_at, undone, moved, unowed };
        (when, steps, kind)
    } else if credits < Credits::ZERO {
        let back = PendingChange::TakenBack { grant, credits: -moves, cause, at: now };
        let kind = EntryKind::Reversed { order: order.id, cause, due, credits: -credits };
        // The pending change is dated, so the burn order must still be valid: no turn lies between.
        (vec![Guard::ValidAt(now), Guard::RoomFor(1)], vec![Step::AddPending(vec![back])], kind)
    } else {
        return None;
    };
    let mut entry = Entry {
        available,
        reference: Some(payment.intent.to_string()),
        message: decided.and_then(|decided| decided.explanation.message.clone()),
        actor: decided.and_then(|decided| decided.actor.clone()),
        ..Entry::new(operation, now, order.catalog, kind)
    };
    if entry.by() == By::User {
        entry.user = order.user.clone();
    }
    let then = [steps, vec![Step::Append(entry)]].concat();
    Some(AccountWrite { account: account.id.clone(), when, then })
}

/// The problem of a parked payment, in one line for an operator.
pub fn why(payment: &Payment, order: &Order) -> String {
    let wrong: Vec<&str> = payment.mismatches(order).into_iter().map(Mismatch::name).collect();
    let paid: Vec<String> = payment.facts.paid.iter().map(Money::to_string).collect();
    let paid = if paid.is_empty() { "nothing".to_owned() } else { paid.join(" and ") };
    let said = payment.facts.priced.iter().map(|Priced { price, tax_minor }| {
        let tax = Money { minor: *tax_minor, ..*price };
        format!(", price {price} and tax {tax} by its session")
    });
    let (account, price) = (&order.account, order.price);
    let (wrong, said) = (wrong.join(", "), String::from_iter(said));
    format!("{wrong}: order {} of {account} at {price}, paid {paid}{said}", order.id)
}

/// A payment with more facts added.
pub fn told(before: &Payment, facts: Facts) -> Payment {
    let mut after = before.clone();
    after.facts.join(facts);
    after
}

/// A parked payment with an operator's decision; with the same decision again, the payment as it
/// is.
///
/// # Errors
/// [`Refusal::PaymentNotParked`]; [`Refusal::PaymentAmbiguous`] if it is to be released and names
/// more than one order.
pub fn decided(before: &Payment, order: &Order, decided: Decided) -> Result<Payment, Refusal> {
    match &before.decided {
        Some(known) if known.is_again(&decided) => Ok(before.clone()),
        _ if !before.is_parked(order) => Err(Refusal::PaymentNotParked),
        _ if decided.verdict == Verdict::Released && before.facts.orders.len() > 1 => {
            Err(Refusal::PaymentAmbiguous)
        }
        _ => Ok(Payment { decided: Some(decided), ..before.clone() }),
    }
}

/// A waiver in one line, for its idempotency record.
pub fn waive_content(explanation: &Explanation) -> String {
    format!("waive {}", explanation.content())
}

/// Waives an account's debt, with a reason.
///
/// # Errors
/// [`Refusal::NoDebt`].
pub fn waive(
    account: &Account,
    explanation: &Explanation,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> Result<AccountWrite, Refusal> {
    let id: &AccountId = &account.id;
    let stale = account.valid_until <= now;
    // A pending change may become a debt: then an advance comes first, and this runs again.
    if account.debts.is_empty() && !stale {
        return Err(Refusal::NoDebt);
    }
    let kind = EntryKind::DebtWaived { debts: account.debts.clone() };
    let entry = entry(kind, operation, catalog, actor, Some(explanation), now);
    let when = vec![
        Guard::ValidAt(now),
        Guard::DebtsAre(account.debts.clone()),
        Guard::GateIs(account.gate),
        Guard::RoomFor(1),
    ];
    let then = vec![
        Step::SetDebts(Debts::NONE),
        Step::SetGate(Gate { in_debt: false, ..account.gate }),
        // An advance follows, so a history that goes back from advance to advance reads this entry.
        Step::Outdate,
        Step::Append(entry),
    ];
    Ok(AccountWrite { account: id.clone(), when, then })
}
