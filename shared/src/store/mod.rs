//! The store: the only place that knows DynamoDB.
//!
//! It reads, and it commits changes; it has no unconditional write. A commit is one request.

mod doubt;
mod error;
mod expression;
mod filed;
mod mend;
pub mod packed;
mod payments;
mod read;
mod row;
mod skew;
mod table;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};

pub use doubt::Doubt;
pub use error::StoreError;
use expression::Expression;
pub use filed::{Filed, Shelf};
pub use payments::Parked;
pub use read::Scan;
use row::Item;
pub use skew::Skew;

use crate::clock::Clock;
use crate::decide::page::Weight;
use crate::decide::refund::{Refund, Returned};
use crate::decide::tally::Counted;
use crate::decide::{AccountChange, Change, Edition, Entrance, Name, Page, Receipt, Tally};
use crate::domain::{Account, AccountId, Key, Seq};

/// How the two tables are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    pub accounts: String,
    pub ledger: String,
}

/// Both tables, through one client.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    tables: Tables,
    skew: Skew,
}

/// An account as it was read or written, and what it weighs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub account: Account,
    pub weight: Weight,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written. The account as it is now, if the change was of one account alone.
    Done(Option<Box<Loaded>>),
    /// A guard did not hold: the account as it is. None: there is no such account.
    Refused(Option<Box<Loaded>>),
    /// There is a page under its key.
    PageExists(Page),
    /// The key stands for this id.
    NameExists(Name),
    /// The operation happened.
    ReceiptExists(Receipt),
    /// The link was used.
    EntranceExists(Entrance),
}

type Stored<T> = Result<T, StoreError>;

impl Store {
    /// A store that compares its clock with DynamoDB's at every answer.
    pub fn new(config: aws_sdk_dynamodb::config::Builder, tables: Tables, clock: Clock) -> Store {
        let skew = Skew::new(clock);
        let client = Client::from_conf(config.interceptor(skew.clone()).build());
        Store { client, tables, skew }
    }

    /// Writes `change`, if its conditions hold.
    ///
    /// # Errors
    /// [`StoreError`]. After [`StoreError::Again`] it may or may not have been written.
    pub async fn commit(&self, change: &Change) -> Stored<Outcome> {
        self.commit_in(change, &Doubt::default()).await
    }

