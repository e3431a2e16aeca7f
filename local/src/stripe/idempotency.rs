//! Idempotency keys: the same request with the same key gets the same answer.

use serde_json::{Value, json};
use shared::domain::Instant;

use super::memory::{Kept, LISTED_S, Memory};
use super::wire::{Form, Reply, seconds};

/// Answers a change under its key: by the stored answer if there is one, otherwise with `make`. The
/// same key with other parameters is refused. An answer to a wrong key is not stored.
pub(super) fn once(
    memory: &mut Memory,
    key: Option<&str>,
    path: &str,
    form: &Form,
    now: Instant,
    make: impl FnOnce(&mut Memory) -> Reply,
) -> Reply {
    let Some(key) = key else { return make(memory) };
    while memory.replies.front().is_some_and(|kept| kept.at_s < seconds(now) - LISTED_S) {
        memory.replies.pop_front();
    }
    match memory.replies.iter().find(|kept| kept.key == key) {
        Some(kept) if kept.path == path && kept.form == *form => (kept.status, kept.body.clone()),
        Some(_) => (400, reused()),
        None => {
            let (status, body) = make(memory);
            let (path, form) = (path.to_owned(), form.clone());
            let (key, at_s) = (key.to_owned(), seconds(now));
            let kept = Kept { key, path, form, status, body: body.clone(), at_s };
            memory.replies.push_back(kept);
            (status, body)
        }
    }
}

fn reused() -> Value {
    let message = "Keys for idempotent requests can only be used with the same parameters.";
    json!({ "error": { "type": "idempotency_error", "message": message } })
}
