//! Commits: each write becomes one request to DynamoDB.
//!
//! A write of one account is an UpdateItem, and so is a write of one field of a row. A write of one
//! row is a PutItem, if a caller that sends it again can tell that the row there is its own. Every
//! other write is a transaction: it costs twice as much, and DynamoDB answers a request that the
//! SDK repeats as it did the first time.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem, Update,
};

use super::expression::Expression;
use super::item::{self, Item};
use super::row_expression::RowExpression;
use super::{InFlight, Outcome, Store, StoreError, Stored, accounts, loaded, row, table};
use crate::decide::{AccountWrite, Row, RowWrite, Step, Write};

impl Store {
    /// Commits `write` if its conditions hold.
    ///
    /// # Errors
    /// [`StoreError`]. After [`StoreError::Retryable`] it may or may not have been written.
    pub async fn commit(&self, write: &Write) -> Stored<Outcome> {
        self.commit_in(write, &InFlight::default()).await
    }

    /// Like [`Store::commit`]; also raises `in_flight` if one of its attempts may still arrive
    /// later.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_in(&self, write: &Write, in_flight: &InFlight) -> Stored<Outcome> {
        // After a skewed answer nothing is stamped until a read has found the clock right again.
        if self.skew.was_off() {
            self.catalog_in_force().await?;
        }
        if let Some(dry_run) = &self.dry_run {
            dry_run.commit(write);
            return Ok(Outcome::Done(None));
        }
        match (&write.account, &write.rows[..]) {
            (Some(account), []) if account.updates() => self.update(account, in_flight).await,
            (None, [RowWrite::Put(row, expect)]) if row.tells_its_writer() => {
                self.put_row(row, RowExpression::put(row, expect), in_flight).await
            }
            (None, [RowWrite::Set(key, field, expect)]) => {
                self.update_row(RowExpression::set(key, field, expect), in_flight).await
            }
            _ => self.transact(write, in_flight).await,
        }
    }

    async fn update(&self, write: &AccountWrite, in_flight: &InFlight) -> Stored<Outcome> {
        let expression = Expression::of(write);
        let sent = self
            .client
            .update_item()
            .table_name(&self.tables.accounts)
            .key(table::ACCOUNT, item::text(write.account.as_str()))
            .update_expression(expression.update)
            .condition_expression(expression.condition)
            .set_expression_attribute_names(some(expression.names))
            .set_expression_attribute_values(some(expression.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .customize()
            .interceptor(in_flight.clone())
            .send()
            .await;
        match sent {
            Ok(done) => {
                let after = done.attributes.as_ref().map(loaded).transpose()?;
                Ok(Outcome::Done(after.map(Box::new)))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    refused_by(refused.item())
                }
                _ => Err(StoreError::of(error)),
            },
        }
    }

    async fn put_row(
        &self,
        row: &Row,
        put: RowExpression,
        in_flight: &InFlight,
    ) -> Stored<Outcome> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.tables.ledger)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition)
            .set_expression_attribute_names(some(put.names))
            .set_expression_attribute_values(some(put.values))
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .customize()
            .interceptor(in_flight.clone())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Outcome::Done(None)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(there)) => {
                    Ok(Outcome::RowRefused(0, there_instead(row, there.item())?))
                }
                _ => Err(StoreError::of(error)),
            },
        }
    }

    async fn update_row(&self, set: RowExpression, in_flight: &InFlight) -> Stored<Outcome> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.tables.ledger)
            .set_key(Some(set.item))
            .update_expression(set.update)
            .set_condition_expression(set.condition)
            .set_expression_attribute_names(some(set.names))
            .set_expression_attribute_values(some(set.values))
            .customize()
            .interceptor(in_flight.clone())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Outcome::Done(None)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => {
                    Ok(Outcome::RowRefused(0, None))
                }
                _ => Err(StoreError::of(error)),
            },
        }
    }

    /// Writes the rows in their order, then the account: all or nothing.
    async fn transact(&self, write: &Write, in_flight: &InFlight) -> Stored<Outcome> {
        let rows = write.rows.iter().map(|row| self.row_part(row));
        let account = write.account.iter().map(|account| self.account_part(account));
        let parts = rows.chain(account).collect();
        let request = self.client.transact_write_items().set_transact_items(Some(parts));
        let Err(error) = request.customize().interceptor(in_flight.clone()).send().await else {
            return Ok(Outcome::Done(None));
        };
        let reasons = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                canceled.cancellation_reasons()
            }
            _ => return Err(StoreError::of(error)),
        };
        let Some(place) = reasons.iter().position(check_failed) else {
            return Err(StoreError::Retryable(Box::new(error)));
        };
        match write.rows.get(place) {
            Some(RowWrite::Put(row, _)) => {
                Ok(Outcome::RowRefused(place, there_instead(row, reasons[place].item())?))
            }
            Some(_) => Ok(Outcome::RowRefused(place, None)),
            None => refused_by(reasons[place].item()),
        }
    }

    fn account_part(&self, write: &AccountWrite) -> TransactWriteItem {
        let (table, part) = (&self.tables.accounts, TransactWriteItem::builder());
        let expression = Expression::of(write);
        let condition = expression.condition;
        let key = item::text(write.account.as_str());
        if let [Step::Open(account)] = &write.then[..] {
            let put = Put::builder()
                .table_name(table)
                .set_item(Some(accounts::account_item(account)))
                .condition_expression(condition)
                .return_values_on_condition_check_failure(OnFailure::AllOld);
            return part.put(put.build().expect("table and item are set")).build();
        }
        if write.then.is_empty() {
            let check = ConditionCheck::builder()
                .table_name(table)
                .key(table::ACCOUNT, key)
                .condition_expression(condition)
                .set_expression_attribute_names(some(expression.names))
                .set_expression_attribute_values(some(expression.values));
            let check = check.build().expect("table, key and condition are set");
            return part.condition_check(check).build();
        }
        let update = Update::builder()
            .table_name(table)
            .key(table::ACCOUNT, key)
            .update_expression(expression.update)
            .condition_expression(condition)
            .set_expression_attribute_names(some(expression.names))
            .set_expression_attribute_values(some(expression.values))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        part.update(update.build().expect("table, key and update are set")).build()
    }

    fn row_part(&self, write: &RowWrite) -> TransactWriteItem {
        let (table, part) = (&self.tables.ledger, TransactWriteItem::builder());
        match write {
            RowWrite::Put(row, expect) => {
                let put = RowExpression::put(row, expect);
                let put = Put::builder()
                    .table_name(table)
                    .set_item(Some(put.item))
                    .set_condition_expression(put.condition)
                    .set_expression_attribute_names(some(put.names))
                    .set_expression_attribute_values(some(put.values))
                    .return_values_on_condition_check_failure(OnFailure::AllOld);
                part.put(put.build().expect("table and item are set")).build()
            }
            RowWrite::Set(key, field, expect) => {
                let set = RowExpression::set(key, field, expect);
                let update = Update::builder()
                    .table_name(table)
                    .set_key(Some(set.item))
                    .update_expression(set.update)
                    .set_condition_expression(set.condition)
                    .set_expression_attribute_names(some(set.names))
                    .set_expression_attribute_values(some(set.values));
                part.update(update.build().expect("table, key and update are set")).build()
            }
            RowWrite::Delete(key, expect) => {
                let delete = RowExpression::delete(key, expect);
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(delete.item))
                    .set_condition_expression(delete.condition)
                    .set_expression_attribute_names(some(delete.names))
                    .set_expression_attribute_values(some(delete.values));
                part.delete(delete.build().expect("table and key are set")).build()
            }
        }
    }
}

