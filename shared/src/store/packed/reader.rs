//! Packed bytes to values. The reader returns on any input.

use super::form::{NEXT, PackedError, Result, SEATS};
use crate::domain::catalog::ActionNumber;
use crate::domain::hold::{HeldAction, HeldCall, HeldFor};
use crate::domain::limit::{Counter, HeldLimits, Limit, Per, Subject, Window};
use crate::domain::payment::Cause;
use crate::domain::period::{Anchor, Day, Period, week};
use crate::domain::usage::Used;
use crate::domain::{
    Credits, Debts, Grant, GrantId, GrantKind, Held, Instant, Movement, NextPlan, OperationId,
    PeriodAllowance, PlanTerms, Status,
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

    /// A status, and the flags beside it.
    fn plan_status(&mut self) -> Result<(Status, u8)> {
        let byte = self.byte()?;
        let flags = byte & (SEATS | NEXT);
        let status = Status::ALL.get(usize::from(byte - flags)).ok_or(PackedError::Tag)?;
        Ok((*status, flags))
    }

    /// Terms, and what is due to come after them.
    pub(super) fn plan(&mut self) -> Result<(PlanTerms, Option<NextPlan>)> {
        let plan = self.text()?;
        let (status, flags) = self.plan_status()?;
        let anchor = Day::from_days(self.narrow()?).map(Anchor).ok_or(PackedError::Number)?;
        let seats = if flags & SEATS != 0 { self.narrow()? } else { 1 };
        let terms = PlanTerms { plan, status, anchor, seats };
        if flags & NEXT == 0 {
            return Ok((terms, None));
        }
        let plan = self.text()?;
        let (status, flags) = self.plan_status()?;
        if flags != 0 {
            return Err(PackedError::Tag);
        }
        let (seats, at) = (self.narrow()?, self.instant()?);
        Ok((terms, Some(NextPlan { plan, status, seats, at })))
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
        let held = self.hold_purpose(amount)?;
        if self.0.is_empty() {
            return Ok(held);
        }
        let count: usize = self.narrow()?;
        let subjects = (0..count).map(|_| self.subject()).collect::<Result<Vec<Subject>>>()?;
        let of = |place: usize| subjects.get(place).ok_or(PackedError::Number);
        let (count, mut asked): (usize, _) = (self.narrow()?, Vec::new());
        for _ in 0..count {
            let of = of(self.narrow()?)?.clone();
            asked.push(Limit { of, per: self.per()?, at_most: self.credits()? });
        }
        let mut counts = Vec::new();
        while !self.0.is_empty() {
            let of = of(self.narrow()?)?.hash();
            counts.push(Counter { of, window: self.window()? });
        }
        Ok(Held { limits: HeldLimits { subjects, asked, counts }, ..held })
    }

    /// The terms of a hold but the limits that it counts for.
    pub(super) fn hold_purpose(&mut self, amount: Credits) -> Result<Held> {
        let (lapsed, expires_at) = (self.credits()?, self.instant()?);
        let limits = HeldLimits::default();
        let number = if self.0.is_empty() { 0 } else { self.narrow()? };
        if number == 0 {
            return Ok(Held { amount, lapsed, expires_at, purpose: HeldFor::Amount, limits });
        }
        let purpose = match (number, self.number()?) {
            (action, 0) => {
                let (model, catalog) = (self.narrow()?, self.narrow()?);
                if model == 0 {
                    return Err(PackedError::Number);
                }
                HeldFor::Call(HeldCall { action, model, catalog })
            }
            (number, quantity) => {
                let credits = self.credits()?;
                HeldFor::Action(HeldAction { number, quantity, credits, captured: 0 })
            }
        };
        Ok(Held { amount, lapsed, expires_at, purpose, limits })
    }

    pub(super) fn subject(&mut self) -> Result<Subject> {
        self.text()?.parse().map_err(|_| PackedError::Text)
    }

    pub(super) fn per(&mut self) -> Result<Per> {
        Per::ALL.get(usize::from(self.byte()?)).copied().ok_or(PackedError::Tag)
    }

    pub(super) fn window(&mut self) -> Result<Window> {
        let per = self.per()?;
        let from = match per {
            Per::Day | Per::Week | Per::Month => {
                Day::from_days(self.narrow()?).ok_or(PackedError::Number)?.start()
            }
            Per::Period => self.instant()?,
            Per::Ever => Instant::EPOCH,
        };
        Ok(Window { per, from })
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
    pub(super) fn some_cause(&mut self) -> Result<Option<Cause>> {
        match self.byte()?.checked_sub(1) {
            None => Ok(None),
            Some(n) => Cause::ALL.get(usize::from(n)).copied().map(Some).ok_or(PackedError::Tag),
        }
    }

    pub(super) fn cause(&mut self) -> Result<Cause> {
        self.some_cause()?.ok_or(PackedError::Tag)
    }
}
