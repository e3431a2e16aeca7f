//! Packed bytes to an entry.

use super::form::{
    ACTOR, COUNTS, HELD, KEY, MESSAGE, MORE, PERS, PackedError, REASON, REFERENCE, Result,
    SUBJECTS, USER, tag,
};
use super::reader::Reader;
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::{By, Quantity};
use crate::domain::grant::BurnOrder;
use crate::domain::limit::{Counted, Per, Subject, Window};
use crate::domain::meters::{MAX_COUNT, Meter, Meters};
use crate::domain::period::week;
use crate::domain::rates::ModelNumber;
use crate::domain::{Credits, DebtChange, Entry, EntryKind, Instant, OperationId};

impl Reader<'_> {
    pub(super) fn entry(&mut self, id: OperationId) -> Result<Entry> {
        let (tag, flags) = (self.byte()?, self.byte()?);
        let at = self.beside(id.time())?;
        let available = self.credits()?;
        let held = if flags & HELD != 0 { self.credits()? } else { Credits::ZERO };
        let catalog = self.narrow()?;
        let mut text = |flag| (flags & flag != 0).then(|| self.text()).transpose();
        let (user, reference, reason) = (text(USER)?, text(REFERENCE)?, text(REASON)?);
        let (key, message, actor) = (text(KEY)?, text(MESSAGE)?, text(ACTOR)?);
        let (subjects, counts) = match flags & MORE {
            0 => (Vec::new(), Vec::new()),
            _ => self.limited(at, user.as_deref())?,
        };
        let kind = self.entry_kind(tag, at)?;
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
            subjects,
            counts,
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

    /// The subjects beside the user, and what is counted.
    fn limited(&mut self, at: Instant, user: Option<&str>) -> Result<(Vec<Subject>, Vec<Counted>)> {
        let flags = self.byte()?;
        if flags == 0 || flags & !(SUBJECTS | COUNTS) != 0 {
            return Err(PackedError::Tag);
        }
        let mut subjects = Vec::new();
        if flags & SUBJECTS != 0 {
            let count: usize = self.narrow()?;
            subjects = (0..count).map(|_| self.subject()).collect::<Result<_>>()?;
        }
        let mut counts = Vec::new();
        if flags & COUNTS != 0 {
            let known: Vec<Subject> =
                user.map(Subject::user).into_iter().chain(subjects.iter().cloned()).collect();
            let count: usize = self.narrow()?;
            for _ in 0..count {
                let place_and_per = self.number()?;
                let per = Per::ALL.get((place_and_per % PERS) as usize);
                let per = *per.ok_or(PackedError::Tag)?;
                let of = match (place_and_per / PERS) as usize {
                    0 => self.subject()?,
                    place => known.get(place - 1).cloned().ok_or(PackedError::Number)?,
                };
                let mut window = Window::at(per, at, week(at));
                if per == Per::Period {
                    window.from = self.instant()?;
                }
                counts.push(Counted { of, window, at_most: self.credits()? });
            }
        }
        Ok((subjects, counts))
    }

    /// The fields of the kind with this tag, of an entry that was stamped `at`.
    fn entry_kind(&mut self, tag: u8, at: Instant) -> Result<EntryKind> {
        Ok(match tag {
            tag::OPENED => {
                let (terms, None) = self.plan()? else { return Err(PackedError::Tag) };
                EntryKind::Opened { terms, moved: self.movements()? }
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
            tag::REFUNDED => self.refunded(|_, _| Ok(None))?,
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
                let (terms, next) = self.plan()?;
                EntryKind::PlanChanged { terms, next }
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
                let uncharged = |r: &mut Reader<'_>| match r.credits()? {
                    credits if credits >= Credits::ZERO => Ok(credits),
                    _ => Err(PackedError::Number),
                };
                Reader::all(fields, |r| r.captured(|r| r.call(), uncharged))?
            }
            tag::REFUNDED_OF_CALL => {
                let length = self.narrow()?;
                let of = |r: &mut Reader<'_>, action: Option<_>| match (action, r.narrow()?) {
                    (None, _) | (_, 0) => Err(PackedError::Number),
                    (_, model) => Ok(Some(model)),
                };
                Reader::all(self.take(length)?, |r| r.refunded(of))?
            }
            tag::LIMIT_SET => {
                let length = self.narrow()?;
                Reader::all(self.take(length)?, |r| {
                    let (of, per, forgotten) = (r.subject()?, r.per()?, r.flag()?);
                    let at_most = if r.0.is_empty() { None } else { Some(r.credits()?) };
                    Ok(EntryKind::LimitSet { of, per, at_most, forgotten })
                })?
            }
            measured if measured >= tag::MEASURED => {
                let length = self.narrow()?;
                EntryKind::Unknown { tag, fields: self.take(length)?.to_vec() }
            }
            // No version ever wrote these.
            _ => return Err(PackedError::Number),
        })
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
        if action.is_none() || model == 0 || counted >> Meter::ALL.len() != 0 {
            return Err(PackedError::Number);
        }
        for (place, meter) in Meter::ALL.into_iter().enumerate() {
            if counted >> place & 1 != 0 {
                meters.set(meter, self.number()?);
            }
        }
        // A meter that counts nothing is not written.
        let all_count = meters.counted().count() == counted.count_ones() as usize;
        match all_count && meters.counted().all(|(_, count)| count <= MAX_COUNT) {
            true => Ok((action, Quantity::Call(model, meters))),
            false => Err(PackedError::Number),
        }
    }

    /// A refund, with the model of what it gives back.
    fn refunded(
        &mut self,
        of: impl FnOnce(&mut Self, Option<ActionNumber>) -> Result<Option<ModelNumber>>,
    ) -> Result<EntryKind> {
        let (debit, credits) = (self.id()?, self.credits()?);
        let action = self.action()?;
        let model = of(self, action)?;
        let of = Some((self.number()?, self.credits()?)).filter(|(seq, _)| *seq > 0);
        let (moved, unowed) = (self.movements()?, self.debts()?);
        Ok(EntryKind::Refunded { debit, credits, action, model, of, moved, unowed })
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
}
