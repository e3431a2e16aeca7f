//! The account item: written whole when the account is opened, read, and measured.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Attributes, Item, bytes, number, text};
use super::table::{ACCOUNT, account, counter_key, hold_key, read_counter_key, read_hold_key};
use super::{StoreError, packed};
use crate::decide::archive::Weight;
use crate::domain::auto_top_up::Threshold;
use crate::domain::hold::HeldFor;
use crate::domain::{Account, AccountId, Credits, Debts, Gate, Held, Instant};

pub(super) fn gate_bits(gate: Gate) -> u8 {
    let frozen = if gate.frozen { account::GATE_FROZEN } else { 0 };
    let no_plan = if gate.no_plan { account::GATE_NO_PLAN } else { 0 };
    let in_debt = if gate.in_debt { account::GATE_IN_DEBT } else { 0 };
    frozen + no_plan + in_debt
}

pub(super) fn read_gate(bits: u8) -> Gate {
    Gate {
        frozen: bits & account::GATE_FROZEN != 0,
        no_plan: bits & account::GATE_NO_PLAN != 0,
        in_debt: bits & account::GATE_IN_DEBT != 0,
    }
}

pub(super) fn consumed(account: &Account) -> AttributeValue {
    let entries =
        account.consumed.iter().map(|(n, credits)| (n.to_string(), number(credits.micro())));
    AttributeValue::M(entries.collect())
}

pub(super) fn holds(account: &Account) -> AttributeValue {
    let holds = account.holds.iter().map(|(id, held)| (hold_key(id), hold(held)));
    AttributeValue::M(holds.collect())
}

pub(super) fn hold(held: &Held) -> AttributeValue {
    let captured = match held.purpose {
        HeldFor::Action(action) => Some((account::HOLD_CAPTURED, number(action.captured))),
        HeldFor::Amount | HeldFor::Call(_) => None,
    };
    let rest = [
        (account::HOLD_AMOUNT, number(held.amount.micro())),
        (account::HOLD_TERMS, bytes(packed::hold_terms(held))),
    ];
    let parts = rest.into_iter().chain(captured).map(|(name, value)| (name.to_owned(), value));
    AttributeValue::M(parts.collect())
}

/// A hold, and whether it is stored as version 0.1.0 did.
fn read_hold(row: &Attributes<'_>, value: &AttributeValue) -> Result<(Held, bool), StoreError> {
    let AttributeValue::M(parts) = value else {
        let held = packed::read_whole_hold(row.bytes_of(account::HOLDS, value)?);
        return Ok((row.packed(account::HOLDS, held)?, true));
    };
    let part = |name| parts.get(name).ok_or_else(|| row.broken(account::HOLDS, "lacks a part"));
    let amount = row.number_of(account::HOLDS, part(account::HOLD_AMOUNT)?)?;
    let captured = parts.get(account::HOLD_CAPTURED);
    let captured = captured.map(|captured| row.number_of(account::HOLDS, captured)).transpose()?;
    let terms = row.bytes_of(account::HOLDS, part(account::HOLD_TERMS)?)?;
    let held =
        packed::read_hold_terms(terms, Credits::from_micro(amount), captured.unwrap_or_default());
    let held = row.packed(account::HOLDS, held)?;
    match matches!(held.purpose, HeldFor::Action(_)) == captured.is_some() {
        true => Ok((held, false)),
        false => Err(row.broken(account::HOLDS, "has a captured quantity of no action, or none")),
    }
}

