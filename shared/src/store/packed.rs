//! The packed form of what an item holds in bytes: small, because DynamoDB charges by the KB.
//!
//! Numbers are little-endian base 128 with a continuation bit; signed ones are zigzagged first, so
//! that small ones stay short. Texts carry their length.

use std::collections::BTreeMap;

use crate::domain::account::Held;
use crate::domain::grant::Line;
use crate::domain::period::{Anchor, Period};
use crate::domain::{
    Credits, Entry, Given, Grant, GrantId, GrantKind, Instant, Movement, Note, OperationId,
    Standing, Status, What,
};

/// What is wrong with packed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    #[error("it ends too early")]
    Short,
    #[error("it goes on after its end")]
    Long,
    #[error("a number is out of range")]
    Number,
    #[error("a text is not UTF-8")]
    Text,
    #[error("it has an unknown tag")]
    Tag,
}

type Result<T> = std::result::Result<T, PackedError>;

// ---------------------------------------------------------------- what an item holds

pub fn entry(entry: &Entry) -> Vec<u8> {
    let mut w = Writer::default();
    w.entry(entry);
    w.0
}

pub fn read_entry(id: OperationId, bytes: &[u8]) -> Result<Entry> {
    Reader::all(bytes, |r| r.entry(id))
}

/// The entries of a page: ids and payloads, one after the other.
pub fn entries(entries: &[Entry]) -> Vec<u8> {
    let mut w = Writer::default();
    for entry in entries {
        w.id(entry.id);
        w.entry(entry);
    }
    w.0
}

pub fn read_entries(bytes: &[u8]) -> Result<Vec<Entry>> {
    let mut r = Reader(bytes);
    let mut entries = Vec::new();
    while !r.0.is_empty() {
        let id = r.id()?;
        entries.push(r.entry(id)?);
    }
    Ok(entries)
}

pub fn line(line: &Line) -> Vec<u8> {
    let mut w = Writer::default();
    line.grants().iter().for_each(|grant| w.grant(grant));
    w.0
}

pub fn read_line(bytes: &[u8]) -> Result<Line> {
    let mut r = Reader(bytes);
    let mut grants = Vec::new();
    while !r.0.is_empty() {
        grants.push(r.grant()?);
    }
    Ok(Line::new(grants))
}

pub fn note(note: &Note) -> Vec<u8> {
    let mut w = Writer::default();
    match note {
        Note::Grant(grant) => {
            w.byte(0);
            w.grant(grant);
        }
        Note::Plan { plan, status, anchor, at } => {
            w.byte(1);
            w.plan(plan, *status, *anchor);
            w.instant(*at);
        }
    }
    w.0
}

pub fn read_note(bytes: &[u8]) -> Result<Note> {
    Reader::all(bytes, |r| match r.byte()? {
        0 => Ok(Note::Grant(r.grant()?)),
        1 => {
            let (plan, status, anchor) = r.plan()?;
            Ok(Note::Plan { plan, status, anchor, at: r.instant()? })
        }
        _ => Err(PackedError::Tag),
    })
}

pub fn held(held: &Held) -> Vec<u8> {
    let mut w = Writer::default();
    w.credits(held.amount);
    w.credits(held.lapsed);
    w.instant(held.expires_at);
    w.0
}

pub fn read_held(bytes: &[u8]) -> Result<Held> {
    Reader::all(bytes, |r| {
        Ok(Held { amount: r.credits()?, lapsed: r.credits()?, expires_at: r.instant()? })
    })
}

pub fn standing(standing: &Standing) -> Vec<u8> {
    let mut w = Writer::default();
    w.plan(&standing.plan, standing.status, standing.anchor);
    for given in [standing.weekly, standing.monthly] {
        w.instant(given.period.start);
        w.instant(given.period.end);
        w.credits(given.amount);
    }
    w.instant(standing.counted_from);
    w.instant(standing.counted_until);
    w.0
}

pub fn read_standing(bytes: &[u8]) -> Result<Standing> {
    Reader::all(bytes, |r| {
        let (plan, status, anchor) = r.plan()?;
        let weekly = r.given()?;
        let monthly = r.given()?;
        let (counted_from, counted_until) = (r.instant()?, r.instant()?);
        Ok(Standing { plan, status, anchor, weekly, monthly, counted_from, counted_until })
    })
}

// ---------------------------------------------------------------- flags and tags

const HELD: u8 = 1;
const USER: u8 = 2;
const REFERENCE: u8 = 4;
const REASON: u8 = 8;
const KEY: u8 = 16;
const REPEATABLE: u8 = 32;

