//! The packed form of an item's bytes: small, because DynamoDB charges by the KB.
//!
//! Numbers are little-endian base 128 with a continuation bit. Signed numbers are zigzagged first,
//! so that small ones stay short. Texts carry their length.

mod form;
mod read_entry;
mod reader;
mod write_limits;
mod writer;

use std::collections::BTreeMap;

use crate::domain::grant::BurnOrder;
use crate::domain::hold::{Held, HeldAction, HeldCall, HeldFor};
use crate::domain::limit::{OwnLimits, Per, Subject};
use crate::domain::usage::{Used, Who};
use crate::domain::{
    Credits, Debts, Entry, Instant, OperationId, PendingChange, PeriodAllowance, PlanState, Usage,
};
pub use form::PackedError;
use form::Result;
use reader::Reader;
use writer::Writer;

pub fn entry(entry: &Entry) -> Vec<u8> {
    let mut w = Writer::default();
    w.entry(entry);
    w.0
}

pub fn read_entry(id: OperationId, bytes: &[u8]) -> Result<Entry> {
    Reader::all(bytes, |r| r.entry(id))
}

/// The entries of a segment: ids and payloads, one after the other.
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

pub fn burn_order(burn_order: &BurnOrder) -> Vec<u8> {
    let mut w = Writer::default();
    burn_order.grants().iter().for_each(|grant| w.grant(grant));
    w.0
}

pub fn read_burn_order(bytes: &[u8]) -> Result<BurnOrder> {
    let mut r = Reader(bytes);
    let mut grants = Vec::new();
    while !r.0.is_empty() {
        grants.push(r.grant()?);
    }
    Ok(BurnOrder::new(grants))
}

pub fn limits(own: &OwnLimits) -> Vec<u8> {
    let mut w = Writer::default();
    for ((of, per), at_most) in &own.limits {
        w.text(of.as_str());
        w.per(*per);
        w.credits(*at_most);
    }
    w.0
}

pub fn read_limits(bytes: &[u8]) -> Result<BTreeMap<(Subject, Per), Credits>> {
    let (mut r, mut limits) = (Reader(bytes), BTreeMap::new());
    while !r.0.is_empty() {
        let key = (r.subject()?, r.per()?);
        limits.insert(key, r.credits()?);
    }
    Ok(limits)
}

pub fn debts(debts: &Debts) -> Vec<u8> {
    let mut w = Writer::default();
    w.debts(debts);
    w.0
}

pub fn read_debts(bytes: &[u8]) -> Result<Debts> {
    Reader::all(bytes, |r| r.debts())
}

pub fn pending_change(note: &PendingChange) -> Vec<u8> {
    let mut w = Writer::default();
    match note {
        PendingChange::Grant { grant, at } => {
            w.byte(0);
            w.grant(grant);
            w.instant(*at);
        }
        PendingChange::Plan { terms, next, restart, at, entry } => {
            w.byte(1);
            w.plan(terms, next.as_ref());
            w.byte(u8::from(*restart));
            w.instant(*at);
            w.id(*entry);
        }
        PendingChange::TakenBack { grant, credits, cause, at } => {
            w.byte(2);
            w.grant_id(*grant);
            w.cause(Some(*cause));
            w.credits(*credits);
            w.instant(*at);
        }
        PendingChange::Returned(grant) => {
            w.byte(3);
            w.grant(grant);
        }
    }
    w.0
}

pub fn read_pending_change(bytes: &[u8]) -> Result<PendingChange> {
    Reader::all(bytes, |r| match r.byte()? {
        0 => Ok(PendingChange::Grant { grant: r.grant()?, at: r.instant()? }),
        1 => {
            let (terms, next) = r.plan()?;
            let (restart, at) = (r.flag()?, r.instant()?);
            Ok(PendingChange::Plan { terms, next, restart, at, entry: r.id()? })
        }
        2 => {
            let (grant, cause) = (r.grant_id()?, r.cause()?);
            Ok(PendingChange::TakenBack { grant, credits: r.credits()?, cause, at: r.instant()? })
        }
        3 => Ok(PendingChange::Returned(r.grant()?)),
        _ => Err(PackedError::Tag),
    })
}

