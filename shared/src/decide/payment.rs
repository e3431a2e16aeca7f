//! Payments: what an account gets for one, what is taken back of it, and debts that are waived.
//!
//! A payment and its account are written together, and only if the payment is as it was read, so the
//! credits that are applied are never applied twice. What is left of the credits of a payment depends
//! on what is spent meanwhile: taking back is a note, and the advance that follows finds out.

use super::history::Back;
use super::plan::entry;
use super::{
    AccountWrite, Expect, Field, Guard, IdempotencyRecord, Mark, Missing, Row, RowKey, RowWrite,
    Seen, Step, UnreadEvent, Write,
};
use crate::domain::account::ORDER_GRANTS;
use crate::domain::entry::{By, Explanation};
use crate::domain::orders::MAX_OPEN;
use crate::domain::payment::{
    Cause, CheckoutRequest, Customer, Decided, Facts, Mismatch, OPEN_FOR, Order, Payment, Verdict,
};
use crate::domain::{
    Account, AccountId, Catalog, Credits, Debts, Entry, EntryKind, Gate, Grant, GrantId, GrantKind,
    Instant, Money, OperationId, Orders, PendingChange, Refusal,
};

/// An order of a pack, at the price and with the credits that the catalog offers now. `open`: the
/// orders of the account that are open.
///
/// # Errors
/// [`Refusal::UnknownPack`]; [`Refusal::AccountFrozen`] and [`Refusal::PlanRequired`], for credits
/// that could not be used; [`Refusal::TooManyGrants`], [`Refusal::TooManyCheckouts`].
pub fn order(
    account: &Account,
    request: &CheckoutRequest,
    open: &[OperationId],
    id: OperationId,
    catalog: &Catalog,
    now: Instant,
) -> Result<Order, Refusal> {
    let CheckoutRequest { pack, user, return_url, live } = request;
    let offered = catalog.sold_pack(pack)?;
    let (required, available) = (offered.credits, account.available);
    if account.gate.frozen {
        return Err(Refusal::AccountFrozen { required, available });
    }
    if account.gate.no_plan {
        return Err(Refusal::PlanRequired { required, available });
    }
    if account.grants_left(now) >= ORDER_GRANTS {
        return Err(Refusal::TooManyGrants);
    }
    if open.len() >= MAX_OPEN {
        let first = open.iter().map(OperationId::time).min().unwrap_or(now);
        return Err(Refusal::TooManyCheckouts { open: open.to_vec(), frees_at: first + OPEN_FOR });
    }
    Ok(Order {
        id,
        account: account.id.clone(),
        pack: pack.clone(),
        credits: offered.credits,
        price: offered.price,
        expires_after_months: offered.expires_after_months,
        catalog: catalog.version,
        live: *live,
        user: user.clone(),
        return_url: return_url.clone(),
        customer: None,
        invoice: catalog.invoices,
        at: now,
        url: None,
        intent: None,
        expired: false,
    })
}

/// The write of an order, once for its key, and only while no other order of the account was placed
/// since its orders were read.
pub fn place(order: Order, orders: &Orders, receipt: IdempotencyRecord) -> Write {
    let read = match orders.version {
        0 => Expect::Absent,
        before => Expect::Is(Seen::Version(before)),
    };
    let orders = orders.with(order.id, order.at);
    let rows = vec![
        RowWrite::Put(Row::IdempotencyRecord(receipt), Expect::Absent),
        RowWrite::Put(Row::Orders(order.account.clone(), orders), read),
        RowWrite::Put(Row::Order(Box::new(order)), Expect::Absent),
    ];
    Write { account: None, rows }
}

/// What comes back of credits whose money had gone back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// How many of those that are due again had been taken back, or are owed.
    pub undone: Credits,
    /// How many of them arrive for the first time.
    pub arrives: Credits,
    pub back: Back,
}

/// A payment as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentChange {
    /// As it is to be. Its version is the one that was read, and is counted on by the write.
    pub payment: Payment,
    /// The order that learns of it.
    pub order: Option<OperationId>,
    /// Whether it begins (true) or ceases to wait for an operator, with what there is to know.
    pub parks: Option<(bool, String)>,
    /// The customer that its buyer gets to be known as.
    pub customer: Option<Customer>,
    /// What becomes of its account.
    pub change: Option<AccountWrite>,
}

/// What to write after something was said about a payment, or decided about it. None: nothing is new.
///
/// `ordered` is the order and its account, as it was read; without an order there is none. `again`: what
/// comes back of what was taken back before, if something may.
pub fn change(
    before: &Payment,
    after: Payment,
    ordered: Option<(&Order, &Account)>,
    again: Option<&Again>,
    operation: OperationId,
    now: Instant,
) -> Option<PaymentChange> {
    let mut payment = after;
    let (mut change, mut parks, mut learns) = (None, None, None);
    if let Some((order, account)) = ordered {
        let due = payment.now_due(order, before.applied);
        let credits = (before.applied, due);
        let decided = payment.decided.as_ref().filter(|_| before.decided.is_none());
        let message = decided.and_then(|decided| decided.explanation.message.clone());
        let moved = (&payment, payment.facts.cause(&before.facts));
        change = apply((order, account), moved, credits, again, message, (operation, now));
        payment.applied = due;
        let (was, is) = (before.version > 0 && before.is_parked(order), payment.is_parked(order));
        parks = (was != is).then(|| (is, why(&payment, order)));
        learns = order.intent.is_none().then_some(order.id);
    }
    let news = payment != *before || change.is_some() || learns.is_some();
    news.then_some(PaymentChange { payment, order: learns, parks, customer: None, change })
}

