//! What is unpaid and belongs to the caller that waits for it.

use tokio::runtime::Handle;

use crate::error::Error;
use crate::request::Unpaid;
use crate::scrip::Scrip;
use crate::tasks::Counted;

/// A charge that failed. If it is dropped before somebody takes it, its caller went away meanwhile:
/// then it is handed over.
pub(crate) struct Owed {
    unpaid: Unpaid,
    error: Error,
    /// Where to; it counts, so that the program does not end before.
    hands: Option<(Scrip, Handle, Counted)>,
}

impl Owed {
    /// # Panics
    /// Outside of a Tokio runtime.
    pub(crate) fn new(scrip: Scrip, unpaid: Unpaid, error: Error) -> Owed {
        let counted = scrip.tasks.count();
        Owed { unpaid, error, hands: Some((scrip, Handle::current(), counted)) }
    }

    /// What was offered to the client's option `on_unpaid` in vain.
    pub(crate) fn told(unpaid: Unpaid, error: Error) -> Owed {
        Owed { unpaid, error, hands: None }
    }

    pub(crate) fn take(mut self) -> (Unpaid, Error) {
        self.hands = None;
        (self.unpaid.clone(), self.error.clone())
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some((scrip, runtime, _counted)) = self.hands.take() {
            let (unpaid, error) = (self.unpaid.clone(), self.error.clone());
            let tasks = scrip.tasks.clone();
            drop(tasks.spawn(&runtime, async move { scrip.hand_over(unpaid, error).await }));
        }
    }
}
