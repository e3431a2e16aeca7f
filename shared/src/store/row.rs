//! Rows of the ledger to items and back.

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Attributes, Item, SetAttribute, bytes, number, text};
use super::table::{
    ACCOUNT, AUTO_DUE, CATALOG, CATALOG_LATEST, DIRECTORY, LIMITS, PARKED, SORT, catalog_key,
    event_key, key_alias_key, ledger, order_key, place_key, quarantine_key, rate_table_key,
    read_page_key, read_receipt_key, read_usage_key, record_key, redemption_key, refunds_key,
    segment_key, usage_key,
};
use super::{
    StoreError, auto_top_up, billing, directory, limits, orders, packed, payment_places, payments,
    reconcile, service_keys,
};
use crate::decide::{
    CatalogVersion, Field, IdempotencyRecord, KeyAlias, Missing, Redemption, Row, RowKey, Seen,
    Segment,
};
use crate::domain::instant::Span;
use crate::domain::usage::{Counted, DayUsage};
use crate::domain::{AccountId, Credits, Instant, Key, OperationId};

/// The item of a row of the ledger.
pub(super) fn item(row: &Row) -> Item {
    match row {
        Row::Segment(segment) => page_item(segment),
        Row::KeyAlias(name) => name_item(name),
        Row::IdempotencyRecord(receipt) => receipt_item(receipt),
        Row::Limits(account, own) => limits::own_item(account, own),
        Row::Subject(account, subject) => limits::subject_item(account, subject),
        Row::Reached(reached) => limits::reached_item(reached),
        Row::Returned(account, debit, credits) => returned_item(account, *debit, *credits),
        Row::Day(account, day) => usage_item(account, day),
        Row::Order(order) => orders::order_item(order),
        Row::Orders(account, orders) => orders::orders_item(account, orders),
        Row::AutoTopUp(auto) => auto_top_up::auto_item(auto),
        Row::Consent(account, consent) => auto_top_up::consent_item(account, consent),
        Row::AutoDue(account, at) => auto_top_up::due_item(account, *at),
        Row::Payment(payment) => payments::payment_item(payment),
        Row::Customer(customer) => payments::customer_item(customer),
        Row::CustomerAccount(account, id) => payments::customer_account_item(account, id),
        Row::Billing(billing) => billing::billing_item(billing),
        Row::SubscriptionAccount(account, id) => billing::subscription_account_item(account, id),
        Row::PaymentPlace(place) => payment_places::place_item(place),
        Row::AccountPaymentPlace(place) => payment_places::account_place_item(place),
        Row::Mark(mark) => payments::mark_item(mark),
        Row::Event(event) => payments::event_item(event),
        Row::Catalog(catalog_version) => catalog_item(catalog_version, CATALOG_LATEST),
        Row::CatalogVersion(catalog_version) => {
            catalog_item(catalog_version, &catalog_key(catalog_version.version))
        }
        Row::RateTable { version, name, text } => {
            let catalog_version = CatalogVersion { version: *version, text: text.clone() };
            catalog_item(&catalog_version, &rate_table_key(*version, name))
        }
        Row::Redemption(redemption) => redemption_item(redemption),
        Row::ServiceKey { key, sealed_by } => service_keys::key_item(key, sealed_by),
        Row::RevokedKey(revoked) => service_keys::revoked_item(revoked),
        Row::Reconcile(state) => reconcile::state_item(state),
        Row::Quarantined(row) => {
            let mut item = item(row);
            let key = item.get(SORT).and_then(|key| key.as_s().ok()).cloned().unwrap_or_default();
            item.insert(SORT.to_owned(), text(quarantine_key(&key)));
            item
        }
    }
}

