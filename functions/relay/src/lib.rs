//! Relay: forwards the records of the tables' streams to the usage rollup and to the event bus.
//!
//! A record of a segment starts the rollup of its days. The record only wakes it up: the rollup
//! reads the table. A record of a limit that was reached, or of an account, is announced on the bus,
//! from the record alone; and if the account's plan, status, gate or debt changed, its row in the
//! directory says so. If fewer credits are left than its auto top-up allows, a pack is bought.
//!
//! A record that can never be processed, because it cannot be read, goes to the dead-letter queue
//! and counts as processed: if it were returned, it would block the records after it. A record that
//! cannot be processed now is returned, and comes again for as long as the stream keeps it.

mod context;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use lambda_runtime::Error;
use serde_json::{Value, json};
use shared::command::{self, directory};
use shared::decide::announce::{self, About, Event};
use shared::decide::auto_top_up;
use shared::decide::directory::changed;
use shared::domain::auto_top_up::Crossing;
use shared::domain::{AccountId, AccountState, Seq};
use shared::failure::Failure;
use shared::metrics::{Metric, Of};
use shared::store::{read_auto_top_up, read_image, read_keys, read_reached};

pub use context::RelayContext;

/// How long the packs of a batch may take to be paid.
const BUYS_FOR: Duration = Duration::from_secs(20);
/// The largest message for the dead-letter queue: SQS takes 256 KB.
const MAX_BYTES: usize = 200_000;

/// The work that a record asks for.
enum Record {
    /// Roll up the segments of this account.
    Segment(AccountId),
    /// Announce these, in this order, record this state in the directory, and buy a pack where this
    /// crossing needs one. The version is that of the newest catalog that an entry names.
    Account(Vec<Event>, Option<Changed>, Option<(AccountId, Crossing)>, u32),
}

/// The state of an account after a change of it, and the number of its latest entry.
struct Changed {
    account: AccountId,
    state: AccountState,
    seq: Seq,
}

/// Processes a batch of a stream's records. The answer names the first record that failed: the
/// stream sends the batch again from there.
///
/// # Errors
/// If the payload is not a batch of records.
pub async fn answer(surroundings: &RelayContext, payload: Value) -> Result<Value, Error> {
    let Some(Value::Array(records)) = payload.get("Records") else {
        return Err("the input is not a batch of stream records".into());
    };
    let (mut failed, mut unreadable) = (BTreeSet::new(), Vec::new());
    let mut segments: BTreeMap<AccountId, usize> = BTreeMap::new();
    let (mut states, mut crossings) = (BTreeMap::new(), Crossings::default());
    let (mut events, mut newest) = (Vec::new(), 0);
    for (place, record) in records.iter().enumerate() {
        match read(record) {
            Ok(Record::Segment(account)) => {
                segments.entry(account).or_insert(place);
            }
            Ok(Record::Account(written, changed, crossing, version)) => {
                newest = newest.max(version);
                if let Some((account, crossing)) = crossing {
                    // The first of a batch, unless a later one crosses anew.
                    let known = crossings.entry(account).or_insert((place, crossing));
                    if crossing.fresh {
                        *known = (place, crossing);
                    }
                }
                // The stream is in the order of the entries: the latest of a batch is enough.
                if let Some(changed) = changed {
                    states.insert(changed.account.clone(), (place, changed));
                }
                let wanted = |event: &Event| {
                    surroundings.debits || !matches!(event.about, About::Debited { .. })
                };
                events.extend(written.into_iter().filter(wanted).map(|event| (place, event)));
            }
            Err(error) => unreadable.push((place, error.to_string())),
        }
    }
    for (account, place) in segments {
        match command::rollup(&surroundings.context, &account).await {
            Ok(_) => {}
            Err(error) if error.is_of_one_account() => unreadable.push((place, error.to_string())),
            Err(error) => {
                let account = account.as_str();
                tracing::error!(account, %error, "segments were not rolled up; retrying");
                failed.insert(place);
            }
        }
    }
    let mut states: Vec<_> = states.into_values().collect();
    states.sort_by_key(|(place, _)| *place);
    for (place, Changed { account, state, seq }) in states {
        let recorded = directory::record(&surroundings.context, &account, state, seq).await;
        if let Err(error) = recorded {
            let account = account.as_str();
            tracing::error!(account, %error, "the directory was not written; retrying");
            failed.insert(place);
            // Those after it come again in any case, and each could wait as long as this one.
            break;
        }
    }
    let (places, events): (Vec<usize>, Vec<Event>) = events.into_iter().unzip();
    let catalog = &*surroundings.context.catalog_from(newest).await;
    let refused = surroundings.bus.announce(&events, catalog).await;
    let metrics = &surroundings.context.metrics;
    metrics.add(Metric::EventsAnnounced, (events.len() - refused.len()) as u64);
    failed.extend(refused.into_iter().map(|refused| places[refused]));
    failed.extend(buy(surroundings, crossings).await);
    // Records after the first failed one come again, and an unreadable one goes to the queue then.
    let first = failed.first().copied().unwrap_or(records.len());
    for (place, error) in unreadable.into_iter().filter(|(place, _)| *place < first) {
        match set_aside(surroundings, &records[place], error).await {
            true => metrics.add(Metric::RecordsSetAside, 1),
            false => {
                failed.insert(place);
            }
        }
    }
    metrics.add(Metric::RelayBatches, 1);
    metrics.emit(surroundings.context.clock.now(), Of::Run);
    let mut response = DynamoDbEventResponse::default();
    if let Some(first) = failed.first() {
        let mut failure = DynamoDbBatchItemFailure::default();
        let number = records[*first]["dynamodb"]["SequenceNumber"].as_str();
        failure.item_identifier = number.map(str::to_owned);
        response.batch_item_failures.push(failure);
    }
    Ok(serde_json::to_value(response)?)
}