/// The customer that who ordered gets to be known as by what is new about a payment, if there is none
/// yet. What is parked may be somebody else's.
pub fn customer(before: &Payment, after: &Payment, order: &Order) -> Option<Customer> {
    let id = after.facts.customer.clone().filter(|_| !after.is_parked(order))?;
    let news = order.intent.is_none() || before.facts.customer.is_none();
    let (account, subject, live) = (order.account.clone(), order.user.clone()?, order.live);
    news.then_some(Customer { account, subject, live, id })
}

/// A payment written as it is: what it gave was read from its account.
pub fn as_is(payment: &Payment) -> PaymentChange {
    PaymentChange {
        payment: payment.clone(),
        order: None,
        parks: None,
        customer: None,
        change: None,
    }
}

impl PaymentChange {
    /// The write: the payment if it is as it was read, and with it its order, its mark, the customer
    /// and the account.
    pub fn write(self) -> Write {
        let PaymentChange { payment, order, parks, customer, change } = self;
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
        if let Some(customer) = customer {
            rows.push(RowWrite::Put(Row::Customer(customer), Expect::Absent));
        }
        Write { account: change, rows }
    }
}

/// An event kept because it cannot be read, if it was not kept before, and its mark.
pub fn keep(event: UnreadEvent) -> Write {
    let mark = Mark { at: event.at, id: event.id.clone(), problem: event.problem.clone() };
    let put = RowWrite::Put(Row::Event(event), Expect::Absent);
    Write { account: None, rows: vec![put, RowWrite::mark(mark, true)] }
}

/// What an operator decided about an event that was kept, once; its mark goes.
pub fn decide_event(event: UnreadEvent, decided: Decided) -> Write {
    let UnreadEvent { id, at, problem, .. } = event;
    let (key, decision) = (RowKey::Event(id.clone()), Field::Decision(decided));
    let set = RowWrite::Set(key, decision, Expect::Lacks(Missing::Decision));
    Write { account: None, rows: vec![set, RowWrite::mark(Mark { at, id, problem }, false)] }
}

/// What the account gets (more than nothing) or what is taken back of it (less). `message`: what the
/// customer reads of it, if it is by an operator's decision.
fn apply(
    (order, account): (&Order, &Account),
    (payment, cause): (&Payment, Cause),
    (before, due): (Credits, Credits),
    again: Option<&Again>,
    message: Option<String>,
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
        // The note is dated, so the burn order must still be valid: no turn lies between the two.
        (vec![Guard::ValidAt(now), Guard::RoomFor(1)], vec![Step::AddPending(vec![back])], kind)
    } else {
        return None;
    };
    let mut entry = Entry {
        available,
        reference: Some(payment.intent.to_string()),
        message,
        ..Entry::new(operation, now, order.catalog, kind)
    };
    if entry.by() == By::User {
        entry.user = order.user.clone();
    }
    let then = [steps, vec![Step::Append(entry)]].concat();
    Some(AccountWrite { account: account.id.clone(), when, then })
}

/// What is wrong with a parked payment, in one line for an operator.
fn why(payment: &Payment, order: &Order) -> String {
    let wrong: Vec<&str> = payment.mismatches(order).into_iter().map(Mismatch::name).collect();
    let paid: Vec<String> = payment.facts.paid.iter().map(Money::to_string).collect();
    let paid = if paid.is_empty() { "nothing".to_owned() } else { paid.join(" and ") };
    let (account, price) = (&order.account, order.price);
    format!("{}: order {} of {account} at {price}, paid {paid}", wrong.join(", "), order.id)
}

/// A payment with more said about it.
pub fn told(before: &Payment, facts: Facts) -> Payment {
    let mut after = before.clone();
    after.facts.join(facts);
    after
}

/// A parked payment with what an operator decided.
///
/// # Errors
/// [`Refusal::PaymentNotParked`]; [`Refusal::PaymentAmbiguous`] if it is to be released and names more
/// than one order.
pub fn decided(before: &Payment, order: &Order, decided: Decided) -> Result<Payment, Refusal> {
    match before.is_parked(order) {
        false => Err(Refusal::PaymentNotParked),
        true if decided.verdict == Verdict::Released && before.facts.orders.len() > 1 => {
            Err(Refusal::PaymentAmbiguous)
        }
        true => Ok(Payment { decided: Some(decided), ..before.clone() }),
    }
}

/// A waiver in one line, for its receipt.
pub fn waive_content(explanation: &Explanation) -> String {
    format!("waive {}", explanation.content())
}

/// Lets an account off its debt, with a reason.
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
    // What is not advanced yet may be a debt: then it is advanced first, and this is asked again.
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
        // The next burn order begins here: who goes back through the ledger by its advances comes by.
        Step::Outdate,
        Step::Append(entry),
    ];
    Ok(AccountWrite { account: id.clone(), when, then })
}
