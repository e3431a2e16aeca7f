//! Packed bytes to values. The reader returns on any input.

use std::collections::BTreeMap;

use super::form::{ACTOR, HELD, KEY, MESSAGE, PackedError, REASON, REFERENCE, Result, USER, tag};
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::{By, Quantity};
use crate::domain::grant::BurnOrder;
use crate::domain::hold::{HeldAction, HeldCall, HeldFor};
use crate::domain::meters::{Meter, Meters};
use crate::domain::payment::Cause;
use crate::domain::period::{Anchor, Day, Period, week};
use crate::domain::usage::Used;
use crate::domain::{
    Credits, DebtChange, Debts, Entry, EntryKind, Grant, GrantId, GrantKind, Held, Instant,
    Movement, OperationId, PeriodAllowance, Status,
};

pub(super) struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub(super) fn all<T>(
        bytes: &[u8],
        read: impl FnOnce(&mut Reader<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut r = Reader(bytes);
        let value = read(&mut r)?;
        if r.0.is_empty() { Ok(value) } else { Err(PackedError::Long) }
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.0.split_first().ok_or(PackedError::Short)?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        let mut n: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(PackedError::Number);
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(PackedError::Number)
    }

    pub(super) fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T> {
        T::try_from(self.number()?).map_err(|_| PackedError::Number)
    }

    pub(super) fn signed(&mut self) -> Result<i64> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    pub(super) fn credits(&mut self) -> Result<Credits> {
        self.signed().map(Credits::from_micro)
    }

    pub(super) fn instant(&mut self) -> Result<Instant> {
        let ms: i64 = self.narrow()?;
        if ms > Instant::MAX.ms() {
            return Err(PackedError::Number);
        }
        Ok(Instant::from_ms(ms))
    }

    /// An instant, stored as its distance to another one.
    pub(super) fn beside(&mut self, other: Instant) -> Result<Instant> {
        let ms = other.ms().checked_add(self.signed()?).ok_or(PackedError::Number)?;
        Ok(Instant::from_ms(ms))
    }

    pub(super) fn expiry(&mut self) -> Result<Option<Instant>> {
        Ok(Some(self.instant()?).filter(|at| *at > Instant::EPOCH))
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(PackedError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn id(&mut self) -> Result<OperationId> {
        let bytes = self.take(16)?.try_into().map_err(|_| PackedError::Short)?;
        Ok(OperationId::from_bytes(bytes))
    }

    pub(super) fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(PackedError::Tag),
        }
    }

    pub(super) fn action(&mut self) -> Result<Option<ActionNumber>> {
        Ok(Some(self.narrow()?).filter(|number| *number > 0))
    }

    pub(super) fn used(&mut self) -> Result<Used> {
        Ok(Used { credits: self.credits()?, count: self.number()? })
    }

    pub(super) fn text(&mut self) -> Result<String> {
        let length = self.narrow()?;
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| PackedError::Text)
    }

    pub(super) fn plan(&mut self) -> Result<(String, Status, Anchor)> {
        let plan = self.text()?;
        let status = *Status::ALL.get(usize::from(self.byte()?)).ok_or(PackedError::Tag)?;
        let anchor = Day::from_days(self.narrow()?).map(Anchor).ok_or(PackedError::Number)?;
        Ok((plan, status, anchor))
    }

    pub(super) fn kind(&mut self) -> Result<GrantKind> {
        GrantKind::ALL.get(usize::from(self.byte()?)).copied().ok_or(PackedError::Tag)
    }

    /// The allowance of a week.
    pub(super) fn week(&mut self) -> Result<PeriodAllowance> {
        let (start, amount) = (self.instant()?, self.credits()?);
        Ok(PeriodAllowance { amount, ..PeriodAllowance::nothing(week(start)) })
    }

    /// The allowance of a plan period.
    pub(super) fn given(&mut self) -> Result<PeriodAllowance> {
        let period = Period { start: self.instant()?, end: self.instant()? };
        let amount = self.credits()?;
        let until = self.beside(period.end)?;
        Ok(PeriodAllowance { period, amount, until })
    }

    pub(super) fn grant_id(&mut self) -> Result<GrantId> {
        match self.byte()? {
            0 => Ok(GrantId::Week(self.instant()?)),
            1 => Ok(GrantId::Period(self.instant()?)),
            2 => Ok(GrantId::Operation(self.id()?)),
            _ => Err(PackedError::Tag),
        }
    }

    pub(super) fn grant(&mut self) -> Result<Grant> {
        let (id, kind, left) = (self.grant_id()?, self.kind()?, self.credits()?);
        let used = self.credits()?;
        let amount = left.micro().checked_add(used.micro()).ok_or(PackedError::Number)?;
        let amount = Credits::from_micro(amount);
        let granted_at = self.beside(id.time())?;
        Ok(Grant { id, kind, amount, left, granted_at, expires_at: self.expiry()? })
    }

    /// The terms of a hold of this amount, of which nothing was captured.
    pub(super) fn hold_terms(&mut self, amount: Credits) -> Result<Held> {
        let (lapsed, expires_at) = (self.credits()?, self.instant()?);
        if self.0.is_empty() {
            return Ok(Held { amount, lapsed, expires_at, purpose: HeldFor::Amount });
        }
        let purpose = match (self.narrow()?, self.number()?) {
            (action, 0) => {
                let (model, catalog) = (self.narrow()?, self.narrow()?);
                HeldFor::Call(HeldCall { action, model, catalog })
            }
            (number, quantity) => {
                let credits = self.credits()?;
                HeldFor::Action(HeldAction { number, quantity, credits, captured: 0 })
            }
        };
        Ok(Held { amount, lapsed, expires_at, purpose })
    }

    pub(super) fn movements(&mut self) -> Result<Vec<Movement>> {
        let count: usize = self.narrow()?;
        let mut moved = Vec::new();
        for _ in 0..count {
            let (grant, kind) = (self.grant_id()?, self.kind()?);
            let (credits, expires_at) = (self.credits()?, self.expiry()?);
            moved.push(Movement { grant, kind, credits, expires_at });
        }
        Ok(moved)
    }

    pub(super) fn debts(&mut self) -> Result<Debts> {
        let count: usize = self.narrow()?;
        let mut debts = Debts::NONE;
        for _ in 0..count {
            let (grant, credits) = (self.grant_id()?, self.credits()?);
            // Each grant has at most one debt, and a debt is more than zero.
            if credits <= Credits::ZERO || !debts.of(grant).is_zero() {
                return Err(PackedError::Number);
            }
            debts.add(grant, credits);
        }
        Ok(debts)
    }

    /// 0 means no cause.
    fn some_cause(&mut self) -> Result<Option<Cause>> {
        match self.byte()?.checked_sub(1) {
            None => Ok(None),
            Some(n) => Cause::ALL.get(usize::from(n)).copied().map(Some).ok_or(PackedError::Tag),
        }
    }

    pub(super) fn cause(&mut self) -> Result<Cause> {
        self.some_cause()?.ok_or(PackedError::Tag)
    }

    fn debt_changes(&mut self) -> Result<Vec<DebtChange>> {
        let count: usize = self.narrow()?;
        let mut changes = Vec::new();
        for _ in 0..count {
            changes.push(match self.byte()? {
                0 => {
                    let (grant, cause) = (self.grant_id()?, self.cause()?);
                    let taken = if self.flag()? { Some(self.grant()?) } else { None };
                    DebtChange::Reversed { grant, cause, taken, owed: self.credits()? }
                }
                1 => DebtChange::Repaid { grant: self.grant_id()?, by: self.grant()? },
                _ => return Err(PackedError::Tag),
            });
        }
        Ok(changes)
    }

    /// A number of units.
    fn units(&mut self) -> Result<Quantity> {
        self.number().map(Quantity::Units)
    }

    /// An action, and a model with its meters.
    fn call(&mut self) -> Result<(Option<ActionNumber>, Quantity)> {
        let (action, model) = (self.action()?, self.narrow()?);
        let (counted, mut meters) = (self.number()?, Meters::default());
        if action.is_none() || counted >> Meter::ALL.len() != 0 {
            return Err(PackedError::Number);
        }
        for (place, meter) in Meter::ALL.into_iter().enumerate() {
            if counted >> place & 1 != 0 {
                meters.set(meter, self.number()?);
            }
        }
        // A meter that counts nothing is not written.
        match meters.counted().count() == counted.count_ones() as usize {
            true => Ok((action, Quantity::Call(model, meters))),
            false => Err(PackedError::Number),
        }
    }

    /// A capture, and what it left uncharged.
    fn captured(
        &mut self,
        of: impl FnOnce(&mut Self) -> Result<(Option<ActionNumber>, Quantity)>,
        uncharged: impl FnOnce(&mut Self) -> Result<Credits>,
    ) -> Result<EntryKind> {
        let (hold, (action, quantity)) = (self.id()?, of(self)?);
        let (credits, lapsed, ends) = (self.credits()?, self.credits()?, self.flag()?);
        let uncharged = uncharged(self)?;
        Ok(EntryKind::Captured { hold, action, quantity, credits, lapsed, ends, uncharged })
    }

    pub(super) fn entry(&mut self, id: OperationId) -> Result<Entry> {
        let (tag, flags) = (self.byte()?, self.byte()?);
        if flags & !(HELD | USER | REFERENCE | REASON | KEY | MESSAGE | ACTOR) != 0 {
            return Err(PackedError::Tag);
        }
        let at = self.beside(id.time())?;
        let available = self.credits()?;
        let held = if flags & HELD != 0 { self.credits()? } else { Credits::ZERO };
        let catalog = self.narrow()?;
        let mut texts = BTreeMap::new();
        for flag in [USER, REFERENCE, REASON, KEY, MESSAGE, ACTOR] {
            if flags & flag != 0 {
                texts.insert(flag, self.text()?);
            }
        }
        let kind = match tag {
            tag::OPENED => {
                let (plan, status, anchor) = self.plan()?;
                EntryKind::Opened { plan, status, anchor, moved: self.movements()? }
            }
            tag::DEBIT => EntryKind::Debit { action: self.action()?, quantity: self.units()? },
            tag::HELD => {
                let (action, quantity) = (self.action()?, self.units()?);
                EntryKind::Held { action, quantity, expires_at: self.instant()? }
            }
            tag::CAPTURED => {
                self.captured(|r| Ok((r.action()?, r.units()?)), |_| Ok(Credits::ZERO))?
            }
            tag::RELEASED => EntryKind::Released { hold: self.id()? },
            tag::EXTENDED => EntryKind::Extended { hold: self.id()?, expires_at: self.instant()? },
            tag::REFUNDED => {
                let (debit, credits) = (self.id()?, self.credits()?);
                let action = self.action()?;
                let of = Some((self.number()?, self.credits()?)).filter(|(seq, _)| *seq > 0);
                let (moved, unowed) = (self.movements()?, self.debts()?);
                EntryKind::Refunded { debit, credits, action, of, moved, unowed }
            }
            tag::GRANTED => EntryKind::Granted { kind: self.kind()?, expires_at: self.expiry()? },
            tag::ADVANCED | tag::ADVANCED_DEBTS => {
                let moved = self.movements()?;
                let count: usize = self.narrow()?;
                let lapsed = (0..count).map(|_| self.id()).collect::<Result<_>>()?;
                let seq = self.number()?;
                let ago = self.signed()?;
                let then = at.ms().checked_sub(ago).ok_or(PackedError::Number)?;
                let before = (seq, Instant::from_ms(then));
                let count: usize = self.narrow()?;
                let grants = (0..count).map(|_| self.grant()).collect::<Result<_>>()?;
                let debts = match tag {
                    tag::ADVANCED_DEBTS => self.debt_changes()?,
                    _ => Vec::new(),
                };
                EntryKind::TimePassed {
                    moved,
                    lapsed,
                    before,
                    burnt: BurnOrder::new(grants),
                    debts,
                }
            }
            tag::PLAN_CHANGED => {
                let (plan, status, anchor) = self.plan()?;
                EntryKind::PlanChanged { plan, status, anchor }
            }
            tag::FROZEN => EntryKind::Frozen,
            tag::UNFROZEN => EntryKind::Unfrozen,
            tag::TOPPED_UP => {
                let (order, cause) = (self.id()?, self.some_cause()?);
                let due = self.credits()?;
                let (grant, expires_at) = (self.grant_id()?, self.expiry()?);
                let (undone, moved, unowed) = (self.credits()?, self.movements()?, self.debts()?);
                EntryKind::ToppedUp { order, cause, due, grant, expires_at, undone, moved, unowed }
            }
            tag::REVERSED => {
                let (order, cause, due) = (self.id()?, self.cause()?, self.credits()?);
                EntryKind::Reversed { order, cause, due, credits: self.credits()? }
            }
            tag::DEBT_WAIVED => EntryKind::DebtWaived { debts: self.debts()? },
            tag::REVOKED => {
                let length = self.narrow()?;
                let fields = self.take(length)?;
                Reader::all(fields, |r| {
                    Ok(EntryKind::Revoked { grant: r.grant_id()?, kind: r.kind()? })
                })?
            }
            tag::CAPTURED_IN_PART => {
                let length = self.narrow()?;
                let uncharged = |r: &mut Reader<'_>| match r.credits()? {
                    credits if credits > Credits::ZERO => Ok(credits),
                    _ => Err(PackedError::Number),
                };
                let of = |r: &mut Reader<'_>| Ok((r.action()?, r.units()?));
                Reader::all(self.take(length)?, |r| r.captured(of, uncharged))?
            }
            tag::DEBIT_OF_CALL => {
                let length = self.narrow()?;
                let (action, quantity) = Reader::all(self.take(length)?, |r| r.call())?;
                EntryKind::Debit { action, quantity }
            }
            tag::HELD_FOR_CALL => {
                let length = self.narrow()?;
                Reader::all(self.take(length)?, |r| {
                    let (action, quantity) = r.call()?;
                    Ok(EntryKind::Held { action, quantity, expires_at: r.instant()? })
                })?
            }
            tag::CAPTURED_OF_CALL => {
                let length = self.narrow()?;
                let fields = self.take(length)?;
                Reader::all(fields, |r| r.captured(|r| r.call(), |r| r.credits()))?
            }
            measured if measured >= tag::MEASURED => {
                let length = self.narrow()?;
                EntryKind::Unknown { tag, fields: self.take(length)?.to_vec() }
            }
            // No version ever wrote these.
            _ => return Err(PackedError::Number),
        };
        let mut text = |flag| texts.remove(&flag);
        let (user, reference, key) = (text(USER), text(REFERENCE), text(KEY));
        let (reason, message, actor) = (text(REASON), text(MESSAGE), text(ACTOR));
        let mut entry = Entry {
            id,
            at,
            available,
            held,
            catalog,
            key,
            user,
            actor,
            reference,
            reason,
            message,
            kind,
        };
        if entry.by() == By::Operator {
            // No version ever wrote both.
            if entry.actor.is_some() {
                return Err(PackedError::Tag);
            }
            entry.actor = entry.user.take();
        }
        Ok(entry)
    }
}
