//! `dead list|replay|drop`: the messages of the dead-letter queues.
//!
//! A message is received, and so hidden, for two minutes at most; a command that is interrupted
//! loses none. It is deleted only when it was put back or its work was done: a replay that is
//! interrupted in between happens twice, and every function takes a repeat.

pub(crate) mod letter;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::domain::Instant;

use crate::aws::{Aws, AwsError, Deployed, Service};
use crate::local::{self, LocalError};
use crate::place::{At, Place};
use letter::SUFFIX;
pub use letter::{Kind, Letter, Replay};

/// How long a message that this program looks at is hidden from others, in seconds.
const HIDDEN_S: u32 = 120;
/// How many messages of a queue one command takes: SQS gives ten at once.
const MOST: usize = 1_000;
/// How many empty answers end a queue: SQS asks only some of its servers at a time.
const EMPTY: usize = 2;

/// Which letters a command is about.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// The function, or its queue. None: all.
    pub source: Option<String>,
    /// The beginning of the id. None: all.
    pub id: Option<String>,
}

/// Why a command on dead letters failed.
#[derive(Debug, thiserror::Error)]
pub enum DeadError {
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error("there is no dead-letter queue of {asked}; there are: {}", known.join(", "))]
    NoSource { asked: String, known: Vec<String> },
    #[error("this command needs the whole stack: name it with --stack NAME")]
    OnlyTables,
    #[error("{0}")]
    Cannot(String),
    #[error("a dead letter could not be read: {0}")]
    Unreadable(&'static str),
}

/// The functions of the template that work without a waiting caller, each with a queue.
pub const FUNCTIONS: [&str; 5] = ["Audit", "Debit", "Recharge", "Reconcile", "Relay"];

/// The queues of a stack.
#[derive(Debug)]
pub enum DeadLetters<'a> {
    Deployed { aws: &'a Aws, stack: &'a Deployed },
    Local { origin: &'a str },
}

impl<'a> DeadLetters<'a> {
    /// Those of a place.
    ///
    /// # Errors
    /// [`DeadError::OnlyTables`].
    pub fn of(place: &'a Place) -> Result<DeadLetters<'a>, DeadError> {
        match &place.at {
            At::Stack { aws, stack } => Ok(DeadLetters::Deployed { aws, stack }),
            At::Local { origin, .. } => Ok(DeadLetters::Local { origin }),
            At::Tables { .. } => Err(DeadError::OnlyTables),
        }
    }

    /// The letters that are chosen, the oldest first. They are hidden from others until they are
    /// deleted, shown again ([`DeadLetters::show`]), or two minutes have passed.
    ///
    /// # Errors
    /// [`DeadError`].
    pub async fn take(&self, chosen: &Chosen) -> Result<Vec<Letter>, DeadError> {
        let letters = match self {
            DeadLetters::Deployed { aws, stack } => {
                let mut letters = Vec::new();
                for (queue, url) in queues(stack) {
                    if chosen.is_of(queue) {
                        receive(aws, queue, url, &mut letters).await?;
                    }
                }
                letters
            }
            DeadLetters::Local { origin } => {
                let answer = local::get(format!("{origin}/_local/dead")).await?;
                let letters = answer["letters"].as_array().into_iter().flatten();
                letters.map(of_local).collect::<Result<Vec<_>, _>>()?
            }
        };
        let known: Vec<String> = match self {
            DeadLetters::Deployed { stack, .. } => {
                queues(stack).map(|(queue, _)| function_of(queue).to_owned()).collect()
            }
            DeadLetters::Local { .. } => FUNCTIONS.map(str::to_owned).to_vec(),
        };
        if let Some(asked) = &chosen.source
            && !known.iter().any(|function| chosen.is_of(&format!("{function}{SUFFIX}")))
        {
            return Err(DeadError::NoSource { asked: asked.clone(), known });
        }
        let (mut kept, others): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| {
            let queue = format!("{}{SUFFIX}", letter.function);
            let named = chosen.id.as_ref().is_none_or(|id| letter.id.starts_with(id.as_str()));
            chosen.is_of(&queue) && named
        });
        self.show(&others).await?;
        kept.sort_by_key(|letter| letter.sent_at);
        Ok(kept)
    }

    /// Shows letters to others again.
    ///
    /// # Errors
    /// [`DeadError`]. They are shown again in two minutes then.
    pub async fn show(&self, letters: &[Letter]) -> Result<(), DeadError> {
        let DeadLetters::Deployed { aws, .. } = self else { return Ok(()) };
        for letter in letters {
            let body = json!({
                "QueueUrl": letter.queue_url, "ReceiptHandle": letter.receipt,
                "VisibilityTimeout": 0,
            });
            match aws.json(Service::Sqs, "ChangeMessageVisibility", &body).await {
                // The two minutes are over: it is shown already.
                Err(AwsError::Refused { code, .. }) if code.ends_with("MessageNotInflight") => {}
                shown => {
                    shown?;
                }
            }
        }
        Ok(())
    }

    /// Deletes a letter.
    ///
    /// # Errors
    /// [`DeadError`].
    pub async fn delete(&self, letter: &Letter) -> Result<(), DeadError> {
        match self {
            DeadLetters::Deployed { aws, .. } => {
                let body = json!({ "QueueUrl": letter.queue_url, "ReceiptHandle": letter.receipt });
                aws.json(Service::Sqs, "DeleteMessage", &body).await?;
            }
            DeadLetters::Local { origin } => {
                let url = format!("{origin}/_local/dead/{}/drop", letter.id);
                local::post(url, None, json!({})).await?;
            }
        }
        Ok(())
    }

