//! Rows of limits to items and back.

use super::item::{Attributes, Item, bytes, number, text};
use super::table::{ACCOUNT, LIMITS, SORT, ledger, reached_key, read_reached_key, subject_key};
use super::{StoreError, Stored, packed};
use crate::domain::instant::Span;
use crate::domain::limit::{Counted, FirstReached, OwnLimits};
use crate::domain::{AccountId, Subject};

/// How long after its window a reached limit is kept.
const REACHED_KEPT: Span = Span::from_s(7 * 86_400);

pub(super) fn own_item(account: &AccountId, own: &OwnLimits) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(account.as_str())),
            (SORT, text(LIMITS)),
            (ledger::VERSION, number(own.version)),
            (ledger::LIMITS, bytes(packed::limits(own))),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn subject_item(account: &AccountId, subject: &Subject) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, text(account.as_str())),
            (SORT, text(subject_key(subject.hash()))),
            (ledger::SUBJECT, text(subject.as_str())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn read_own(item: &Item) -> Result<OwnLimits, StoreError> {
    let row = Attributes::of("ledger", item);
    let limits = packed::read_limits(row.bytes(ledger::LIMITS)?);
    let limits = row.packed(ledger::LIMITS, limits)?;
    Ok(OwnLimits { version: row.number(ledger::VERSION)?, limits })
}

pub(super) fn read_subject(item: &Item) -> Result<Subject, StoreError> {
    Attributes::of("ledger", item).parsed(ledger::SUBJECT)
}

/// DynamoDB may delete it a week after its window, and does so within days. A window that never
/// ends has one for good, so that it is announced once.
pub(super) fn reached_item(reached: &FirstReached) -> Item {
    let FirstReached { account, limit, used, required, resets_at, at, balance } = reached;
    let mut item = Item::from_iter(
        [
            (ACCOUNT, text(account.as_str())),
            (SORT, text(reached_key(&limit.counter(), limit.at_most))),
            (ledger::SUBJECT, text(limit.of.as_str())),
            (ledger::AT_MOST, number(limit.at_most.micro())),
            (ledger::USED, number(used.micro())),
            (ledger::REQUIRED, number(required.micro())),
            (ledger::AT, number(at.ms())),
            (ledger::AVAILABLE, number(balance.0.micro())),
            (ledger::HELD, number(balance.1.micro())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if let Some(resets_at) = resets_at {
        let delete_at = *resets_at + REACHED_KEPT;
        item.insert(ledger::RESETS_AT.to_owned(), number(resets_at.ms()));
        item.insert(ledger::DELETE_AT_S.to_owned(), number(delete_at.ms() / 1000));
    }
    item
}

/// Reads a row of the ledger from its image in a stream, if it is of a limit that was reached.
///
/// # Errors
/// [`StoreError::Broken`].
pub fn read_reached(image: serde_dynamo::Item) -> Stored<Option<FirstReached>> {
    let item: Item = image.into();
    let row = Attributes::of("ledger", &item);
    let Some(counter) = read_reached_key(row.text(SORT)?) else { return Ok(None) };
    let of: Subject = row.parsed(ledger::SUBJECT)?;
    let limit = Counted { of, window: counter.window, at_most: row.credits(ledger::AT_MOST)? };
    let ends = item.contains_key(ledger::RESETS_AT);
    Ok(Some(FirstReached {
        account: row.parsed(ACCOUNT)?,
        limit,
        used: row.credits(ledger::USED)?,
        required: row.credits(ledger::REQUIRED)?,
        resets_at: ends.then(|| row.instant(ledger::RESETS_AT)).transpose()?,
        at: row.instant(ledger::AT)?,
        balance: (row.credits(ledger::AVAILABLE)?, row.credits(ledger::HELD)?),
    }))
}