/// The accounts of a batch that may need a pack, each with its crossing and the place of the record.
type Crossings = BTreeMap<AccountId, (usize, Crossing)>;

/// Buys packs. Returns the place of the first record whose crossing could not be looked at.
async fn buy(surroundings: &RelayContext, crossings: Crossings) -> Option<usize> {
    let (context, mut crossings) = (&surroundings.context, Vec::from_iter(crossings));
    crossings.sort_by_key(|(_, (place, _))| *place);
    let until = tokio::time::Instant::now() + BUYS_FOR;
    for (account, (place, crossing)) in crossings {
        let bought = match &surroundings.stripe {
            None => continue,
            Some(stripe) => match stripe.client(context.clock.now()).await {
                Ok(stripe) => {
                    // The rest of the batch does not wait for a slow Stripe.
                    let pays = tokio::time::Instant::now() < until;
                    command::auto_top_up::crossed(context, &stripe, &account, &crossing, pays).await
                }
                Err(error) => {
                    let account = account.as_str();
                    tracing::error!(account, %error, "no key for auto top-up; retrying");
                    return Some(place);
                }
            },
        };
        match bought {
            Err(Failure::Store(error)) if error.is_of_one_account() => {
                let account = account.as_str();
                tracing::error!(account, %error, "an auto top-up cannot be read");
            }
            Err(error) => {
                let account = account.as_str();
                tracing::error!(account, ?error, "auto top-up was not looked at; retrying");
                return Some(place);
            }
            Ok(()) => {}
        }
    }
    None
}

/// Sends a record to the dead-letter queue, without its images if it is too large with them.
/// False: the queue did not accept it.
async fn set_aside(surroundings: &RelayContext, record: &Value, error: String) -> bool {
    let id = record["eventID"].as_str();
    tracing::error!(record = id, %error, "a record goes to the dead-letter queue");
    let mut kept = json!({ "record": record, "error": error });
    if kept.to_string().len() > MAX_BYTES {
        for image in ["NewImage", "OldImage"] {
            kept["record"]["dynamodb"][image] = Value::Null;
        }
    }
    match surroundings.aside.send(&[kept.to_string()]).await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "the dead-letter queue did not accept a record; retrying");
            false
        }
    }
}

/// Reads a record: its keys name a row of the ledger, or its images hold an account.
fn read(record: &Value) -> Result<Record, Error> {
    let record: EventRecord = serde_json::from_value(record.clone())?;
    if let Some(account) = read_keys(record.change.keys)? {
        let image = record.change.new_image;
        if let Some(auto) = read_auto_top_up(image.clone())? {
            return Ok(Record::Account(announce::auto_top_up(&auto), None, None, 0));
        }
        return Ok(match read_reached(image)? {
            Some(first) => Record::Account(vec![announce::limit_reached(first)], None, None, 0),
            None => Record::Segment(account),
        });
    }
    if record.change.new_image.is_empty() {
        // An account that was removed announces nothing.
        return Ok(Record::Account(Vec::new(), None, None, 0));
    }
    let after = read_image(record.change.new_image)?;
    let before = match record.change.old_image.is_empty() {
        true => None,
        false => Some(read_image(record.change.old_image)?),
    };
    let changed = changed(before.as_ref(), &after);
    let changed = changed.map(|state| Changed { account: after.id.clone(), state, seq: after.seq });
    let version = after.recent.iter().map(|entry| entry.catalog).max().unwrap_or(0);
    let events = announce::written(before.as_ref(), &after);
    let crossing = auto_top_up::crossing(before.as_ref(), &after);
    let crossing = crossing.map(|crossing| (after.id.clone(), crossing));
    Ok(Record::Account(events, changed, crossing, version))
}
