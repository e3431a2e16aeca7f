//! Auto top-up: buys a pack with a saved card when few credits are left, as a customer consented.
//!
//! One row of the ledger holds the setting, the claim and what was charged in the month. Each
//! change of it is on the condition that it is as it was read. So an account has one claim at most,
//! and the claims of a month that did not fail are never more than the customer allows.

use super::payment::{PaymentChange, order, placed};
use super::{AccountWrite, Expect, Guard, Row, RowKey, RowWrite, Seen, Step, Write};
use crate::domain::auto_top_up::{
    AutoTopUp, Card, Claim, Consent, Crossing, Ended, Failed, MAX_DECLINES, Month, News, OffReason,
    SETTLE_AFTER, State, Terms,
};
use crate::domain::payment::CheckoutRequest;
use crate::domain::period;
use crate::domain::refusal::FieldProblem;
use crate::domain::{
    Account, Catalog, Credits, Instant, Money, OperationId, Order, Orders, Refusal, Tax,
};

/// The words to which a customer consents, for exactly these terms.
///
/// # Errors
/// [`Refusal::UnknownPack`]; [`Refusal::InvalidRequest`] names each field that does not fit the
/// pack: a pack has to take the account to the threshold, and the month has to allow one.
pub fn words(terms: &Terms, catalog: &Catalog) -> Result<String, Refusal> {
    let Terms { below, pack, at_most } = terms;
    let offered = catalog.sold_pack(pack)?;
    let credits = offered.credits;
    let price = offered.prices.in_currency(at_most.currency).unwrap_or(offered.prices.first());
    let mut fields = Vec::new();
    if *below > credits {
        let problem = format!("must be at most the {credits} credits of the pack");
        fields.push(FieldProblem::new("below", problem));
    }
    if at_most.currency != price.currency {
        let known: Vec<_> = offered.prices.all().map(|price| price.currency.to_string()).collect();
        let problem = format!("must be one of {}", known.join(", "));
        fields.push(FieldProblem::new("currency", problem));
    } else if at_most.minor < price.minor {
        let problem = format!("must be at least the price of the pack: {}", price.minor);
        fields.push(FieldProblem::new("at_most_minor", problem));
    }
    match fields.is_empty() {
        true => Ok(format!(
            "When fewer than {below} credits are left, buy the pack {pack} at its price of that \
             day (today {credits} credits for {price}) and charge the card that I save for this. \
             Charge at most {at_most} in a calendar month (UTC), taxes included. I can switch \
             this off at any time."
        )),
        false => Err(Refusal::InvalidRequest { fields }),
    }
}

/// The write of a new consent. It keeps the card that the same person saved, as long as it is on.
pub fn set(
    before: Option<&AutoTopUp>,
    account: &Account,
    consent: Consent,
    now: Instant,
) -> (AutoTopUp, Write) {
    let same_payer =
        |known: &&AutoTopUp| known.consent.by == consent.by && known.consent.live == consent.live;
    let card = before.filter(same_payer).and_then(AutoTopUp::card);
    let state = card.cloned().map_or(State::NeedsCard, State::On);
    let known = before.cloned().unwrap_or_else(|| AutoTopUp {
        account: account.id.clone(),
        consent: consent.clone(),
        state: State::NeedsCard,
        set: 0,
        claim: None,
        ended: None,
        month: Month { from: period::month(now).start, ..Month::default() },
        declines: 0,
        due: None,
        news: News::default(),
        at: now,
        balance: (Credits::ZERO, Credits::ZERO),
        version: 0,
    });
    let due = known.claim.as_ref().map(|claim| claim.at + SETTLE_AFTER);
    // Another setting may fail for the same reason, and that is news.
    let month = Month { told: Vec::new(), ..known.month.at(now) };
    let kept = Row::Consent(account.id.clone(), Box::new(consent.clone()));
    let set = known.set + 1;
    let after = AutoTopUp { consent, state, set, month, declines: 0, due, ..known };
    let mut write = written(before, after.clone(), account, now);
    write.rows.push(RowWrite::Put(kept, Expect::Absent));
    (after, write)
}

