//! The rows of service keys: each key, and each that is revoked.

use std::collections::BTreeSet;

use super::item::{self, Attributes, Item};
use super::table::{ACCOUNT, SERVICE_KEYS, SORT, ledger, revoked_key, revoked_keys_from};
use super::table::{read_revoked_key, read_service_key, service_key_key};
use super::{Store, StoreError, Stored};
use crate::decide::SKEW;
use crate::domain::service_key::{ListedKey, RevokedKey, ServiceKey};
use crate::domain::{Instant, OperationId};

impl Store {
    /// The ids of the keys that are revoked and would be valid otherwise, by a consistent read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoked_keys(&self, now: Instant) -> Stored<BTreeSet<OperationId>> {
        let rows = self.service_key_rows(revoked_keys_from(now - SKEW)).await?;
        rows.iter().map(|row| read_revoked(row).map(|revoked| revoked.id)).collect()
    }

    /// All service keys, in the order in which they were made.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn service_keys(&self) -> Stored<Vec<ListedKey>> {
        let (mut listed, mut revoked) = (Vec::new(), Vec::new());
        for item in self.service_key_rows(String::new()).await? {
            let row = Attributes::of("ledger", &item);
            match read_service_key(row.text(SORT)?) {
                Some(id) => {
                    let key = ServiceKey::of_claims(id, row.text(ledger::TEXT)?.as_bytes());
                    let key = key.ok_or_else(|| row.broken(ledger::TEXT, "is no service key"))?;
                    listed.push(ListedKey { key, revoked_at: None });
                }
                None => revoked.push(read_revoked(&item)?),
            }
        }
        for RevokedKey { id, at, .. } in revoked {
            let key = listed.iter_mut().find(|listed| listed.key.id == id);
            key.into_iter().for_each(|listed| listed.revoked_at = Some(at));
        }
        Ok(listed)
    }

    /// The rows whose sort keys are `first` or after it.
    async fn service_key_rows(&self, first: String) -> Stored<Vec<Item>> {
        let query = self.client.query().table_name(&self.tables.ledger).consistent_read(true);
        let query = query.expression_attribute_values(":keys", item::text(SERVICE_KEYS));
        let query = match first.is_empty() {
            true => query.key_condition_expression("a = :keys"),
            false => query
                .key_condition_expression("a = :keys AND s >= :first")
                .expression_attribute_values(":first", item::text(first)),
        };
        let (mut rows, mut items) = (Vec::new(), query.into_paginator().items().send());
        while let Some(item) = items.next().await {
            rows.push(item.map_err(StoreError::of)?);
        }
        Ok(rows)
    }
}

pub(super) fn key_item(key: &ServiceKey) -> Item {
    let claims = String::from_utf8(key.claims()).expect("JSON is UTF-8");
    Item::from_iter(
        [
            (ACCOUNT, item::text(SERVICE_KEYS)),
            (SORT, item::text(service_key_key(key.id))),
            (ledger::TEXT, item::text(claims)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

pub(super) fn revoked_item(revoked: &RevokedKey) -> Item {
    Item::from_iter(
        [
            (ACCOUNT, item::text(SERVICE_KEYS)),
            (SORT, item::text(revoked_key(revoked.expires_at, revoked.id))),
            (ledger::AT, item::number(revoked.at.ms())),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}

fn read_revoked(item: &Item) -> Stored<RevokedKey> {
    let row = Attributes::of("ledger", item);
    let (expires_at, id) = read_revoked_key(row.text(SORT)?)
        .ok_or_else(|| row.broken(SORT, "is not a known kind of key"))?;
    Ok(RevokedKey { id, expires_at, at: row.instant(ledger::AT)? })
}
