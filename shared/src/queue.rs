//! The queue of sweep parts that are still to be done. Only this file knows SQS.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde_json::Value;

use crate::config::{self, ConfigError};

/// How many messages SQS takes in one call.
const MOST: usize = 10;

/// How long a message waits after its first failure, in seconds.
const FIRST_WAIT_S: i32 = 60;
/// How often that doubles at most: to 16 minutes.
const MAX_DOUBLINGS: u32 = 4;

/// One SQS queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

/// The queue did not take a message. It may have taken others of the same call.
#[derive(Debug, thiserror::Error)]
#[error("the queue did not accept a message: {0}")]
pub struct NotQueued(String);

impl Queue {
    pub fn new(client: Client, url: String) -> Queue {
        Queue { client, url }
    }

    /// The queue of a deployed function: at `QUEUE_URL`.
    ///
    /// # Errors
    /// [`ConfigError`] if `QUEUE_URL` is not set.
    pub fn from_env(aws: &SdkConfig) -> Result<Queue, ConfigError> {
        Ok(Queue::new(Client::new(aws), config::required("QUEUE_URL")?))
    }

    /// Sends messages, in any order.
    ///
    /// # Errors
    /// [`NotQueued`]. A caller that retries sends some of them twice: their work must be
    /// idempotent.
    pub async fn send(&self, messages: &[String]) -> Result<(), NotQueued> {
        for messages in messages.chunks(MOST) {
            let mut batch = self.client.send_message_batch().queue_url(&self.url);
            for (place, message) in messages.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder();
                let entry = entry.id(place.to_string()).message_body(message).build();
                batch = batch.entries(entry.map_err(|e| NotQueued(e.to_string()))?);
            }
            let sent = batch.send().await.map_err(|error| {
                NotQueued(aws_sdk_sqs::error::DisplayErrorContext(&error).to_string())
            })?;
            if let Some(failed) = sent.failed().first() {
                return Err(NotQueued(failed.code().to_owned()));
            }
        }
        Ok(())
    }

    /// Makes a message that failed, a record as Lambda passes it, come again after a minute, and
    /// after twice as long each further time: without that it waits for the visibility timeout of
    /// the queue. If the queue does not answer, it does wait.
    pub async fn retry_soon(&self, record: &Value) {
        let Some(handle) = record["receiptHandle"].as_str() else { return };
        let receives = record["attributes"]["ApproximateReceiveCount"].as_str();
        let receives: u32 = receives.and_then(|count| count.parse().ok()).unwrap_or(1);
        let wait_s = FIRST_WAIT_S << receives.saturating_sub(1).min(MAX_DOUBLINGS);
        let call = self.client.change_message_visibility().queue_url(&self.url);
        let changed = call.receipt_handle(handle).visibility_timeout(wait_s).send().await;
        if let Err(error) = changed {
            let error = aws_sdk_sqs::error::DisplayErrorContext(&error).to_string();
            tracing::warn!(error, "a message that failed comes again later than it could");
        }
    }
}