/// The write that switches it on, with the card that was saved for this consent. None: it does not
/// wait for that.
pub fn card_saved(
    before: &AutoTopUp,
    account: &Account,
    consent: OperationId,
    card: Card,
    now: Instant,
) -> Option<Write> {
    let waits = before.state == State::NeedsCard && before.consent.id == consent;
    let set = before.set + 1;
    let after = AutoTopUp { state: State::On(card), set, ..before.clone() };
    waits.then(|| written(Some(before), after, account, now))
}

/// The write that switches it off. None: it is off already. The order under way goes on.
pub fn switch_off(
    before: &AutoTopUp,
    account: &Account,
    reason: OffReason,
    now: Instant,
) -> Option<Write> {
    let after = off(before, reason)?;
    Some(written(Some(before), after, account, now))
}

fn off(before: &AutoTopUp, reason: OffReason) -> Option<AutoTopUp> {
    let is_off = matches!(before.state, State::Off(_));
    // Without a card nothing waits for another month.
    let due = before.claim.as_ref().and(before.due);
    (!is_off).then(|| AutoTopUp { state: State::Off(reason), due, ..before.clone() })
}

/// The crossing in a record of an account, if there is one: fewer credits are available than its
/// threshold, and a charge took some, or the setting is new. A charge below the threshold counts
/// too: the pack that was not bought at the crossing may be bought in a new month.
pub fn crossing(before: Option<&Account>, after: &Account) -> Option<Crossing> {
    let threshold = after.threshold.filter(|threshold| after.available < threshold.below)?;
    let is_set = before.is_none_or(|before| before.threshold != after.threshold);
    let was = before.map_or(Credits::ZERO, |before| before.available);
    let fresh = is_set || was >= threshold.below;
    let at = after.recent.last().map_or(after.advanced_at, |entry| entry.at);
    let crossing = Crossing { seq: after.seq, at, set: threshold.set, fresh };
    (is_set || was > after.available).then_some(crossing)
}

/// What follows from a crossing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Crossed {
    /// Nothing: it is off, an order is under way, enough is available, or it was told before.
    Nothing,
    /// A pack is ordered, once this is written.
    Claims(Claim, Write),
    /// The claim of this crossing is open: whether Stripe was asked is not known. Later `reconcile`
    /// looks at it.
    Claimed(Claim),
    /// A pack is not ordered: that is told once in a month.
    Refused(Write),
}

/// What was read for a crossing.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    pub before: &'a AutoTopUp,
    /// The account as it was read,
    pub account: &'a Account,
    /// and as of now.
    pub advanced: &'a Account,
    pub orders: &'a Orders,
    /// The open orders of the account.
    pub open: &'a [OperationId],
    /// Whether the order of the crossing was made before.
    pub is_ordered: bool,
    /// Whether requests to Stripe ask for real money.
    pub live: bool,
    /// What the card is charged, where tax is added to the price.
    pub charged: Option<Money>,
}

