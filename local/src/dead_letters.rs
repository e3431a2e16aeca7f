//! The dead-letter queues of the local stack: in memory, one for each function, as in the template.

use std::sync::{Arc, Mutex, MutexGuard};

use serde::Serialize;
use serde_json::Value;
use shared::domain::Instant;

/// A record, a message or an invocation that failed for good.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    pub id: String,
    /// Its queue, by the name in the template: `RelayDeadLetters`.
    pub queue: String,
    pub at: Instant,
    /// The message: JSON, or a text that is none.
    pub body: Value,
}

/// All of them, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct DeadLetters(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// How many there ever were.
    count: usize,
    letters: Vec<DeadLetter>,
}

impl DeadLetters {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no one panics with the lock")
    }

    /// Puts a message into the queue of the function `relay`, `recharge`, ...
    pub fn bury(&self, function: &str, at: Instant, body: Value) {
        let (first, rest) = function.split_at(1);
        let queue = format!("{}{rest}DeadLetters", first.to_uppercase());
        let mut kept = self.kept();
        kept.count += 1;
        let id = format!("dead-{}", kept.count);
        kept.letters.push(DeadLetter { id, queue, at, body });
    }

    pub fn all(&self) -> Vec<DeadLetter> {
        self.kept().letters.clone()
    }

    /// Removes a message. False: there is none of this id.
    pub fn remove(&self, id: &str) -> bool {
        let letters = &mut self.kept().letters;
        let before = letters.len();
        letters.retain(|letter| letter.id != id);
        letters.len() < before
    }
}
