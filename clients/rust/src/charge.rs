//! Charges work for what it delivered.

use crate::hold::Work;
use crate::request::{Client, Error, Transport};

/// Work that was done, and its receipt.
#[derive(Debug)]
pub struct Charged<W> {
    /// The value that the work returned.
    pub value: W,
    /// The receipt as Scrip's contract describes it. The work is delivered: on an error here the
    /// endpoint chooses whether to keep it from the customer. The hold lapses then.
    pub receipt: Result<serde_json::Value, Error>,
}

/// Why work was not charged.
#[derive(Debug, thiserror::Error)]
pub enum ChargeError<E> {
    /// The credits could not be held: the work did not begin.
    #[error(transparent)]
    Held(Error),
    /// The work failed, and its credits were given back.
    #[error("the work failed: {0}")]
    Work(E),
}

impl<T: Transport> Client<T> {
    /// Holds the credits for `work`, runs it, and charges what it says it delivered: at most what
    /// was held, and nothing if that is 0.
    ///
    /// # Errors
    /// [`ChargeError::Held`] if the credits could not be held; [`ChargeError::Work`] with the
    /// work's own error.
    pub async fn charge<W, E>(
        &self,
        work: Work,
        run: impl Future<Output = Result<(W, u64), E>>,
    ) -> Result<Charged<W>, ChargeError<E>> {
        let most = work.quantity;
        let hold = self.hold(work).await.map_err(ChargeError::Held)?;
        // An error, a panic and a caller that goes away drop the hold, and the drop releases it.
        let (value, delivered) = run.await.map_err(ChargeError::Work)?;
        let receipt = match delivered {
            0 => hold.release().await,
            delivered => hold.capture(delivered.min(most)).await,
        };
        Ok(Charged { value, receipt })
    }
}