    /// As [`Store::commit`]; raises `doubt` if one of its attempts may still arrive later.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_in(&self, change: &Change, doubt: &Doubt) -> Stored<Outcome> {
        // A clock that was off stamps nothing until a read has found it right again.
        if self.skew.check().is_err() {
            self.catalog().await?;
        }
        let outcome = match change {
            Change::Account(change) => self.update(change, doubt).await,
            Change::Page(page) => self.put_page(page).await,
            Change::Name(name) => self.put_name(name).await,
            Change::Open(receipt, account) => self.open(receipt, account, doubt).await,
            Change::Receipted(receipt, change) => self.receipted(receipt, change, doubt).await,
            Change::Refund(receipt, refund) => self.refund(receipt, refund, doubt).await,
            Change::Tally(tally) => self.tally(tally).await,
            Change::Order(receipt, order) => self.place(receipt, order).await,
            Change::Told(order, told) => self.told(*order, told).await,
            Change::Payment(change) => self.write_payment(change).await,
            Change::Keep(event) => self.keep(event).await,
            Change::Decide(event, decided) => self.decide(event, decided).await,
            Change::Publish(edition) => self.publish(edition).await,
            Change::Enter(entrance) => self.enter(entrance).await,
            Change::Mend(mend) => self.mend(mend).await,
        };
        self.skew.check()?;
        outcome
    }

    async fn update(&self, change: &AccountChange, doubt: &Doubt) -> Stored<Outcome> {
        let expression = Expression::of(change);
        let sent = self
            .client
            .update_item()
            .table_name(&self.tables.accounts)
            .key(table::ACCOUNT, row::text(change.account.as_str()))
            .update_expression(expression.update())
            .condition_expression(expression.condition())
            .set_expression_attribute_names(some(expression.names))
            .set_expression_attribute_values(some(expression.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .customize()
            .interceptor(doubt.clone())
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

    async fn put_page(&self, page: &Page) -> Stored<Outcome> {
        let there = self.put_if(row::page_item(page), None).await?;
        match there {
            None => Ok(Outcome::Done(None)),
            Some(item) => Ok(Outcome::PageExists(row::read_page(&item)?)),
        }
    }

    async fn put_name(&self, name: &Name) -> Stored<Outcome> {
        let replaced = name.replaces.map(|id| (table::ledger::ID, row::bytes(*id.bytes())));
        let there = self.put_if(row::name_item(name), replaced).await?;
        let there = there.as_ref().map(row::read_name).transpose()?;
        match there {
            None => Ok(Outcome::Done(None)),
            Some(there) if there.key == name.key => Ok(Outcome::NameExists(there)),
            Some(_) => Err(hash_collision(&name.account, &name.key)),
        }
    }

    async fn enter(&self, entrance: &Entrance) -> Stored<Outcome> {
        let there = self.put_if(row::entrance_item(entrance), None).await?;
        match there {
            None => Ok(Outcome::Done(None)),
            Some(item) => Ok(Outcome::EntranceExists(row::read_entrance(&item)?)),
        }
    }

    /// Puts an item into the ledger if there is none under its key, or if the one there is as
    /// expected. Returns the one that is there instead.
    async fn put_if(&self, item: Item, expected: Option<Expected>) -> Stored<Option<Item>> {
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.ledger)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match expected {
            None => put.condition_expression(ABSENT),
            Some((attribute, value)) => put
                .condition_expression("#expected = :expected")
                .expression_attribute_names("#expected", attribute)
                .expression_attribute_values(":expected", value),
        };
        match put.send().await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(there)) => {
                    Ok(Some(there.item().cloned().unwrap_or_default()))
                }
                _ => Err(StoreError::of(error)),
            },
        }
    }

    async fn open(&self, receipt: &Receipt, account: &Account, doubt: &Doubt) -> Stored<Outcome> {
        let put = put_if(&self.tables.accounts, row::account_item(account), None);
        self.together(receipt, Vec::new(), put, doubt).await
    }

    async fn receipted(
        &self,
        receipt: &Receipt,
        change: &AccountChange,
        doubt: &Doubt,
    ) -> Stored<Outcome> {
        self.together(receipt, Vec::new(), self.part(change), doubt).await
    }

    async fn refund(&self, receipt: &Receipt, refund: &Refund, doubt: &Doubt) -> Stored<Outcome> {
        let account = &refund.change.account;
        let counts = refund.counts.iter().map(|count| self.count(account, count)).collect();
        self.together(receipt, counts, self.part(&refund.change), doubt).await
    }

    /// The change of an account as a part of a transaction.
    fn part(&self, change: &AccountChange) -> TransactWriteItem {
        let expression = Expression::of(change);
        let update = Update::builder()
            .table_name(&self.tables.accounts)
            .key(table::ACCOUNT, row::text(change.account.as_str()))
            .update_expression(expression.update())
            .condition_expression(expression.condition())
            .set_expression_attribute_names(some(expression.names))
            .set_expression_attribute_values(some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table, key and update are set");
        TransactWriteItem::builder().update(update).build()
    }

    /// What was given back so far, counted on from what it was read to be.
    fn count(&self, account: &AccountId, count: &Returned) -> TransactWriteItem {
        let before = Some(count.before).filter(|before| !before.is_zero());
        let before = before.map(|before| (table::ledger::RETURNED, row::number(before.micro())));
        put_if(&self.tables.ledger, row::returned_item(account, count), before)
    }

    async fn tally(&self, tally: &Tally) -> Stored<Outcome> {
        // Mostly it is the latest day alone. A write by itself costs half of one in a transaction.
        if let [day] = &tally.days[..] {
            let item = row::usage_item(&tally.account, &day.after);
            let there = self.put_if(item, day.before.map(counted_is)).await?;
            return Ok(there.map_or(Outcome::Done(None), |_| Outcome::Refused(None)));
        }
        let parts = tally.days.iter().map(|day| {
            let item = row::usage_item(&tally.account, &day.after);
            put_if(&self.tables.ledger, item, day.before.map(counted_is))
        });
        self.all_or_nothing(parts.collect()).await
    }

    /// The latest catalog, if it is still the one before; and the same under its version, for ever.
    async fn publish(&self, edition: &Edition) -> Stored<Outcome> {
        let latest = Put::builder()
            .table_name(&self.tables.ledger)
            .set_item(Some(row::catalog_item(edition, table::CATALOG_LATEST)))
            .condition_expression(format!("{ABSENT} OR {} = :before", table::ledger::VERSION))
            .expression_attribute_values(":before", row::number(edition.version - 1))
            .build()
            .expect("table and item are set");
        let kept = row::catalog_item(edition, &table::catalog_key(edition.version));
        let kept = put_if(&self.tables.ledger, kept, None);
        let latest = TransactWriteItem::builder().put(latest).build();
        self.all_or_nothing(vec![latest, kept]).await
    }

    /// Parts whose conditions all hold, or none: which of them did not is not told.
    async fn all_or_nothing(&self, parts: Vec<TransactWriteItem>) -> Stored<Outcome> {
        let write = self.client.transact_write_items().set_transact_items(Some(parts));
        let Err(error) = write.send().await else {
            return Ok(Outcome::Done(None));
        };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled))
                if canceled.cancellation_reasons().iter().any(check_failed) =>
            {
                Ok(Outcome::Refused(None))
            }
            _ => Err(StoreError::of(error)),
        }
    }

    /// The receipt if absent, counts if there are any, and the account's part: all or nothing.
    async fn together(
        &self,
        receipt: &Receipt,
        counts: Vec<TransactWriteItem>,
        part: TransactWriteItem,
        doubt: &Doubt,
    ) -> Stored<Outcome> {
        let receipt_part = put_if(&self.tables.ledger, row::receipt_item(receipt), None);
        let write = self.client.transact_write_items();
        let parts = [vec![receipt_part], counts, vec![part]].concat();
        let write = write.set_transact_items(Some(parts));
        let sent = write.customize().interceptor(doubt.clone()).send().await;
        let error = match sent {
            Ok(_) => return Ok(Outcome::Done(None)),
            Err(error) => error,
        };
        let canceled = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => canceled,
            _ => return Err(StoreError::of(error)),
        };
        match canceled.cancellation_reasons() {
            // The receipt first: an operation that happened is not refused by what came later.
            [there, ..] if check_failed(there) => {
                let item = there.item().cloned().unwrap_or_default();
                let there = row::read_receipt(&item)?;
                match there.key == receipt.key {
                    true => Ok(Outcome::ReceiptExists(there)),
                    false => Err(hash_collision(&receipt.account, &receipt.key)),
                }
            }
            [_, .., refused] if check_failed(refused) => refused_by(refused.item()),
            // Somebody else has given back in between.
            reasons if reasons.iter().any(check_failed) => Ok(Outcome::Refused(None)),
            _ => Err(StoreError::Again(Box::new(error))),
        }
    }
}

