//! The queue of sweep parts that are still to be done. Only this file knows SQS.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::config::{self, ConfigError};
use crate::context;

/// How many messages SQS takes in one call.
const MOST: usize = 10;

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
    pub async fn from_env() -> Result<Queue, ConfigError> {
        let url = config::required("QUEUE_URL")?;
        Ok(Queue::new(Client::new(&context::aws().await), url))
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
}