/// The terms of a hold: all but its amount and how much of its quantity was captured.
pub fn hold_terms(held: &Held) -> Vec<u8> {
    let mut w = Writer::default();
    w.credits(held.lapsed);
    w.instant(held.expires_at);
    match held.purpose {
        HeldFor::Amount if held.limits.subjects.is_empty() => {}
        // No action is 0.
        HeldFor::Amount => w.number(0),
        HeldFor::Action(HeldAction { number, quantity, credits, captured: _ }) => {
            w.number(u64::from(number));
            w.number(quantity);
            w.credits(credits);
        }
        HeldFor::Call(HeldCall { action, model, catalog }) => {
            w.number(u64::from(action));
            // No quantity is 0.
            w.number(0);
            w.number(u64::from(model));
            w.number(u64::from(catalog));
        }
    }
    w.held_limits(&held.limits);
    w.0
}

/// The hold with these terms, of this amount, of which this quantity was captured.
pub fn read_hold_terms(bytes: &[u8], amount: Credits, captured: u64) -> Result<Held> {
    Reader::all(bytes, |r| {
        let mut held = r.hold_terms(amount)?;
        if let HeldFor::Action(action) = &mut held.purpose {
            action.captured = captured;
        }
        Ok(held)
    })
}

/// A hold as version 0.1.0 wrote it: all of it in one.
pub fn read_whole_hold(bytes: &[u8]) -> Result<Held> {
    Reader::all(bytes, |r| {
        let amount = r.credits()?;
        let mut held = r.hold_purpose(amount)?;
        if let HeldFor::Action(action) = &mut held.purpose {
            action.captured = r.number()?;
        }
        Ok(held)
    })
}

pub fn plan_state(plan_state: &PlanState) -> Vec<u8> {
    let mut w = Writer::default();
    w.plan(&plan_state.terms, plan_state.next.as_ref());
    w.id(plan_state.since);
    // The length of a week is fixed, so its start is enough.
    w.instant(plan_state.weekly.period.start);
    w.credits(plan_state.weekly.amount);
    let PeriodAllowance { period, amount, until } = plan_state.monthly;
    w.instant(period.start);
    w.instant(period.end);
    w.credits(amount);
    // Most allowances end with their period, so the difference is short.
    w.signed((until - period.end).ms());
    w.instant(plan_state.counted_from);
    w.instant(plan_state.counted_until);
    // The latest arrival is usually a recharge, so it takes no bytes: each byte counts where an
    // account is near a whole KB.
    if plan_state.filled_at != plan_state.recharged_at() {
        w.signed((plan_state.filled_at - plan_state.counted_from).ms());
    }
    w.0
}

pub fn read_standing(bytes: &[u8]) -> Result<PlanState> {
    Reader::all(bytes, |r| {
        let (terms, next) = r.plan()?;
        let since = r.id()?;
        let (weekly, monthly) = (r.week()?, r.given()?);
        let (counted_from, counted_until) = (r.instant()?, r.instant()?);
        let filled_at = if r.0.is_empty() { None } else { Some(r.beside(counted_from)?) };
        let mut plan_state = PlanState {
            terms,
            next,
            since,
            weekly,
            monthly,
            counted_from,
            counted_until,
            filled_at: Instant::EPOCH,
        };
        plan_state.filled_at = filled_at.unwrap_or(plan_state.recharged_at());
        Ok(plan_state)
    })
}

pub fn usage(usage: &Usage) -> Vec<u8> {
    let mut w = Writer::default();
    w.number(usage.actions.len() as u64);
    for (action, used) in &usage.actions {
        w.number(u64::from(*action));
        w.used(*used);
    }
    for (who, used) in &usage.users {
        match who {
            Who::User(user) => {
                w.byte(1);
                w.text(user);
            }
            Who::Nobody => w.byte(2),
            Who::Others => w.byte(3),
        }
        w.used(*used);
    }
    for ((action, model), used) in &usage.models {
        w.byte(4);
        w.number(u64::from(*action));
        w.number(u64::from(*model));
        w.used(*used);
    }
    w.0
}

pub fn read_usage(bytes: &[u8]) -> Result<Usage> {
    let mut r = Reader(bytes);
    let mut usage = Usage::default();
    let count: usize = r.narrow()?;
    for _ in 0..count {
        let (action, used) = (r.narrow()?, r.used()?);
        usage.actions.insert(action, used);
    }
    while !r.0.is_empty() {
        let who = match r.byte()? {
            1 => Who::User(r.text()?),
            2 => Who::Nobody,
            3 => Who::Others,
            4 => {
                let model = (r.narrow()?, r.narrow()?);
                usage.models.insert(model, r.used()?);
                continue;
            }
            _ => return Err(PackedError::Tag),
        };
        usage.users.insert(who, r.used()?);
    }
    let users: Used = usage.users.values().copied().sum();
    match users == usage.actions.values().copied().sum() && usage.has_fitting_models() {
        true => Ok(usage),
        false => Err(PackedError::Number),
    }
}
