//! Relay: what the tables' streams say was written, carried on to where it matters.
//!
//! A page that was written is counted into the usage of its days: the record is a wake-up and no
//! more, what is counted is read from the table. What was written to an account is announced on the
//! bus, from the record alone.

mod announcing;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::dynamodb::{Event as Batch, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::Error;
use serde_json::Value;
use shared::command;
use shared::decide::announce::{self, About, Event};
use shared::domain::AccountId;
use shared::store::{read_image, read_keys};

pub use surroundings::Surroundings;

/// What a record asks for.
enum Record {
    /// A page of this account is to be counted.
    Page(AccountId),
    /// These are to be announced, in this order.
    Account(Vec<Event>),
}

/// Takes a batch of a stream's records. The answer names the first record that could not be taken:
/// from there on the batch is sent again.
///
/// # Errors
/// If the payload is not a batch of records.
pub async fn answer(surroundings: &Surroundings, payload: Value) -> Result<Value, Error> {
    let batch: Batch = serde_json::from_value(payload)?;
    let mut failed = BTreeSet::new();
    let mut pages: BTreeMap<AccountId, usize> = BTreeMap::new();
    let mut events = Vec::new();
    for (place, record) in batch.records.iter().enumerate() {
        match read(record) {
            Ok(Record::Page(account)) => {
                pages.entry(account).or_insert(place);
            }
            Ok(Record::Account(written)) => {
                let wanted = |event: &Event| {
                    surroundings.debits || !matches!(event.about, About::Debited { .. })
                };
                events.extend(written.into_iter().filter(wanted).map(|event| (place, event)));
            }
            Err(error) => {
                tracing::error!(record = record.event_id, %error, "a record cannot be read");
                failed.insert(place);
            }
        }
    }
    for (account, place) in pages {
        if let Err(error) = command::tally(&surroundings.world, &account).await {
            let account = account.as_str();
            tracing::error!(account, %error, "pages were not counted; they are tried again");
            failed.insert(place);
        }
    }
    failed.extend(announcing::announce(surroundings, events).await);
    let mut response = DynamoDbEventResponse::default();
    if let Some(first) = failed.first() {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = batch.records[*first].change.sequence_number.clone();
        response.batch_item_failures.push(failure);
    }
    Ok(serde_json::to_value(response)?)
}

/// A record is of a row of the ledger, by its keys; or of an account, with images.
fn read(record: &EventRecord) -> Result<Record, Error> {
    if let Some(account) = read_keys(record.change.keys.clone())? {
        return Ok(Record::Page(account));
    }
    if record.change.new_image.is_empty() {
        // An account that was removed announces nothing.
        return Ok(Record::Account(Vec::new()));
    }
    let after = read_image(record.change.new_image.clone())?;
    let before = match record.change.old_image.is_empty() {
        true => None,
        false => Some(read_image(record.change.old_image.clone())?),
    };
    Ok(Record::Account(announce::written(before.as_ref(), &after)))
}