/// The tags of [`What`], for ever: 0 is not one, so that zeroed bytes are refused.
mod tag {
    pub const OPENED: u8 = 1;
    pub const DEBIT: u8 = 2;
    pub const GRANTED: u8 = 3;
    pub const SETTLED: u8 = 4;
    pub const PLAN_CHANGED: u8 = 5;
    pub const FROZEN: u8 = 6;
    pub const UNFROZEN: u8 = 7;
}

// ---------------------------------------------------------------- writing

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.byte(n as u8 | 0x80);
            n >>= 7;
        }
        self.byte(n as u8);
    }

    fn signed(&mut self, n: i64) {
        self.number(((n << 1) ^ (n >> 63)) as u64);
    }

    fn credits(&mut self, credits: Credits) {
        self.signed(credits.micro());
    }

    fn instant(&mut self, at: Instant) {
        self.number(at.ms() as u64);
    }

    /// None is the epoch, at which nothing expires.
    fn expiry(&mut self, at: Option<Instant>) {
        self.instant(at.unwrap_or(Instant::EPOCH));
    }

    fn id(&mut self, id: OperationId) {
        self.0.extend_from_slice(id.bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn plan(&mut self, plan: &str, status: Status, anchor: Anchor) {
        self.text(plan);
        self.byte(Status::ALL.iter().position(|s| *s == status).unwrap_or_default() as u8);
        self.number(u64::from(anchor.days()));
    }

    fn kind(&mut self, kind: GrantKind) {
        self.byte(GrantKind::ALL.iter().position(|k| *k == kind).unwrap_or_default() as u8);
    }

    fn grant_id(&mut self, id: GrantId) {
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

    fn grant(&mut self, grant: &Grant) {
        self.grant_id(grant.id);
        self.kind(grant.kind);
        self.credits(grant.left);
        // What was used of it: zero, in one byte, for most grants.
        self.credits(grant.amount - grant.left);
        self.instant(grant.granted_at);
        self.expiry(grant.expires_at);
    }

    fn movements(&mut self, moved: &[Movement]) {
        self.number(moved.len() as u64);
        for movement in moved {
            self.grant_id(movement.grant);
            self.kind(movement.kind);
            self.credits(movement.credits);
            self.expiry(movement.expires_at);
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.byte(match &entry.what {
            What::Opened { .. } => tag::OPENED,
            What::Debit { .. } => tag::DEBIT,
            What::Granted { .. } => tag::GRANTED,
            What::Settled { .. } => tag::SETTLED,
            What::PlanChanged { .. } => tag::PLAN_CHANGED,
            What::Frozen => tag::FROZEN,
            What::Unfrozen => tag::UNFROZEN,
        });
        let texts = [
            (USER, &entry.user),
            (REFERENCE, &entry.reference),
            (REASON, &entry.reason),
            (KEY, &entry.key),
        ];
        let mut flags = if entry.repeatable { REPEATABLE } else { 0 };
        flags |= if entry.held.is_zero() { 0 } else { HELD };
        flags |= texts.iter().filter(|(_, text)| text.is_some()).map(|(flag, _)| flag).sum::<u8>();
        self.byte(flags);
        // Both stamps are of the same minute for most entries: the difference is short.
        self.signed((entry.at - entry.id.time()).ms());
        self.credits(entry.available);
        if !entry.held.is_zero() {
            self.credits(entry.held);
        }
        self.number(u64::from(entry.catalog));
        texts.iter().filter_map(|(_, text)| text.as_deref()).for_each(|text| self.text(text));
        match &entry.what {
            What::Opened { plan, status, anchor, moved } => {
                self.plan(plan, *status, *anchor);
                self.movements(moved);
            }
            What::Debit { action, quantity } => {
                self.number(u64::from(action.unwrap_or(0)));
                self.number(*quantity);
            }
            What::Granted { kind, expires_at } => {
                self.kind(*kind);
                self.expiry(*expires_at);
            }
            What::Settled { moved } => self.movements(moved),
            What::PlanChanged { plan, status, anchor } => self.plan(plan, *status, *anchor),
            What::Frozen | What::Unfrozen => {}
        }
    }
}

// ---------------------------------------------------------------- reading

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn all<T>(bytes: &[u8], read: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<T> {
        let mut r = Reader(bytes);
        let value = read(&mut r)?;
        if r.0.is_empty() { Ok(value) } else { Err(PackedError::Long) }
    }

    fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.0.split_first().ok_or(PackedError::Short)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64> {
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

    fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T> {
        T::try_from(self.number()?).map_err(|_| PackedError::Number)
    }

    fn signed(&mut self) -> Result<i64> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    fn credits(&mut self) -> Result<Credits> {
        self.signed().map(Credits::from_micro)
    }

    fn instant(&mut self) -> Result<Instant> {
        let ms: i64 = self.narrow()?;
        if ms > Instant::MAX.ms() {
            return Err(PackedError::Number);
        }
        Ok(Instant::from_ms(ms))
    }

    fn expiry(&mut self) -> Result<Option<Instant>> {
        Ok(Some(self.instant()?).filter(|at| *at > Instant::EPOCH))
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(PackedError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn id(&mut self) -> Result<OperationId> {
        let bytes = self.take(16)?.try_into().map_err(|_| PackedError::Short)?;
        Ok(OperationId::from_bytes(bytes))
    }

    fn text(&mut self) -> Result<String> {
        let length = self.narrow()?;
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| PackedError::Text)
    }

    fn plan(&mut self) -> Result<(String, Status, Anchor)> {
        let plan = self.text()?;
        let status = *Status::ALL.get(usize::from(self.byte()?)).ok_or(PackedError::Tag)?;
        let anchor = Anchor::from_days(self.narrow()?).ok_or(PackedError::Number)?;
        Ok((plan, status, anchor))
    }

    fn kind(&mut self) -> Result<GrantKind> {
        GrantKind::ALL.get(usize::from(self.byte()?)).copied().ok_or(PackedError::Tag)
    }

    fn given(&mut self) -> Result<Given> {
        let period = Period { start: self.instant()?, end: self.instant()? };
        Ok(Given { period, amount: self.credits()? })
    }

    fn grant_id(&mut self) -> Result<GrantId> {
        match self.byte()? {
            0 => Ok(GrantId::Week(self.instant()?)),
            1 => Ok(GrantId::Period(self.instant()?)),
            2 => Ok(GrantId::Operation(self.id()?)),
            _ => Err(PackedError::Tag),
        }
    }

    fn grant(&mut self) -> Result<Grant> {
        let (id, kind, left) = (self.grant_id()?, self.kind()?, self.credits()?);
        let used = self.credits()?;
        let amount = left.micro().checked_add(used.micro()).ok_or(PackedError::Number)?;
        let amount = Credits::from_micro(amount);
        Ok(Grant {
            id,
            kind,
            amount,
            left,
            granted_at: self.instant()?,
            expires_at: self.expiry()?,
        })
    }

    fn movements(&mut self) -> Result<Vec<Movement>> {
        let count: usize = self.narrow()?;
        let mut moved = Vec::new();
        for _ in 0..count {
            let (grant, kind) = (self.grant_id()?, self.kind()?);
            let (credits, expires_at) = (self.credits()?, self.expiry()?);
            moved.push(Movement { grant, kind, credits, expires_at });
        }
        Ok(moved)
    }

    fn entry(&mut self, id: OperationId) -> Result<Entry> {
        let (tag, flags) = (self.byte()?, self.byte()?);
        let at = id.time().ms().checked_add(self.signed()?).ok_or(PackedError::Number)?;
        let at = Instant::from_ms(at);
        let available = self.credits()?;
        let held = if flags & HELD != 0 { self.credits()? } else { Credits::ZERO };
        let catalog = self.narrow()?;
        let mut texts = BTreeMap::new();
        for flag in [USER, REFERENCE, REASON, KEY] {
            if flags & flag != 0 {
                texts.insert(flag, self.text()?);
            }
        }
        let what = match tag {
            tag::OPENED => {
                let (plan, status, anchor) = self.plan()?;
                What::Opened { plan, status, anchor, moved: self.movements()? }
            }
            tag::DEBIT => {
                let action: u16 = self.narrow()?;
                What::Debit { action: Some(action).filter(|n| *n > 0), quantity: self.number()? }
            }
            tag::GRANTED => What::Granted { kind: self.kind()?, expires_at: self.expiry()? },
            tag::SETTLED => What::Settled { moved: self.movements()? },
            tag::PLAN_CHANGED => {
                let (plan, status, anchor) = self.plan()?;
                What::PlanChanged { plan, status, anchor }
            }
            tag::FROZEN => What::Frozen,
            tag::UNFROZEN => What::Unfrozen,
            _ => return Err(PackedError::Tag),
        };
        let mut text = |flag| texts.remove(&flag);
        let (user, reference, reason, key) = (text(USER), text(REFERENCE), text(REASON), text(KEY));
        let repeatable = flags & REPEATABLE != 0;
        Ok(Entry {
            id,
            repeatable,
            at,
            available,
            held,
            catalog,
            key,
            user,
            reference,
            reason,
            what,
        })
    }
}