/// Decides whether a pack is ordered: by what is available now, not when the crossing was.
pub fn crossed(read: &Read<'_>, crossing: &Crossing, catalog: &Catalog, now: Instant) -> Crossed {
    let Read { before, account, advanced, orders, .. } = *read;
    let id = crossing.order(&account.id);
    if let Some(claim) = before.claim_of(id).filter(|claim| claim.may_be_sent(now)) {
        return Crossed::Claimed(claim.clone());
    }
    // A record that comes again, after its order has ended.
    if read.is_ordered {
        return Crossed::Nothing;
    }
    let State::On(card) = &before.state else { return Crossed::Nothing };
    let is_enough = advanced.available >= before.consent.terms.below;
    // A card that was declined is not charged again before something has changed.
    let waits = before.declines > 0 && !crossing.fresh;
    if before.claim.is_some() || is_enough || waits {
        return Crossed::Nothing;
    }
    let month = before.month.at(now);
    let ordered = match new_order(read, id, catalog, now) {
        Ok(ordered) => ordered,
        Err(failed) => return refused(before, account, failed, month, now),
    };
    let (pack, credits, price) = (ordered.pack.clone(), ordered.credits, ordered.price);
    let (at, card) = (now, card.clone());
    let claim = Claim { order: id, pack, credits, price, at, month: month.from, card };
    let charged = month.charged(price.currency).minor;
    if charged.saturating_add(price.minor) > before.consent.terms.at_most.minor {
        return refused(before, account, Failed::CapReached, month, now);
    }
    let mut month = month;
    month.count(&claim);
    let due = Some(now + SETTLE_AFTER);
    let after = AutoTopUp { claim: Some(claim.clone()), month, due, ..before.clone() };
    let mut write = written(Some(before), after, account, now);
    let when = vec![Guard::GateIs(account.gate), Guard::DebtsAre(account.debts.clone())];
    write.account = Some(AccountWrite { account: account.id.clone(), when, then: Vec::new() });
    write.rows.extend(placed(ordered, orders));
    Crossed::Claims(claim, write)
}

fn new_order(
    read: &Read<'_>,
    id: OperationId,
    catalog: &Catalog,
    now: Instant,
) -> Result<Order, Failed> {
    let Read { before, advanced, open, live, charged, .. } = *read;
    let Consent { terms, by, return_url, .. } = &before.consent;
    if before.consent.live != live {
        return Err(Failed::LivemodeChanged);
    }
    if !advanced.gate.is_open() || !advanced.debts.is_empty() {
        return Err(Failed::AccountClosed);
    }
    let request = CheckoutRequest {
        pack: terms.pack.clone(),
        currency: Some(terms.at_most.currency),
        preferred: None,
        user: Some(by.clone()),
        return_url: return_url.clone(),
        live,
    };
    let ordered = order(advanced, &request, open, id, catalog, now);
    let ordered = ordered.map_err(|refusal| match refusal {
        Refusal::UnknownPack { .. } => Failed::UnknownPack,
        Refusal::InvalidRequest { .. } => Failed::CurrencyChanged,
        Refusal::AccountFrozen { .. } | Refusal::PlanRequired { .. } => Failed::AccountClosed,
        _ => Failed::TooMany,
    })?;
    let customer = before.card().map(|card| card.customer.clone());
    // What the card is charged is fixed by now, with its tax: it is compared as a price without one.
    let price = charged.unwrap_or(ordered.price);
    Ok(Order { customer, price, tax: Tax::default(), invoice: false, auto: true, ..ordered })
}

/// Tells, once in a month, why a pack is not ordered. In the next month the sum begins anew.
fn refused(
    before: &AutoTopUp,
    account: &Account,
    failed: Failed,
    month: Month,
    now: Instant,
) -> Crossed {
    if month.told.contains(&failed) {
        return Crossed::Nothing;
    }
    let due =
        Some(period::month(month.from).end).filter(|_| failed == Failed::CapReached).or(before.due);
    let told = [month.told.clone(), vec![failed]].concat();
    let after = AutoTopUp { month: Month { told, ..month }, due, ..before.clone() };
    Crossed::Refused(written(Some(before), after, account, now))
}

/// The write that has `reconcile` look no more: there was nothing to do.
pub fn looked(before: &AutoTopUp, account: &Account, now: Instant) -> Write {
    written(Some(before), AutoTopUp { due: None, ..before.clone() }, account, now)
}