fn check_failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

fn refused_by(item: Option<&Item>) -> Stored<Outcome> {
    let account = item.filter(|item| !item.is_empty()).map(loaded).transpose()?;
    Ok(Outcome::AccountRefused(account.map(Box::new)))
}

/// The row that is stored in place of `row`, if it is of a kind that is read back.
fn there_instead(row: &Row, item: Option<&Item>) -> Stored<Option<Row>> {
    let Some(item) = item else { return Ok(None) };
    let there = match row {
        Row::Segment(_) => Row::Segment(row::read_segment(item)?),
        Row::Redemption(_) => Row::Redemption(row::read_redemption(item)?),
        Row::KeyAlias(name) => {
            let there = row::read_key_alias(item)?;
            one_hash(there.key == name.key, name.account.as_str(), name.key.as_str())?;
            Row::KeyAlias(there)
        }
        Row::IdempotencyRecord(receipt) => {
            let there = row::read_record(item)?;
            one_hash(there.key == receipt.key, receipt.account.as_str(), receipt.key.as_str())?;
            Row::IdempotencyRecord(there)
        }
        _ => return Ok(None),
    };
    Ok(Some(there))
}

/// Two keys have one hash: neither may be taken for the other.
fn one_hash(same: bool, account: &str, key: &str) -> Stored<()> {
    match same {
        true => Ok(()),
        false => Err(StoreError::Broken {
            table: "ledger",
            key: format!("{account} {key}"),
            attribute: table::ledger::KEY.to_owned(),
            problem: "is another key of the same hash".to_owned(),
            later: false,
        }),
    }
}

/// DynamoDB refuses empty maps of names and values.
fn some<K, V>(map: HashMap<K, V>) -> Option<HashMap<K, V>> {
    Some(map).filter(|map| !map.is_empty())
}