/// The key of a row of the ledger.
pub(super) fn key(key: &RowKey) -> Item {
    let (account, sort) = match key {
        RowKey::Segment(account, time, first) => (account.to_string(), segment_key(*time, *first)),
        RowKey::IdempotencyRecord(account, space, key) => {
            (account.to_string(), record_key(*space, key))
        }
        RowKey::Returned(account, debit) => (account.to_string(), refunds_key(*debit)),
        RowKey::Limits(account) => (account.to_string(), LIMITS.to_owned()),
        RowKey::Order(id) => (order_key(*id), ledger::ORDER.to_owned()),
        RowKey::AutoDue(account, at) => (AUTO_DUE.to_owned(), place_key(*at, account.as_str())),
        RowKey::Event(id) => (event_key(id), ledger::EVENT.to_owned()),
        RowKey::Mark(at, id) => (PARKED.to_owned(), place_key(*at, id)),
        RowKey::Redemption(account, id) => (account.to_string(), redemption_key(*id)),
        RowKey::Directory(account) => (DIRECTORY.to_owned(), account.to_string()),
    };
    Item::from([(ACCOUNT.to_owned(), text(account)), (SORT.to_owned(), text(sort))])
}

/// The attributes of one field that is set alone, and their values.
pub(super) fn field(field: &Field) -> Vec<SetAttribute> {
    let set = |name, value| vec![SetAttribute { name, value, if_absent: false }];
    match field {
        Field::Url(url) => set(ledger::URL, text(url)),
        Field::Expired => set(ledger::EXPIRED, number(1)),
        Field::Intent(intent) => set(ledger::INTENT, text(intent.as_str())),
        Field::Decision(decided) => set(ledger::DECIDED, text(payments::decision(decided))),
        Field::Left => set(ledger::LEFT, number(1)),
        Field::Names { names, state, seq } => directory::names(names, state, *seq),
        Field::State(state, seq) => directory::state(state, *seq, false),
    }
}

/// The attribute that shows that a row has not changed since it was read, and its value.
pub(super) fn seen(seen: &Seen) -> (&'static str, AttributeValue) {
    match seen {
        Seen::Id(id) => (ledger::ID, bytes(*id.bytes())),
        Seen::Version(version) => (ledger::VERSION, number(version)),
        Seen::Counted(seq) => (ledger::COUNTED, number(seq)),
        Seen::Returned(credits) => (ledger::RETURNED, number(credits.micro())),
        Seen::Entries(entries) => (ledger::ENTRIES, bytes(packed::entries(entries))),
        Seen::Seq(seq) => (ledger::SEQ, number(seq)),
    }
}

pub(super) fn missing(missing: Missing) -> &'static str {
    match missing {
        Missing::Intent => ledger::INTENT,
        Missing::Decision => ledger::DECIDED,
    }
}

