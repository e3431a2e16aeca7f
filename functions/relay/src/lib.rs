//! Relay: what the tables' streams say was written, carried on to where it matters.
//!
//! A page that was written is counted into the usage of its days. The record is a wake-up and no
//! more: what is counted is read from the table.

use std::collections::BTreeMap;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::Error;
use serde_json::Value;
use shared::domain::AccountId;
use shared::operate;
use shared::world::World;

/// Takes a batch of a stream's records. The answer names the first record that could not be taken:
/// from there on the batch is sent again.
///
/// # Errors
/// If the payload is not a batch of records.
pub async fn answer(world: &World, payload: Value) -> Result<Value, Error> {
    let event: Event = serde_json::from_value(payload)?;
    let mut taken: BTreeMap<AccountId, bool> = BTreeMap::new();
    let mut response = DynamoDbEventResponse::default();
    for record in &event.records {
        let took = match account(record) {
            Ok(account) => match taken.get(&account) {
                Some(took) => *took,
                None => {
                    let took = count(world, &account).await;
                    *taken.entry(account).or_insert(took)
                }
            },
            Err(error) => {
                tracing::error!(record = record.event_id, %error, "a record cannot be read");
                false
            }
        };
        if !took && response.batch_item_failures.is_empty() {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = record.change.sequence_number.clone();
            response.batch_item_failures.push(failure);
        }
    }
    Ok(serde_json::to_value(response)?)
}

/// The account of a page that was written.
fn account(record: &EventRecord) -> Result<AccountId, Error> {
    let keys = serde_json::to_value(&record.change.keys)?;
    let account = keys["a"]["S"].as_str().ok_or("it has no account")?;
    Ok(account.parse()?)
}

/// Counts what was written of an account. False: it is to be tried again.
async fn count(world: &World, account: &AccountId) -> bool {
    match operate::tally(world, account).await {
        Ok(_) => true,
        Err(error) => {
            let account = account.as_str();
            tracing::error!(account, %error, "pages were not counted; they are tried again");
            false
        }
    }
}
