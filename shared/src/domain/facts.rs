//! The facts of a payment that Stripe's notices have reported.
//!
//! Facts are joined by the names of Stripe's objects and by Stripe's own amounts, never counted by
//! event. A join of sets and of maxima does not depend on the order, the number or the delay of
//! the events.

use std::collections::{BTreeMap, BTreeSet};

use super::money::Money;
use super::tax::Priced;
use super::{Credits, OperationId};

/// The facts reported about a payment so far. Two of them join to one that has both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The orders and accounts that the payment was said to be for: one each, or it is parked.
    pub orders: BTreeSet<OperationId>,
    pub accounts: BTreeSet<String>,
    /// Whether it was said to be in live mode (true), or in test mode: one of them, or it is
    /// parked.
    pub modes: BTreeSet<bool>,
    /// The customer has done what there was to do.
    pub submitted: bool,
    /// The payment failed.
    pub failed: bool,
    /// The amount paid: one, or the payment is parked.
    pub paid: BTreeSet<Money>,
    /// The amounts that sessions with tax said: one, or the payment is parked.
    pub priced: BTreeSet<Priced>,
    /// The amount refunded according to each charge: it includes refunds that failed later.
    pub returned: BTreeMap<String, Money>,
    pub refunds: BTreeMap<String, Refund>,
    pub disputes: BTreeMap<String, Dispute>,
    /// Where Stripe shows the receipt of its charge.
    pub receipt: Option<String>,
    /// Stripe's name for who paid.
    pub customer: Option<String>,
}

/// A refund, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refund {
    pub stage: RefundStage,
    pub money: Money,
}

/// The stages of a refund, each later than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefundStage {
    /// Under way, or done: the money is on its way back.
    Going,
    /// Failed or canceled, which may come after it was done: the money came back to us.
    Undone,
}

/// A dispute, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dispute {
    pub stage: DisputeStage,
    pub money: Money,
}

/// The stages of a dispute, each later than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisputeStage {
    /// A question of the bank: no money was moved.
    Inquiry,
    /// The money was taken back, until it is decided.
    Open,
    Lost,
    /// The money came back to us. After a loss only if the bank changed its mind.
    Won,
}

/// Why what is due for a payment changed after it was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Something did not fit the order, or an operator decided about that.
    Review,
    /// It was refunded, or a refund of it failed.
    Refund,
    /// Its buyer disputed it at the bank, or that was decided.
    Dispute,
}

impl Cause {
    pub const ALL: [Cause; 3] = [Cause::Review, Cause::Refund, Cause::Dispute];
}

impl RefundStage {
    const ALL: [RefundStage; 2] = [RefundStage::Going, RefundStage::Undone];

    pub fn name(self) -> &'static str {
        match self {
            RefundStage::Going => "going",
            RefundStage::Undone => "undone",
        }
    }

    pub fn named(name: &str) -> Option<RefundStage> {
        RefundStage::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl DisputeStage {
    const ALL: [DisputeStage; 4] =
        [DisputeStage::Inquiry, DisputeStage::Open, DisputeStage::Lost, DisputeStage::Won];

    pub fn name(self) -> &'static str {
        match self {
            DisputeStage::Inquiry => "inquiry",
            DisputeStage::Open => "open",
            DisputeStage::Lost => "lost",
            DisputeStage::Won => "won",
        }
    }

    pub fn named(name: &str) -> Option<DisputeStage> {
        DisputeStage::ALL.into_iter().find(|stage| stage.name() == name)
    }

    fn takes(self) -> bool {
        matches!(self, DisputeStage::Open | DisputeStage::Lost)
    }
}

