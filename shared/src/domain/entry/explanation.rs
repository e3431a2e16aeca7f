//! Why an operator did something, and what the customer reads.

/// The texts about an operation from the one who decided on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Why, for the company's own people: up to 256 bytes.
    pub reason: String,
    /// The text that the customer reads: up to 256 bytes. None: nothing.
    pub message: Option<String>,
}

impl Explanation {
    /// Both in one line, for an idempotency record.
    pub fn content(&self) -> String {
        let Explanation { reason, message } = self;
        let message = message.as_ref().map(|message| format!(" message {message:?}"));
        format!("{reason:?}{}", message.unwrap_or_default())
    }
}