fn page_item(segment: &Segment) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(segment.account.as_str())),
            (SORT, text(segment_key(segment.time, segment.first))),
            (ledger::ENTRIES, bytes(packed::entries(&segment.entries))),
            (ledger::AVAILABLE, number(segment.available.micro())),
            (ledger::HELD, number(segment.held.micro())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

fn name_item(name: &KeyAlias) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(name.account.as_str())),
            (SORT, text(key_alias_key(&name.key))),
            (ledger::ID, bytes(*name.id.bytes())),
            (ledger::KEY, text(name.key.as_str())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

fn receipt_item(receipt: &IdempotencyRecord) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(receipt.account.as_str())),
            (SORT, text(record_key(receipt.space, &receipt.key))),
            (ledger::ID, bytes(*receipt.id.bytes())),
            (ledger::KEY, text(receipt.key.as_str())),
            (ledger::CONTENT, text(&receipt.content)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

/// DynamoDB may delete it from an hour after the session has expired, and does so within days.
fn redemption_item(redemption: &Redemption) -> Item {
    let delete_at = redemption.expires_at + Span::from_s(3600);
    let item = [
        (ACCOUNT, text(redemption.account.as_str())),
        (SORT, text(redemption_key(redemption.id))),
        (ledger::SESSION, bytes(*redemption.id.bytes())),
        (ledger::ID, bytes(*redemption.by.bytes())),
        (ledger::DELETE_AT_S, number(delete_at.ms() / 1000)),
    ];
    let mut item = Item::from_iter(item.map(|(name, value)| (name.to_owned(), value)));
    if redemption.left {
        item.insert(ledger::LEFT.to_owned(), number(1));
    }
    item
}

fn catalog_item(catalog_version: &CatalogVersion, key: &str) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(CATALOG)),
            (SORT, text(key)),
            (ledger::VERSION, number(catalog_version.version)),
            (ledger::TEXT, text(&catalog_version.text)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

fn returned_item(account: &AccountId, debit: OperationId, credits: Credits) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(account.as_str())),
            (SORT, text(refunds_key(debit))),
            (ledger::RETURNED, number(credits.micro())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

fn usage_item(account: &AccountId, day: &DayUsage) -> Item {
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
    let row = Attributes::of("ledger", item);
    let day = read_usage_key(row.text(SORT)?);
    let day = day.ok_or_else(|| row.broken(SORT, "is not the key of a day"))?;
    let usage = packed::read_usage(row.bytes(ledger::USAGE)?);
    let usage = row.packed(ledger::USAGE, usage)?;
    let (seq, time) = (row.number(ledger::COUNTED)?, row.instant(ledger::COUNTED_TIME)?);
    Ok(DayUsage { day, usage, counted: Counted { seq, time } })
}

pub(super) fn read_returned(item: &Item) -> Result<Credits, StoreError> {
    Attributes::of("ledger", item).credits(ledger::RETURNED)
}

/// A catalog or a rate table.
pub(super) fn read_catalog(item: &Item) -> Result<CatalogVersion, StoreError> {
    let row = Attributes::of("ledger", item);
    let text = row.text(ledger::TEXT)?.to_owned();
    Ok(CatalogVersion { version: row.number(ledger::VERSION)?, text })
}

pub(super) fn read_segment(item: &Item) -> Result<Segment, StoreError> {
    let row = Attributes::of("ledger", item);
    let key = read_page_key(row.text(SORT)?);
    let (time, first) = key.ok_or_else(|| row.broken(SORT, "is not the key of a segment"))?;
    let entries = packed::read_entries(row.bytes(ledger::ENTRIES)?);
    let entries = row.packed(ledger::ENTRIES, entries)?;
    if entries.is_empty() {
        return Err(row.broken(ledger::ENTRIES, "is empty"));
    }
    Ok(Segment {
        account: row.parsed(ACCOUNT)?,
        time,
        first,
        entries,
        available: row.credits(ledger::AVAILABLE)?,
        held: row.credits(ledger::HELD)?,
    })
}

pub(super) fn read_key_alias(item: &Item) -> Result<KeyAlias, StoreError> {
    let row = Attributes::of("ledger", item);
    Ok(KeyAlias {
        account: row.parsed(ACCOUNT)?,
        key: row.parsed::<Key>(ledger::KEY)?,
        id: row.id(ledger::ID)?,
        replaces: None,
    })
}

pub(super) fn read_redemption(item: &Item) -> Result<Redemption, StoreError> {
    let row = Attributes::of("ledger", item);
    let delete_at_s: i64 = row.number(ledger::DELETE_AT_S)?;
    Ok(Redemption {
        account: row.parsed(ACCOUNT)?,
        id: row.id(ledger::SESSION)?,
        by: row.id(ledger::ID)?,
        expires_at: Instant::from_ms(delete_at_s * 1000) - Span::from_s(3600),
        left: item.contains_key(ledger::LEFT),
    })
}

pub(super) fn read_record(item: &Item) -> Result<IdempotencyRecord, StoreError> {
    let row = Attributes::of("ledger", item);
    let space = read_receipt_key(row.text(SORT)?);
    Ok(IdempotencyRecord {
        account: row.parsed(ACCOUNT)?,
        space: space.ok_or_else(|| row.broken(SORT, "is not the key of an idempotency record"))?,
        key: row.parsed::<Key>(ledger::KEY)?,
        id: row.id(ledger::ID)?,
        content: row.text(ledger::CONTENT)?.to_owned(),
    })
}