impl Facts {
    /// Joins both. The result is the same in any order and any number of times.
    pub fn join(&mut self, other: Facts) {
        self.orders.extend(other.orders);
        self.accounts.extend(other.accounts);
        self.modes.extend(other.modes);
        self.submitted |= other.submitted;
        self.failed |= other.failed;
        self.paid.extend(other.paid);
        self.priced.extend(other.priced);
        latest(&mut self.returned, other.returned);
        latest(&mut self.refunds, other.refunds);
        latest(&mut self.disputes, other.disputes);
        self.receipt = self.receipt.take().max(other.receipt);
        self.customer = self.customer.take().max(other.customer);
    }

    /// The amount paid, as far as it was reported. If there are several, which park the payment,
    /// the largest.
    pub fn paid(&self) -> Option<Money> {
        self.paid.last().copied()
    }

    /// The tax in the amount paid, as far as a session said it. If several did, which parks the
    /// payment, the last.
    pub fn tax(&self) -> Option<Money> {
        self.priced.last().map(|Priced { price, tax_minor }| Money { minor: *tax_minor, ..*price })
    }

    /// All the money that was reported to move, either way.
    pub(super) fn moved(&self) -> impl Iterator<Item = Money> {
        let refunds = self.refunds.values().map(|refund| refund.money);
        let disputes = self.disputes.values().map(|dispute| dispute.money);
        let paid = self.paid.iter().copied();
        paid.chain(self.returned.values().copied()).chain(refunds).chain(disputes)
    }

    /// The part of the paid amount that is ours to keep, in its smallest unit. Amounts in another
    /// currency, which park the payment, take nothing.
    ///
    /// A charge counts what was refunded of it, and takes back what failed; refunds tell the same
    /// one by one. Whichever of them has been heard of, the larger is true: all that was refunded
    /// of the charges, less what failed of it since.
    pub fn kept(&self) -> u64 {
        let Some(paid) = self.paid() else { return 0 };
        paid.minor.saturating_sub(self.refunded()).saturating_sub(self.disputed())
    }

    /// The cause of the difference between the amount to keep and the one `before`.
    pub fn cause(&self, before: &Facts) -> Cause {
        match () {
            () if self.disputed() != before.disputed() => Cause::Dispute,
            () if self.refunded() != before.refunded() => Cause::Refund,
            () => Cause::Review,
        }
    }

    /// The part of the paid amount that went back to its buyer by refunds.
    fn refunded(&self) -> u64 {
        let refunds = |stage| {
            let refunds = self.refunds.values().filter(move |refund| refund.stage == stage);
            self.sum(refunds.map(|refund| refund.money))
        };
        let returned = self.sum(self.returned.values().copied());
        refunds(RefundStage::Going).max(returned.saturating_sub(refunds(RefundStage::Undone)))
    }

    /// The part of the paid amount that banks have taken back.
    fn disputed(&self) -> u64 {
        let disputes = self.disputes.values().filter(|dispute| dispute.stage.takes());
        self.sum(disputes.map(|dispute| dispute.money))
    }

    /// The sum of amounts in the currency that was paid in.
    fn sum(&self, amounts: impl Iterator<Item = Money>) -> u64 {
        let paid = self.paid();
        let same = |money: &Money| paid.is_some_and(|paid| paid.currency == money.currency);
        amounts.filter(same).fold(0, |sum, money| sum.saturating_add(money.minor))
    }
}

fn latest<T: Ord + Copy>(known: &mut BTreeMap<String, T>, said: BTreeMap<String, T>) {
    for (name, value) in said {
        known.entry(name).and_modify(|known| *known = value.max(*known)).or_insert(value);
    }
}

/// The credits that are due while `kept` of `paid` are ours to keep: in proportion, rounded down to
/// a whole micro-credit. All of them for all of it, even if there was nothing to pay.
///
/// Each amount taken back or given back is the difference of two such amounts, so that the parts
/// always sum to the whole, however many they are.
pub fn due(credits: Credits, paid: u64, kept: u64) -> Credits {
    if kept >= paid {
        return credits;
    }
    let micro = i128::from(credits.micro()) * i128::from(kept) / i128::from(paid);
    Credits::from_micro(i64::try_from(micro).expect("at most the credits that were ordered"))
}
