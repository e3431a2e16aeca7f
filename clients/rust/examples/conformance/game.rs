//! What a case is played with, and how its steps end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use scrip_client::{CaptureReceipt, Error, Scrip, Unpaid};
use serde::Serialize;
use serde_json::{Value, json};

/// What a case is played with.
pub(crate) struct Game {
    pub(crate) scrip: Scrip,
    pub(crate) account: String,
    /// The proxy: its host and port.
    pub(crate) address: String,
    pub(crate) unpaid: Arc<Mutex<Vec<Unpaid>>>,
    pub(crate) ids: RefCell<HashMap<String, String>>,
    pub(crate) began: Cell<u32>,
    pub(crate) charged: Arc<Mutex<Vec<CaptureReceipt>>>,
}

/// How a step failed.
pub(crate) enum Failed {
    By(Error),
    Unpaid(Error, Box<Unpaid>),
    Thrown(String),
    Aborted,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::By(error)
    }
}

pub(crate) fn shown(failed: Failed) -> Value {
    let (error, unpaid) = match failed {
        Failed::By(error) => (error, None),
        Failed::Unpaid(error, unpaid) => (error, Some(unpaid)),
        Failed::Thrown(text) => return json!({ "thrown": text }),
        Failed::Aborted => return json!({ "aborted": true }),
    };
    match error {
        Error::Refused(problem) => json!({ "refused": problem }),
        Error::OutcomeUnknown { keys, .. } => {
            let mut unknown = json!({ "key": keys.first() });
            if let Some(unpaid) = unpaid {
                unknown["unpaid"] = json!(unpaid);
            }
            json!({ "unknown": unknown })
        }
        other => json!({ "failed": other.to_string() }),
    }
}

pub(crate) fn ok(answer: impl Serialize) -> Result<Value, Failed> {
    serde_json::to_value(answer).map_err(|error| Failed::Thrown(error.to_string()))
}

/// The fields of a step, as a request of the client.
pub(crate) fn read<R: serde::de::DeserializeOwned>(step: &Value) -> Result<R, Failed> {
    serde_json::from_value(step.clone()).map_err(|error| Failed::Thrown(error.to_string()))
}
