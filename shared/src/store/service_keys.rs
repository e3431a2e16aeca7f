//! The rows of service keys: each key, and each that is revoked.

use std::collections::BTreeSet;

use super::item::{self, Attributes, Item};
use super::table::service_key_key;
use super::table::{ACCOUNT, REVOKED_KEYS_TO, SERVICE_KEYS, SORT, ledger};
use super::table::{read_revoked_key, read_service_key, revoked_key, revoked_keys_from};
use super::{Store, StoreError, Stored};
use crate::decide::SKEW;
use crate::domain::service_key::{KeyList, ListedKey, RevokedKey, ServiceKey};
use crate::domain::{Instant, OperationId};

impl Store {
    /// The ids of the keys that are revoked and would be valid otherwise, by a consistent read. A
    /// row that is none is logged: it must not keep all keys from being checked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoked_keys(&self, now: Instant) -> Stored<BTreeSet<OperationId>> {
        let rows = self.service_key_rows(&revoked_keys_from(now - SKEW), REVOKED_KEYS_TO).await?;
        Ok(rows.iter().filter_map(|row| legible(read_revoked(row))).map(|row| row.id).collect())
    }

    /// All service keys, and all that is revoked. A row that cannot be read is logged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn service_keys(&self) -> Stored<KeyList> {
        let mut list = KeyList::default();
        for item in self.service_key_rows("key#", "key$").await? {
            list.keys.extend(legible(read_key(&item)));
        }
        for item in self.service_key_rows("revoked#", REVOKED_KEYS_TO).await? {
            let Some(revoked) = legible(read_revoked(&item)) else { continue };
            match list.keys.iter_mut().find(|listed| listed.key.id == revoked.id) {
                Some(listed) => listed.revoked = Some(revoked),
                None => list.unlisted.push(revoked),
            }
        }
        Ok(list)
    }

    /// The rows whose sort keys are from `first` to `last`.
    async fn service_key_rows(&self, first: &str, last: &str) -> Stored<Vec<Item>> {
        let query = self.client.query().table_name(&self.tables.ledger).consistent_read(true);
        let query = query
            .key_condition_expression("a = :keys AND s BETWEEN :first AND :last")
            .expression_attribute_values(":keys", item::text(SERVICE_KEYS))
            .expression_attribute_values(":first", item::text(first))
            .expression_attribute_values(":last", item::text(last));
        let (mut rows, mut items) = (Vec::new(), query.into_paginator().items().send());
        while let Some(item) = items.next().await {
            rows.push(item.map_err(StoreError::of)?);
        }
        Ok(rows)
    }
}

pub(super) fn key_item(key: &ServiceKey, sealed_by: &str) -> Item {
    let claims = String::from_utf8(key.claims()).expect("JSON is UTF-8");
    Item::from_iter(
        [
            (ACCOUNT, item::text(SERVICE_KEYS)),
            (SORT, item::text(service_key_key(key.id))),
            (ledger::TEXT, item::text(claims)),
            (ledger::SEALED_BY, item::text(sealed_by)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn revoked_item(revoked: &RevokedKey) -> Item {
    let sort = revoked_key(revoked.expires_at, revoked.id);
    let keys = [(ACCOUNT, item::text(SERVICE_KEYS)), (SORT, item::text(sort))];
    let at = revoked.at.map(|at| (ledger::AT, item::number(at.ms())));
    keys.into_iter().chain(at).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn read_key(item: &Item) -> Stored<ListedKey> {
    let row = Attributes::of("ledger", item);
    let id = read_service_key(row.text(SORT)?);
    let id = id.ok_or_else(|| row.broken(SORT, "is not the id of a key"))?;
    let key = ServiceKey::of_claims(id, row.text(ledger::TEXT)?.as_bytes());
    let key = key.ok_or_else(|| row.broken(ledger::TEXT, "is no service key"))?;
    Ok(ListedKey { key, sealed_by: row.text(ledger::SEALED_BY)?.to_owned(), revoked: None })
}

/// What was read, if it could be: the other rows count all the same.
fn legible<T>(read: Stored<T>) -> Option<T> {
    read.inspect_err(|error| tracing::error!(%error, "a row of service keys cannot be read")).ok()
}

fn read_revoked(item: &Item) -> Stored<RevokedKey> {
    let row = Attributes::of("ledger", item);
    let (expires_at, id) = read_revoked_key(row.text(SORT)?)
        .ok_or_else(|| row.broken(SORT, "is not a known kind of key"))?;
    // The key alone says which it is: whatever else is wrong, it is revoked.
    Ok(RevokedKey { id, expires_at, at: row.instant(ledger::AT).ok() })
}