/// True of an item that is not there: every item has the account as its key.
const ABSENT: &str = "attribute_not_exists(a)";

/// What an attribute of the item that is replaced has to be.
type Expected = (&'static str, AttributeValue);

/// How far the usage of a day was counted.
fn counted_is(counted: Counted) -> Expected {
    (table::ledger::COUNTED, row::number(counted.seq))
}

/// The part of a transaction that puts an item where there is none, or where the one there is as
/// expected; if it is another, that comes back.
fn put_if(table: &str, item: Item, expected: Option<Expected>) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let put = match expected {
        None => put.condition_expression(ABSENT),
        Some((attribute, value)) => put
            .condition_expression("#expected = :expected")
            .expression_attribute_names("#expected", attribute)
            .expression_attribute_values(":expected", value),
    };
    let put = put.build().expect("table and item are set");
    TransactWriteItem::builder().put(put).build()
}

fn check_failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

fn refused_by(item: Option<&Item>) -> Stored<Outcome> {
    let account = item.filter(|item| !item.is_empty()).map(loaded).transpose()?;
    Ok(Outcome::Refused(account.map(Box::new)))
}

/// An account as a stream shows it.
///
/// # Errors
/// [`StoreError::Broken`].
pub fn read_image(image: serde_dynamo::Item) -> Stored<Account> {
    row::read_account(&image.into())
}

fn loaded(item: &Item) -> Stored<Loaded> {
    Ok(Loaded { account: row::read_account(item)?, weight: row::weigh(item) })
}

/// DynamoDB refuses empty maps of names and values.
fn some<K, V>(map: std::collections::HashMap<K, V>) -> Option<std::collections::HashMap<K, V>> {
    Some(map).filter(|map| !map.is_empty())
}

/// An entry that should be in a page is in none.
pub fn gap(account: &AccountId, seq: Seq) -> StoreError {
    StoreError::Broken {
        table: "ledger",
        key: account.to_string(),
        attribute: format!("entry {seq}"),
        problem: "is in no page".to_owned(),
    }
}

fn hash_collision(account: &AccountId, key: &Key) -> StoreError {
    StoreError::Broken {
        table: "ledger",
        key: format!("{account} {}", key.as_str()),
        attribute: table::ledger::KEY.to_owned(),
        problem: "is another key of the same hash".to_owned(),
    }
}