    /// Tries a letter again, and deletes it if that worked.
    ///
    /// # Errors
    /// [`DeadError`]: why it did not work; the letter is still there.
    pub async fn replay(&self, letter: &Letter) -> Result<(), DeadError> {
        let failing = match letter.replay().map_err(DeadError::Cannot)? {
            Replay::Queue(queue) => {
                self.send(queue, &letter.body).await?;
                None
            }
            Replay::Invoke { function, qualifier, payload, waits } => {
                let answer = self.invoke(&function, qualifier, &payload, waits).await?;
                answer.pointer("/batchItemFailures/0").map(|_| function)
            }
        };
        if let Some(function) = failing {
            let message = format!("{function} could not process it: its log says why");
            return Err(DeadError::Cannot(message));
        }
        self.delete(letter).await
    }

    async fn send(&self, queue: &str, body: &Value) -> Result<(), DeadError> {
        match self {
            DeadLetters::Deployed { aws, stack } => {
                let url = stack.resource(queue)?;
                let message = json!({ "QueueUrl": url, "MessageBody": body.to_string() });
                aws.json(Service::Sqs, "SendMessage", &message).await?;
            }
            DeadLetters::Local { origin } => {
                let url = format!("{origin}/_local/messaging");
                let message = json!({
                    "QueueUrl": queue,
                    "Entries": [{ "Id": "0", "MessageBody": body.to_string() }],
                });
                local::post(url, Some("AmazonSQS.SendMessageBatch"), message).await?;
            }
        }
        Ok(())
    }

    async fn invoke(
        &self,
        function: &str,
        qualifier: Option<String>,
        payload: &Value,
        waits: bool,
    ) -> Result<Value, DeadError> {
        match self {
            DeadLetters::Deployed { aws, stack } => {
                let name = stack.resource(function)?;
                Ok(aws.invoke(&name, qualifier.as_deref(), payload, waits).await?)
            }
            DeadLetters::Local { origin } => {
                let url = format!("{origin}/_local/functions/{}", function.to_lowercase());
                Ok(local::post(url, None, payload.clone()).await?)
            }
        }
    }
}

impl Chosen {
    /// Whether the queue with this name is chosen.
    fn is_of(&self, queue: &str) -> bool {
        let same = |source: &String| {
            source.eq_ignore_ascii_case(queue) || source.eq_ignore_ascii_case(function_of(queue))
        };
        self.source.as_ref().is_none_or(same)
    }
}

/// The dead-letter queues of a stack: their names in the template, and their addresses.
pub(crate) fn queues(stack: &Deployed) -> impl Iterator<Item = (&str, &str)> {
    stack.of_type("AWS::SQS::Queue").filter(|(name, _)| name.ends_with(SUFFIX))
}

/// The function whose failures a queue takes.
pub(crate) fn function_of(queue: &str) -> &str {
    queue.strip_suffix(SUFFIX).unwrap_or(queue)
}

/// Receives the messages of a queue, each once.
async fn receive(
    aws: &Aws,
    queue: &str,
    url: &str,
    letters: &mut Vec<Letter>,
) -> Result<(), DeadError> {
    let body = json!({
        "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": HIDDEN_S,
        "WaitTimeSeconds": 1, "MessageSystemAttributeNames": ["SentTimestamp"],
    });
    let (mut empty, mut seen) = (0, BTreeSet::new());
    while empty < EMPTY && seen.len() < MOST {
        let answer = aws.json(Service::Sqs, "ReceiveMessage", &body).await?;
        let messages = answer["Messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        empty = if messages.is_empty() { empty + 1 } else { 0 };
        for message in messages {
            let letter = of_sqs(message, queue, url)?;
            // Received again: two minutes have passed, and this is the handle that works.
            if !seen.insert(letter.id.clone()) {
                letters.retain(|known| known.id != letter.id);
                empty = EMPTY;
            }
            letters.push(letter);
        }
    }
    Ok(())
}

fn of_sqs(message: &Value, queue: &str, url: &str) -> Result<Letter, DeadError> {
    let text = |field: &'static str| {
        message[field].as_str().map(str::to_owned).ok_or(DeadError::Unreadable(field))
    };
    let sent_at = message["Attributes"]["SentTimestamp"].as_str();
    let sent_at = sent_at.and_then(|ms| ms.parse().ok());
    let body = text("Body")?;
    Ok(Letter {
        id: text("MessageId")?,
        function: function_of(queue).to_owned(),
        sent_at: Instant::from_ms(sent_at.ok_or(DeadError::Unreadable("SentTimestamp"))?),
        body: serde_json::from_str(&body).unwrap_or(Value::String(body)),
        receipt: text("ReceiptHandle")?,
        queue_url: url.to_owned(),
    })
}

fn of_local(letter: &Value) -> Result<Letter, DeadError> {
    let text = |field: &'static str| letter[field].as_str().ok_or(DeadError::Unreadable(field));
    Ok(Letter {
        id: text("id")?.to_owned(),
        function: function_of(text("queue")?).to_owned(),
        sent_at: Instant::parse(text("at")?).ok_or(DeadError::Unreadable("at"))?,
        body: letter["body"].clone(),
        receipt: String::new(),
        queue_url: String::new(),
    })
}