/// The whole item of a new account.
pub(super) fn account_item(a: &Account) -> Item {
    debug_assert!(
        a.available >= Credits::ZERO && a.pending_changes.is_empty() && a.debts.is_empty()
    );
    let ids = a.recent.iter().map(|entry| bytes(*entry.id.bytes())).collect();
    let payloads = a.recent.iter().map(|entry| bytes(packed::entry(entry))).collect();
    let mut item = Item::from_iter(
        [
            (ACCOUNT, text(a.id.as_str())),
            (account::AVAILABLE, number(a.available.micro())),
            (account::BURN_ORDER, bytes(packed::burn_order(&a.burn_order))),
            (account::VALID_UNTIL, number(a.valid_until.ms())),
            (account::HOLDS, holds(a)),
            (account::CONSUMED, consumed(a)),
            (account::PLAN_STATE, bytes(packed::plan_state(&a.plan_state))),
            (account::SEQ, number(a.seq)),
            (account::ARCHIVED_SEQ, number(a.archived_seq)),
            (account::ADVANCED_SEQ, number(a.advanced_seq)),
            (account::ADVANCED_AT, number(a.advanced_at.ms())),
            (account::DEDUP_FLOOR, number(a.dedup_floor.ms())),
            (account::ARCHIVED_AT, number(a.archived_at.ms())),
            (account::RECENT_IDS, AttributeValue::L(ids)),
            (account::RECENT_PAYLOADS, AttributeValue::L(payloads)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    for (counter, used) in &a.used {
        item.insert(counter_key(counter), number(used.micro()));
    }
    if a.limits_version > 0 {
        item.insert(account::LIMITS_VERSION.to_owned(), number(a.limits_version));
    }
    if let Some(threshold) = a.threshold {
        item.insert(account::THRESHOLD.to_owned(), number(threshold.below.micro()));
        item.insert(account::THRESHOLD_SET.to_owned(), number(threshold.set));
    }
    if !a.gate.is_open() {
        item.insert(account::GATE.to_owned(), number(gate_bits(a.gate)));
    }
    item
}

pub(super) fn read_account_key(key: &Item) -> Result<AccountId, StoreError> {
    Attributes::of("accounts", key).parsed(ACCOUNT)
}

pub(super) fn read_account(item: &Item) -> Result<Account, StoreError> {
    let (row, read) = (Attributes::of("accounts", item), read_account_as_written(item)?);
    // Every reader relies on these checks, so they are made once, here.
    if read.available < Credits::ZERO {
        return Err(row.broken(account::AVAILABLE, "is below zero"));
    }
    if read.archived_seq + read.recent.len() as u64 != read.seq {
        return Err(row.broken(account::SEQ, "is not the number of entries"));
    }
    let spent = read.spent();
    if spent < Credits::ZERO || spent > read.whole_order().left() {
        return Err(row.broken(account::BURN_ORDER, "has fewer credits than were spent"));
    }
    Ok(read)
}

/// An account that may contradict itself: for the callers that report the contradiction.
pub(super) fn read_account_as_written(item: &Item) -> Result<Account, StoreError> {
    let row = Attributes::of("accounts", item);
    let id: AccountId = row.parsed(ACCOUNT)?;
    let ids = row.list(account::RECENT_IDS)?;
    let payloads = row.list(account::RECENT_PAYLOADS)?;
    if ids.len() != payloads.len() {
        return Err(row.broken(account::RECENT_PAYLOADS, "is not as long as the list of ids"));
    }
    let mut recent = Vec::with_capacity(ids.len());
    for (id, payload) in ids.iter().zip(payloads) {
        let id = row.id_of(account::RECENT_IDS, id)?;
        let payload = row.bytes_of(account::RECENT_PAYLOADS, payload)?;
        recent.push(row.packed(account::RECENT_PAYLOADS, packed::read_entry(id, payload))?);
    }
    let mut pending_changes = Vec::new();
    for note in row.optional_list(account::PENDING_CHANGES)? {
        let note = packed::read_pending_change(row.bytes_of(account::PENDING_CHANGES, note)?);
        pending_changes.push(row.packed(account::PENDING_CHANGES, note)?);
    }
    let mut holds = BTreeMap::new();
    let mut valid_until = row.instant(account::VALID_UNTIL)?;
    for (id, held) in row.map(account::HOLDS)? {
        let id = read_hold_key(id);
        let id = id.ok_or_else(|| row.broken(account::HOLDS, "has a key that is no id"))?;
        let (held, whole) = read_hold(&row, held)?;
        holds.insert(id, held);
        // No condition on such a hold is ever met. So an operation that needs one advances the
        // account first, and an advance writes all holds anew.
        if whole {
            valid_until = Instant::EPOCH;
        }
    }
    let mut consumed = BTreeMap::new();
    for (action, micro) in row.map(account::CONSUMED)? {
        let number = action.parse();
        let number = number.map_err(|_| row.broken(account::CONSUMED, "has an odd key"))?;
        let micro = row.number_of(account::CONSUMED, micro)?;
        consumed.insert(number, Credits::from_micro(micro));
    }
    let mut used = BTreeMap::new();
    for (name, micro) in item.iter().filter(|(name, _)| name.starts_with(char::is_uppercase)) {
        let counter = read_counter_key(name);
        let counter = counter.ok_or_else(|| row.broken(name, "is not the key of a count"))?;
        used.insert(counter, Credits::from_micro(row.number_of(name, micro)?));
    }
    let burn_order = packed::read_burn_order(row.bytes(account::BURN_ORDER)?);
    let plan_state = packed::read_standing(row.bytes(account::PLAN_STATE)?);
    let debts = match row.optional_bytes(account::DEBTS)? {
        Some(debts) => row.packed(account::DEBTS, packed::read_debts(debts))?,
        None => Debts::NONE,
    };
    let threshold = match row.optional_number(account::THRESHOLD)? {
        Some(micro) => Some(Threshold {
            below: Credits::from_micro(micro),
            set: row.number(account::THRESHOLD_SET)?,
        }),
        None => None,
    };
    let gate = row.optional_number::<u8>(account::GATE)?.unwrap_or(0);
    Ok(Account {
        id,
        available: row.credits(account::AVAILABLE)?,
        debts,
        burn_order: row.packed(account::BURN_ORDER, burn_order)?,
        pending_changes,
        valid_until,
        gate: read_gate(gate),
        holds,
        consumed,
        used,
        limits_version: row.optional_number(account::LIMITS_VERSION)?.unwrap_or(0),
        threshold,
        plan_state: row.packed(account::PLAN_STATE, plan_state)?,
        seq: row.number(account::SEQ)?,
        archived_seq: row.number(account::ARCHIVED_SEQ)?,
        advanced_seq: row.number(account::ADVANCED_SEQ)?,
        advanced_at: row.instant(account::ADVANCED_AT)?,
        dedup_floor: row.instant(account::DEDUP_FLOOR)?,
        archived_at: row.instant(account::ARCHIVED_AT)?,
        recent,
    })
}

/// The bytes that DynamoDB charges for an account, and the recent entries' part of them.
pub(super) fn weigh(item: &Item) -> Weight {
    let list = |name: &str| match item.get(name) {
        Some(AttributeValue::L(list)) => list.as_slice(),
        _ => &[],
    };
    // DynamoDB counts one byte for each list element on top of its value.
    let recent = list(account::RECENT_IDS).iter().zip(list(account::RECENT_PAYLOADS));
    let recent = recent.map(|(id, payload)| size(id) + size(payload) + 2).collect();
    let item = item.iter().map(|(name, value)| name.len() + size(value)).sum();
    Weight { item, recent }
}

/// The size of a value as DynamoDB counts it.
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::N(number) => {
            let digits = number.trim_start_matches('-').trim_end_matches('0').len().max(1);
            digits.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
        }
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size(value)).sum::<usize>(),
        AttributeValue::M(map) => {
            3 + map.iter().map(|(key, value)| 1 + key.len() + size(value)).sum::<usize>()
        }
        _ => 1,
    }
}
