//! Items to values and back. A broken item is refused on reading, by name.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::StoreError;
use super::packed::{self, PackedError};
use super::table::{
    ACCOUNT, CATALOG, SORT, account, entrance_key, hold_key, layout_key, ledger, name_key,
    page_key, read_hold_key, read_page_key, read_usage_key, receipt_key, refunds_key, usage_key,
};
use crate::decide::page::Weight;
use crate::decide::refund::{Returned, ReturnedOf};
use crate::decide::tally::{Counted, DayUsage};
use crate::decide::{Edition, Entrance, Name, Page, Receipt};
use crate::domain::instant::Span;
use crate::domain::{Account, AccountId, Credits, Gate, Instant, Key, OperationId};

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn number(n: impl Display) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

pub(super) fn bytes(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn gate_bits(gate: Gate) -> u8 {
    let frozen = if gate.frozen { account::GATE_FROZEN } else { 0 };
    let no_plan = if gate.no_plan { account::GATE_NO_PLAN } else { 0 };
    let in_debt = if gate.in_debt { account::GATE_IN_DEBT } else { 0 };
    frozen + no_plan + in_debt
}

pub(super) fn consumed(account: &Account) -> AttributeValue {
    let entries =
        account.consumed.iter().map(|(n, credits)| (n.to_string(), number(credits.micro())));
    AttributeValue::M(entries.collect())
}

pub(super) fn holds(account: &Account) -> AttributeValue {
    let holds = account.holds.iter().map(|(id, held)| (hold_key(id), bytes(packed::held(held))));
    AttributeValue::M(holds.collect())
}

/// The whole item of a new account.
pub(super) fn account_item(a: &Account) -> Item {
    debug_assert!(a.available >= Credits::ZERO && a.notes.is_empty() && a.debt.is_zero());
    let ids = a.recent.iter().map(|entry| bytes(*entry.id.bytes())).collect();
    let payloads = a.recent.iter().map(|entry| bytes(packed::entry(entry))).collect();
    let mut item = Item::from_iter(
        [
            (ACCOUNT, text(a.id.as_str())),
            (account::AVAILABLE, number(a.available.micro())),
            (account::LINE, bytes(packed::line(&a.line))),
            (account::VALID_UNTIL, number(a.valid_until.ms())),
            (account::HOLDS, holds(a)),
            (account::CONSUMED, consumed(a)),
            (account::STANDING, bytes(packed::standing(&a.standing))),
            (account::SEQ, number(a.seq)),
            (account::PAGED, number(a.paged)),
            (account::SETTLED_SEQ, number(a.settled_seq)),
            (account::FLOOR, number(a.floor.ms())),
            (account::PAGE_TIME, number(a.page_time.ms())),
            (account::RECENT_IDS, AttributeValue::L(ids)),
            (account::RECENT_PAYLOADS, AttributeValue::L(payloads)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if !a.gate.is_open() {
        item.insert(account::GATE.to_owned(), number(gate_bits(a.gate)));
    }
    item
}

pub(super) fn page_item(page: &Page) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(page.account.as_str())),
            (SORT, text(page_key(page.time, page.first))),
            (ledger::ENTRIES, bytes(packed::entries(&page.entries))),
            (ledger::AVAILABLE, number(page.available.micro())),
            (ledger::HELD, number(page.held.micro())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn name_item(name: &Name) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(name.account.as_str())),
            (SORT, text(name_key(&name.key))),
            (ledger::ID, bytes(*name.id.bytes())),
            (ledger::KEY, text(name.key.as_str())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn receipt_item(receipt: &Receipt) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(receipt.account.as_str())),
            (SORT, text(receipt_key(&receipt.key))),
            (ledger::ID, bytes(*receipt.id.bytes())),
            (ledger::KEY, text(receipt.key.as_str())),
            (ledger::CONTENT, text(&receipt.content)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

/// DynamoDB may delete it an hour after the link has expired, and by itself does so within days.
pub(super) fn entrance_item(entrance: &Entrance) -> Item {
    let delete_at = entrance.expires_at + Span::from_s(3600);
    Item::from_iter(
        [
            (ACCOUNT, text(entrance.account.as_str())),
            (SORT, text(entrance_key(entrance.link))),
            (ledger::LINK, bytes(*entrance.link.bytes())),
            (ledger::ID, bytes(*entrance.session.bytes())),
            (ledger::DELETE_AT_S, number(delete_at.ms() / 1000)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn catalog_item(edition: &Edition, key: &str) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(CATALOG)),
            (SORT, text(key)),
            (ledger::VERSION, number(edition.version)),
            (ledger::TEXT, text(&edition.text)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn returned_key(of: ReturnedOf) -> String {
    match of {
        ReturnedOf::Debit(id) => refunds_key(id),
        ReturnedOf::Layout(seq) => layout_key(seq),
    }
}

pub(super) fn returned_item(account: &AccountId, returned: &Returned) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(account.as_str())),
            (SORT, text(returned_key(returned.of))),
            (ledger::RETURNED, number(returned.after.micro())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn usage_item(account: &AccountId, day: &DayUsage) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(account.as_str())),
            (SORT, text(usage_key(day.day))),
            (ledger::USAGE, bytes(packed::usage(&day.usage))),
            (ledger::COUNTED, number(day.counted.seq)),
            (ledger::COUNTED_TIME, number(day.counted.time.ms())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn read_usage(item: &Item) -> Result<DayUsage, StoreError> {
    let row = Row::of("ledger", item);
    let day = read_usage_key(row.text(SORT)?);
    let day = day.ok_or_else(|| row.broken(SORT, "is not the key of a day"))?;
    let usage = packed::read_usage(row.bytes(ledger::USAGE)?);
    let usage = row.packed(ledger::USAGE, usage)?;
    let (seq, time) = (row.number(ledger::COUNTED)?, row.instant(ledger::COUNTED_TIME)?);
    Ok(DayUsage { day, usage, counted: Counted { seq, time } })
}

pub(super) fn read_returned(item: &Item) -> Result<Credits, StoreError> {
    Row::of("ledger", item).credits(ledger::RETURNED)
}

pub(super) fn read_catalog(item: &Item) -> Result<String, StoreError> {
    Row::of("ledger", item).text(ledger::TEXT).map(str::to_owned)
}

pub(super) fn read_account_key(key: &Item) -> Result<AccountId, StoreError> {
    Row::of("accounts", key).parsed(ACCOUNT)
}

pub(super) fn read_account(item: &Item) -> Result<Account, StoreError> {
    let (row, read) = (Row::of("accounts", item), read_account_as_written(item)?);
    // What every reader relies on, checked once.
    if read.available < Credits::ZERO {
        return Err(row.broken(account::AVAILABLE, "is below zero"));
    }
    if read.debt < Credits::ZERO {
        return Err(row.broken(account::DEBT, "is below zero"));
    }
    if read.paged + read.recent.len() as u64 != read.seq {
        return Err(row.broken(account::SEQ, "is not the number of entries"));
    }
    let spent = read.spent();
    if spent < Credits::ZERO || spent > read.line.left() {
        return Err(row.broken(account::LINE, "does not hold what was spent of it"));
    }
    Ok(read)
}

/// An account that may contradict itself: for those who say how.
pub(super) fn read_account_as_written(item: &Item) -> Result<Account, StoreError> {
    let row = Row::of("accounts", item);
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
    let mut notes = Vec::new();
    for note in row.optional_list(account::NOTES)? {
        let note = packed::read_note(row.bytes_of(account::NOTES, note)?);
        notes.push(row.packed(account::NOTES, note)?);
    }
    let mut holds = BTreeMap::new();
    for (id, held) in row.map(account::HOLDS)? {
        let id = read_hold_key(id);
        let id = id.ok_or_else(|| row.broken(account::HOLDS, "has a key that is no id"))?;
        let held = packed::read_held(row.bytes_of(account::HOLDS, held)?);
        holds.insert(id, row.packed(account::HOLDS, held)?);
    }
    let mut consumed = BTreeMap::new();
    for (action, micro) in row.map(account::CONSUMED)? {
        let number = action.parse();
        let number = number.map_err(|_| row.broken(account::CONSUMED, "has an odd key"))?;
        let micro = row.number_of(account::CONSUMED, micro)?;
        consumed.insert(number, Credits::from_micro(micro));
    }
    let line = packed::read_line(row.bytes(account::LINE)?);
    let standing = packed::read_standing(row.bytes(account::STANDING)?);
    let gate = row.optional_number::<u8>(account::GATE)?.unwrap_or(0);
    Ok(Account {
        id,
        available: row.credits(account::AVAILABLE)?,
        debt: Credits::from_micro(row.optional_number(account::DEBT)?.unwrap_or(0)),
        line: row.packed(account::LINE, line)?,
        notes,
        valid_until: row.instant(account::VALID_UNTIL)?,
        gate: Gate {
            frozen: gate & account::GATE_FROZEN != 0,
            no_plan: gate & account::GATE_NO_PLAN != 0,
            in_debt: gate & account::GATE_IN_DEBT != 0,
        },
        holds,
        consumed,
        standing: row.packed(account::STANDING, standing)?,
        seq: row.number(account::SEQ)?,
        paged: row.number(account::PAGED)?,
        settled_seq: row.number(account::SETTLED_SEQ)?,
        floor: row.instant(account::FLOOR)?,
        page_time: row.instant(account::PAGE_TIME)?,
        recent,
    })
}

pub(super) fn read_page(item: &Item) -> Result<Page, StoreError> {
    let row = Row::of("ledger", item);
    let key = read_page_key(row.text(SORT)?);
    let (time, first) = key.ok_or_else(|| row.broken(SORT, "is not the key of a page"))?;
    let entries = packed::read_entries(row.bytes(ledger::ENTRIES)?);
    let entries = row.packed(ledger::ENTRIES, entries)?;
    if entries.is_empty() {
        return Err(row.broken(ledger::ENTRIES, "is empty"));
    }
    Ok(Page {
        account: row.parsed(ACCOUNT)?,
        time,
        first,
        entries,
        available: row.credits(ledger::AVAILABLE)?,
        held: row.credits(ledger::HELD)?,
    })
}

pub(super) fn read_name(item: &Item) -> Result<Name, StoreError> {
    let row = Row::of("ledger", item);
    Ok(Name {
        account: row.parsed(ACCOUNT)?,
        key: row.parsed::<Key>(ledger::KEY)?,
        id: row.id(ledger::ID)?,
        replaces: None,
    })
}

pub(super) fn read_entrance(item: &Item) -> Result<Entrance, StoreError> {
    let row = Row::of("ledger", item);
    let delete_at_s: i64 = row.number(ledger::DELETE_AT_S)?;
    Ok(Entrance {
        account: row.parsed(ACCOUNT)?,
        link: row.id(ledger::LINK)?,
        session: row.id(ledger::ID)?,
        expires_at: Instant::from_ms(delete_at_s * 1000) - Span::from_s(3600),
    })
}

pub(super) fn read_receipt(item: &Item) -> Result<Receipt, StoreError> {
    let row = Row::of("ledger", item);
    Ok(Receipt {
        account: row.parsed(ACCOUNT)?,
        key: row.parsed::<Key>(ledger::KEY)?,
        id: row.id(ledger::ID)?,
        content: row.text(ledger::CONTENT)?.to_owned(),
    })
}

/// What DynamoDB charges an account for, and how much of it the recent entries are.
pub(super) fn weigh(item: &Item) -> Weight {
    let list = |name: &str| match item.get(name) {
        Some(AttributeValue::L(list)) => list.as_slice(),
        _ => &[],
    };
    // An element of a list costs a byte besides itself.
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

/// An item being read, with what is needed to name it when it is broken.
pub(super) struct Row<'a> {
    table: &'static str,
    item: &'a Item,
}

type Read<T> = Result<T, StoreError>;

impl<'a> Row<'a> {
    pub(super) fn of(table: &'static str, item: &'a Item) -> Row<'a> {
        Row { table, item }
    }

    pub(super) fn broken(&self, attribute: &str, problem: impl Display) -> StoreError {
        let part = |name: &str| match self.item.get(name) {
            Some(AttributeValue::S(text)) => text.as_str(),
            _ => "",
        };
        StoreError::Broken {
            table: self.table,
            key: format!("{} {}", part(ACCOUNT), part(SORT)).trim_end().to_owned(),
            attribute: attribute.to_owned(),
            problem: problem.to_string(),
        }
    }

    fn packed<T>(&self, name: &str, read: Result<T, PackedError>) -> Read<T> {
        read.map_err(|e| self.broken(name, e))
    }

    fn get(&self, name: &str) -> Read<&'a AttributeValue> {
        self.item.get(name).ok_or_else(|| self.broken(name, "is missing"))
    }

    pub(super) fn optional_text(&self, name: &str) -> Read<Option<&'a str>> {
        if self.item.contains_key(name) { self.text(name).map(Some) } else { Ok(None) }
    }

    pub(super) fn text(&self, name: &str) -> Read<&'a str> {
        match self.get(name)? {
            AttributeValue::S(text) => Ok(text),
            _ => Err(self.broken(name, "is not a text")),
        }
    }

    fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Read<T> {
        self.text(name)?.parse().map_err(|e| self.broken(name, e))
    }

    fn number_of<T: FromStr>(&self, name: &str, value: &AttributeValue) -> Read<T> {
        match value {
            AttributeValue::N(n) => n.parse().map_err(|_| self.broken(name, "is out of range")),
            _ => Err(self.broken(name, "is not a number")),
        }
    }

    pub(super) fn number<T: FromStr>(&self, name: &str) -> Read<T> {
        self.number_of(name, self.get(name)?)
    }

    fn optional_number<T: FromStr>(&self, name: &str) -> Read<Option<T>> {
        self.item.get(name).map(|value| self.number_of(name, value)).transpose()
    }

    fn credits(&self, name: &str) -> Read<Credits> {
        self.number(name).map(Credits::from_micro)
    }

    pub(super) fn instant(&self, name: &str) -> Read<Instant> {
        let ms: i64 = self.number(name)?;
        if !(0..=Instant::MAX.ms()).contains(&ms) {
            return Err(self.broken(name, "is not an instant"));
        }
        Ok(Instant::from_ms(ms))
    }

    fn bytes_of(&self, name: &str, value: &'a AttributeValue) -> Read<&'a [u8]> {
        match value {
            AttributeValue::B(blob) => Ok(blob.as_ref()),
            _ => Err(self.broken(name, "is not bytes")),
        }
    }

    fn bytes(&self, name: &str) -> Read<&'a [u8]> {
        self.bytes_of(name, self.get(name)?)
    }

    fn id_of(&self, name: &str, value: &'a AttributeValue) -> Read<OperationId> {
        let bytes = self.bytes_of(name, value)?.try_into();
        bytes.map(OperationId::from_bytes).map_err(|_| self.broken(name, "is not an id"))
    }

    fn id(&self, name: &str) -> Read<OperationId> {
        self.id_of(name, self.get(name)?)
    }

    fn list(&self, name: &str) -> Read<&'a [AttributeValue]> {
        match self.get(name)? {
            AttributeValue::L(list) => Ok(list),
            _ => Err(self.broken(name, "is not a list")),
        }
    }

    fn optional_list(&self, name: &str) -> Read<&'a [AttributeValue]> {
        if self.item.contains_key(name) { self.list(name) } else { Ok(&[]) }
    }

    fn map(&self, name: &str) -> Read<&'a HashMap<String, AttributeValue>> {
        match self.get(name)? {
            AttributeValue::M(map) => Ok(map),
            _ => Err(self.broken(name, "is not a map")),
        }
    }
}
