//! A dead letter: what failed for good, and what is done to try it again.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::{Value, json};
use shared::domain::Instant;
use shared::domain::instant::Span;

/// The end of the name of every dead-letter queue of the template.
pub(super) const SUFFIX: &str = "DeadLetters";

/// A message of a dead-letter queue.
#[derive(Clone, Debug)]
pub struct Letter {
    pub id: String,
    /// The function whose work it was, by its name in the template: `Relay`.
    pub function: String,
    pub sent_at: Instant,
    pub body: Value,
    /// The name under which SQS deletes it, and its queue's address. Empty in the local stack.
    pub(super) receipt: String,
    pub(super) queue_url: String,
}

/// The kinds of dead letters, as docs/operating/alarms.md lists them.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A stream record that could not be processed, and why.
    Record {
        record: Value,
        error: String,
    },
    /// A range of stream records: the message does not have them.
    Range,
    /// A part of a sweep or of an audit.
    Part,
    /// The input of a schedule.
    Schedule {
        input: Value,
    },
    /// An invocation that nobody waited for, of a version or an alias if it named one.
    Invocation {
        payload: Value,
        qualifier: Option<String>,
    },
    Unknown,
}

/// What tries a letter again.
#[derive(Clone, Debug, PartialEq)]
pub enum Replay {
    /// Put it back on the queue with this name in the template.
    Queue(&'static str),
    /// Invoke the function. `waits`: its answer says whether it worked.
    Invoke { function: String, qualifier: Option<String>, payload: Value, waits: bool },
}

impl Letter {
    pub fn kind(&self) -> Kind {
        let body = &self.body;
        if let (true, Some(error)) = (body["record"].is_object(), body["error"].as_str()) {
            return Kind::Record { record: body["record"].clone(), error: error.to_owned() };
        }
        if body["DynamoDBBatchInfo"].is_object() {
            return Kind::Range;
        }
        if let Some(payload) = body.get("requestPayload") {
            // The last of an ARN's eight parts, which one without a version does not have.
            let arn = body["requestContext"]["functionArn"].as_str().unwrap_or_default();
            let qualifier = arn.split(':').nth(7).filter(|version| *version != "$LATEST");
            let (payload, qualifier) = (payload.clone(), qualifier.map(str::to_owned));
            return Kind::Invocation { payload, qualifier };
        }
        match body.as_object() {
            Some(fields) if fields.contains_key("work") => Kind::Part,
            Some(fields) if body["task"].is_string() && fields.len() > 1 => Kind::Part,
            Some(_) if body["task"].is_string() => Kind::Schedule { input: body.clone() },
            _ => Kind::Unknown,
        }
    }

    /// The way to try it again.
    ///
    /// # Errors
    /// Why it cannot be tried again, and what to do instead.
    pub fn replay(&self) -> Result<Replay, String> {
        let function = self.function.clone();
        match self.kind() {
            Kind::Record { record, .. } => match lost_images(&record) {
                Some(account) => Err(format!(
                    "the record is kept without its images: `scrip announce {account} --from-seq N`"
                )),
                None => Ok(Replay::Invoke {
                    function,
                    qualifier: None,
                    payload: json!({ "Records": [record] }),
                    waits: true,
                }),
            },
            Kind::Range => {
                Err("its records are gone: `scrip announce ACCOUNT --from-seq N` sends \
                                the events of an account again"
                    .to_owned())
            }
            Kind::Part => match self.function.as_str() {
                "Recharge" => Ok(Replay::Queue("Sweep")),
                "Audit" => Ok(Replay::Queue("Audits")),
                other => Err(format!("{other} has no queue for parts")),
            },
            Kind::Schedule { input } => {
                Ok(Replay::Invoke { function, qualifier: None, payload: input, waits: false })
            }
            Kind::Invocation { payload, qualifier } => {
                Ok(Replay::Invoke { function, qualifier, payload, waits: false })
            }
            Kind::Unknown => Err("nothing is known of such a message".to_owned()),
        }
    }

    /// What it is.
    fn what(&self) -> String {
        match self.kind() {
            Kind::Record { record, error } => {
                let account = account(&record).unwrap_or("unknown");
                format!("a stream record of account {account}: {error}")
            }
            Kind::Range => {
                let info = &self.body["DynamoDBBatchInfo"];
                let (size, stream) = (&info["batchSize"], table(&info["streamArn"]));
                format!("a range of {size} stream records of {stream}")
            }
            Kind::Part => match self.function.as_str() {
                "Audit" => format!("a part of an audit: {}", self.body["work"]),
                _ => format!("a part of a sweep: {}", self.body),
            },
            Kind::Schedule { input } => format!("a schedule: {input}"),
            // Never the payload: it has what a caller calls its users.
            Kind::Invocation { payload, .. } => match payload["task"].as_str() {
                Some(task) => format!("an invocation of task {task}"),
                None => "an invocation".to_owned(),
            },
            Kind::Unknown => "a message of an unknown form".to_owned(),
        }
    }

    /// One line about it: its age, its function, what it is, and its id.
    pub fn line(&self, now: Instant) -> String {
        let (age, what) = (age(now - self.sent_at), self.what());
        format!("{age:>5}  {:<9}  {what}  [{}]", self.function, self.id)
    }
}

/// What its line says: its body is not for every eye.
impl Serialize for Letter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Letter", 4)?;
        fields.serialize_field("id", &self.id)?;
        fields.serialize_field("function", &self.function)?;
        fields.serialize_field("sent_at", &self.sent_at)?;
        fields.serialize_field("what", &self.what())?;
        fields.end()
    }
}

/// The account that a stream record is about.
fn account(record: &Value) -> Option<&str> {
    record["dynamodb"]["Keys"]["a"]["S"].as_str()
}

/// The account of a record of the accounts' table whose images were too large to keep.
fn lost_images(record: &Value) -> Option<&str> {
    let change = &record["dynamodb"];
    let is_row = change["Keys"].get("s").is_some();
    let is_lost = change.get("NewImage").is_some_and(Value::is_null);
    account(record).filter(|_| is_lost && !is_row)
}

/// The table in the ARN of a stream.
fn table(arn: &Value) -> &str {
    arn.as_str().and_then(|arn| arn.split('/').nth(1)).unwrap_or("an unknown table")
}

/// A span in its largest unit.
pub(crate) fn age(span: Span) -> String {
    match span.ms() / 1_000 {
        s if s < 120 => format!("{s} s"),
        s if s < 7_200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}
