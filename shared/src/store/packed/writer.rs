//! Values to packed bytes.

use super::form::{ACTOR, HELD, KEY, MESSAGE, MORE, NEXT, REASON, REFERENCE, SEATS, USER, tag};
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::{By, Quantity};
use crate::domain::payment::Cause;
use crate::domain::usage::Used;
use crate::domain::{
    Credits, DebtChange, Debts, Entry, EntryKind, Grant, GrantId, GrantKind, Instant, Movement,
    NextPlan, OperationId, PlanTerms, Status,
};

#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.byte(n as u8 | 0x80);
            n >>= 7;
        }
        self.byte(n as u8);
    }

    pub(super) fn signed(&mut self, n: i64) {
        self.number(((n << 1) ^ (n >> 63)) as u64);
    }

    pub(super) fn credits(&mut self, credits: Credits) {
        self.signed(credits.micro());
    }

    pub(super) fn instant(&mut self, at: Instant) {
        self.number(at.ms() as u64);
    }

    /// None is written as the epoch, at which nothing expires.
    pub(super) fn expiry(&mut self, at: Option<Instant>) {
        self.instant(at.unwrap_or(Instant::EPOCH));
    }

    pub(super) fn id(&mut self, id: OperationId) {
        self.0.extend_from_slice(id.bytes());
    }

    pub(super) fn used(&mut self, used: Used) {
        self.credits(used.credits);
        self.number(used.count);
    }

    /// 0 means no action.
    pub(super) fn action(&mut self, action: Option<ActionNumber>) {
        self.number(u64::from(action.unwrap_or(0)));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn plan_status(&mut self, status: Status, flags: u8) {
        let number = Status::ALL.iter().position(|known| *known == status).unwrap_or_default();
        self.byte(number as u8 | flags);
    }

    /// Terms, and what is due to come after them. One seat and nothing to come take no bytes.
    pub(super) fn plan(&mut self, terms: &PlanTerms, next: Option<&NextPlan>) {
        let PlanTerms { plan, status, anchor, seats } = terms;
        self.text(plan);
        let flags = [(*seats != 1, SEATS), (next.is_some(), NEXT)];
        let flags = flags.iter().filter(|(is, _)| *is).map(|(_, flag)| flag).sum();
        self.plan_status(*status, flags);
        self.number(u64::from(anchor.0.days()));
        if *seats != 1 {
            self.number(u64::from(*seats));
        }
        if let Some(NextPlan { plan, status, seats, at }) = next {
            self.text(plan);
            self.plan_status(*status, 0);
            self.number(u64::from(*seats));
            self.instant(*at);
        }
    }

    pub(super) fn kind(&mut self, kind: GrantKind) {
        self.byte(GrantKind::ALL.iter().position(|k| *k == kind).unwrap_or_default() as u8);
    }

    /// 0 means no cause.
    pub(super) fn cause(&mut self, cause: Option<Cause>) {
        self.byte(cause.map_or(0, |cause| cause as u8 + 1));
    }

    pub(super) fn grant_id(&mut self, id: GrantId) {
        match id {
            GrantId::Week(start) => {
                self.byte(0);
                self.instant(start);
            }
            GrantId::Period(start) => {
                self.byte(1);
                self.instant(start);
            }
            GrantId::Operation(id) => {
                self.byte(2);
                self.id(id);
            }
        }
    }

    pub(super) fn grant(&mut self, grant: &Grant) {
        self.grant_id(grant.id);
        self.kind(grant.kind);
        self.credits(grant.left);
        // The used part: zero, in one byte, for most grants.
        self.credits(grant.amount - grant.left);
        // A grant arrives at the time in its id, or soon after.
        self.signed((grant.granted_at - grant.id.time()).ms());
        self.expiry(grant.expires_at);
    }

    pub(super) fn movements(&mut self, moved: &[Movement]) {
        self.number(moved.len() as u64);
        for movement in moved {
            self.grant_id(movement.grant);
            self.kind(movement.kind);
            self.credits(movement.credits);
            self.expiry(movement.expires_at);
        }
    }

    pub(super) fn debts(&mut self, debts: &Debts) {
        self.number(debts.iter().count() as u64);
        for debt in debts.iter() {
            self.grant_id(debt.grant);
            self.credits(debt.credits);
        }
    }

    fn debt_changes(&mut self, changes: &[DebtChange]) {
        self.number(changes.len() as u64);
        for change in changes {
            match change {
                DebtChange::Reversed { grant, cause, taken, owed } => {
                    self.byte(0);
                    self.grant_id(*grant);
                    self.cause(Some(*cause));
                    self.byte(u8::from(taken.is_some()));
                    taken.iter().for_each(|grant| self.grant(grant));
                    self.credits(*owed);
                }
                DebtChange::Repaid { grant, by } => {
                    self.byte(1);
                    self.grant_id(*grant);
                    self.grant(by);
                }
            }
        }
    }

    /// The fields of a kind that an earlier version may not know, with their length.
    fn measured(&mut self, fields: &[u8]) {
        self.number(fields.len() as u64);
        self.0.extend_from_slice(fields);
    }

    /// The fields of a kind, which have their length if they are of a call.
    fn measured_if(&mut self, is_call: bool, write: impl FnOnce(&mut Writer)) {
        let mut fields = Writer::default();
        write(&mut fields);
        match is_call {
            false => self.0.extend(fields.0),
            true => self.measured(&fields.0),
        }
    }

    /// An action and how much of it; of a call which meters count something, and their counts.
    fn bought(&mut self, action: Option<ActionNumber>, quantity: &Quantity) {
        self.action(action);
        match quantity {
            Quantity::Units(units) => self.number(*units),
            Quantity::Call(model, meters) => {
                self.number(u64::from(*model));
                self.number(meters.counted().map(|(meter, _)| 1 << meter as u64).sum());
                meters.counted().for_each(|(_, count)| self.number(count));
            }
        }
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.byte(match &entry.kind {
            EntryKind::Opened { .. } => tag::OPENED,
            EntryKind::Debit { quantity: Quantity::Call(..), .. } => tag::DEBIT_OF_CALL,
            EntryKind::Debit { .. } => tag::DEBIT,
            EntryKind::Granted { .. } => tag::GRANTED,
            EntryKind::TimePassed { debts, .. } if debts.is_empty() => tag::ADVANCED,
            EntryKind::TimePassed { .. } => tag::ADVANCED_DEBTS,
            EntryKind::PlanChanged { .. } => tag::PLAN_CHANGED,
            EntryKind::Held { quantity: Quantity::Call(..), .. } => tag::HELD_FOR_CALL,
            EntryKind::Held { .. } => tag::HELD,
            EntryKind::Captured { quantity: Quantity::Call(..), .. } => tag::CAPTURED_OF_CALL,
            EntryKind::Captured { uncharged: Credits::ZERO, .. } => tag::CAPTURED,
            EntryKind::Captured { .. } => tag::CAPTURED_IN_PART,
            EntryKind::Released { .. } => tag::RELEASED,
            EntryKind::Extended { .. } => tag::EXTENDED,
            EntryKind::Refunded { model: Some(_), .. } => tag::REFUNDED_OF_CALL,
            EntryKind::Refunded { .. } => tag::REFUNDED,
            EntryKind::Frozen => tag::FROZEN,
            EntryKind::Unfrozen => tag::UNFROZEN,
            EntryKind::ToppedUp { .. } => tag::TOPPED_UP,
            EntryKind::Reversed { .. } => tag::REVERSED,
            EntryKind::DebtWaived { .. } => tag::DEBT_WAIVED,
            EntryKind::Revoked { .. } => tag::REVOKED,
            EntryKind::LimitSet { .. } => tag::LIMIT_SET,
            EntryKind::Unknown { tag, .. } => *tag,
        });
        let (user, actor) = match entry.by() {
            By::Operator => (&entry.actor, &None),
            _ => (&entry.user, &entry.actor),
        };
        debug_assert!(entry.by() != By::Operator || entry.user.is_none());
        let texts = [
            (USER, user),
            (REFERENCE, &entry.reference),
            (REASON, &entry.reason),
            (KEY, &entry.key),
            (MESSAGE, &entry.message),
            (ACTOR, actor),
        ];
        let mut flags = if entry.held.is_zero() { 0 } else { HELD };
        let is_limited = !entry.subjects.is_empty() || !entry.counts.is_empty();
        flags |= if is_limited { MORE } else { 0 };
        flags |= texts.iter().filter(|(_, text)| text.is_some()).map(|(flag, _)| flag).sum::<u8>();
        self.byte(flags);
        // For most entries both times are in the same minute, so the difference is short.
        self.signed((entry.at - entry.id.time()).ms());
        self.credits(entry.available);
        if !entry.held.is_zero() {
            self.credits(entry.held);
        }
        self.number(u64::from(entry.catalog));
        texts.iter().filter_map(|(_, text)| text.as_deref()).for_each(|text| self.text(text));
        if is_limited {
            self.limited(entry, user.as_deref());
        }
        match &entry.kind {
            EntryKind::Opened { terms, moved } => {
                self.plan(terms, None);
                self.movements(moved);
            }
            EntryKind::Debit { action, quantity } => {
                let is_call = quantity.model().is_some();
                self.measured_if(is_call, |w| w.bought(*action, quantity));
            }
            EntryKind::Held { action, quantity, expires_at } => {
                self.measured_if(quantity.model().is_some(), |w| {
                    w.bought(*action, quantity);
                    w.instant(*expires_at);
                });
            }
            EntryKind::Captured { hold, action, quantity, credits, lapsed, ends, uncharged } => {
                let mut fields = Writer::default();
                fields.id(*hold);
                fields.bought(*action, quantity);
                fields.credits(*credits);
                fields.credits(*lapsed);
                fields.byte(u8::from(*ends));
                if uncharged.is_zero() && quantity.call().is_none() {
                    self.0.extend(fields.0);
                } else {
                    fields.credits(*uncharged);
                    self.measured(&fields.0);
                }
            }
            EntryKind::Released { hold } => self.id(*hold),
            EntryKind::Extended { hold, expires_at } => {
                self.id(*hold);
                self.instant(*expires_at);
            }
            EntryKind::Refunded { debit, credits, action, model, of, moved, unowed } => {
                self.measured_if(model.is_some(), |w| {
                    w.id(*debit);
                    w.credits(*credits);
                    w.action(*action);
                    model.iter().for_each(|model| w.number(u64::from(*model)));
                    // No entry has number 0.
                    let (seq, burnt) = of.unwrap_or_default();
                    w.number(seq);
                    w.credits(burnt);
                    w.movements(moved);
                    w.debts(unowed);
                });
            }
            EntryKind::Granted { kind, expires_at } => {
                self.kind(*kind);
                self.expiry(*expires_at);
            }
            EntryKind::TimePassed { moved, lapsed, before, burnt, debts } => {
                self.movements(moved);
                self.number(lapsed.len() as u64);
                lapsed.iter().for_each(|id| self.id(*id));
                self.number(before.0);
                // The advance before was usually not long ago, so the difference is short.
                self.signed((entry.at - before.1).ms());
                self.number(burnt.grants().len() as u64);
                burnt.grants().iter().for_each(|grant| self.grant(grant));
                if !debts.is_empty() {
                    self.debt_changes(debts);
                }
            }
            EntryKind::ToppedUp { order, cause, due, grant, expires_at, undone, moved, unowed } => {
                self.id(*order);
                self.cause(*cause);
                self.credits(*due);
                self.grant_id(*grant);
                self.expiry(*expires_at);
                self.credits(*undone);
                self.movements(moved);
                self.debts(unowed);
            }
            EntryKind::Reversed { order, cause, due, credits } => {
                self.id(*order);
                self.cause(Some(*cause));
                self.credits(*due);
                self.credits(*credits);
            }
            EntryKind::DebtWaived { debts } => self.debts(debts),
            EntryKind::Revoked { grant, kind } => {
                let mut fields = Writer::default();
                fields.grant_id(*grant);
                fields.kind(*kind);
                self.measured(&fields.0);
            }
            EntryKind::LimitSet { of, per, at_most, forgotten } => {
                let mut fields = Writer::default();
                fields.text(of.as_str());
                fields.per(*per);
                fields.byte(u8::from(*forgotten));
                at_most.iter().for_each(|credits| fields.credits(*credits));
                self.measured(&fields.0);
            }
            EntryKind::Unknown { fields, .. } => self.measured(fields),
            EntryKind::PlanChanged { terms, next } => self.plan(terms, next.as_ref()),
            EntryKind::Frozen | EntryKind::Unfrozen => {}
        }
    }
}