/// The write that ends the claim of an order whose payment failed for good. None: it has ended.
pub fn failed(
    before: &AutoTopUp,
    account: &Account,
    order: OperationId,
    failed: Failed,
    now: Instant,
) -> Option<Write> {
    let claim = before.claim_of(order)?.clone();
    let mut month = before.month.clone();
    month.uncount(&claim);
    let declines = before.declines + 1;
    let ended = Some(Ended { claim, failed: Some(failed) });
    let after = AutoTopUp { claim: None, ended, month, declines, due: None, ..before.clone() };
    let after = match declines < MAX_DECLINES {
        true => after,
        false => off(&after, OffReason::Declined).unwrap_or(after),
    };
    Some(written(Some(before), after, account, now))
}

/// What a payment of the account changes: the claim of a paid order ends, and a dispute switches it
/// off. None: nothing.
pub fn told(before: &AutoTopUp, paid: Option<OperationId>, disputed: bool) -> Option<AutoTopUp> {
    let claim = paid.and_then(|order| before.claim_of(order)).cloned();
    let after = claim.map(|claim| AutoTopUp {
        claim: None,
        ended: Some(Ended { claim, failed: None }),
        declines: 0,
        due: None,
        ..before.clone()
    });
    match disputed {
        true => off(after.as_ref().unwrap_or(before), OffReason::Dispute).or(after),
        false => after,
    }
}

/// Adds to the change of a payment what it changes here.
pub fn join(
    change: &mut PaymentChange,
    before: &AutoTopUp,
    after: AutoTopUp,
    account: &Account,
    now: Instant,
) {
    let (then, rows) = parts(Some(before), after, account, now);
    change.auto = rows;
    if !then.is_empty() {
        let id = account.id.clone();
        let none = || AccountWrite { account: id, when: vec![Guard::Present], then: Vec::new() };
        change.change.get_or_insert_with(none).then.extend(then);
    }
}

/// The write of a change, if it is as it was read, with the threshold of its account.
fn written(before: Option<&AutoTopUp>, after: AutoTopUp, account: &Account, now: Instant) -> Write {
    let (then, rows) = parts(before, after, account, now);
    let id = account.id.clone();
    let account = AccountWrite { account: id, when: vec![Guard::Present], then };
    Write { account: Some(account).filter(|write| !write.then.is_empty()), rows }
}

/// The steps of the account and the rows of a change. The threshold of the account is that of the
/// row: each change of one is in the write of the other.
fn parts(
    before: Option<&AutoTopUp>,
    after: AutoTopUp,
    account: &Account,
    now: Instant,
) -> (Vec<Step>, Vec<RowWrite>) {
    let balance = (account.available, account.held());
    let after = AutoTopUp { at: now, balance, news: news(before, &after), ..after };
    let threshold = after.threshold();
    let is_new = before.and_then(AutoTopUp::threshold) != threshold;
    let read = match after.version {
        0 => Expect::Absent,
        known => Expect::Is(Seen::Version(known)),
    };
    let id = &account.id;
    let (was, due) = (before.and_then(|before| before.due), after.due);
    let mut rows = vec![RowWrite::Put(Row::AutoTopUp(Box::new(after)), read)];
    if was != due {
        rows.extend(due.map(|at| RowWrite::Put(Row::AutoDue(id.clone(), at), Expect::Any)));
        rows.extend(was.map(|at| RowWrite::Delete(RowKey::AutoDue(id.clone(), at), Expect::Any)));
    }
    (is_new.then_some(Step::SetThreshold(threshold)).into_iter().collect(), rows)
}

/// What a change tells.
fn news(before: Option<&AutoTopUp>, after: &AutoTopUp) -> News {
    let ended = before.and_then(|before| before.ended.as_ref());
    // Of a new month, or of another setting, nothing was told yet.
    let same =
        |before: &&AutoTopUp| before.month.from == after.month.from && before.set == after.set;
    let told = before.filter(same).map_or(&[][..], |before| &before.month.told);
    let is_off = |auto: &AutoTopUp| matches!(auto.state, State::Off(_));
    News {
        ended: after.ended.as_ref() != ended,
        refused: after.month.told.iter().copied().find(|failed| !told.contains(failed)),
        off: is_off(after) && !before.is_some_and(is_off),
    }
}
