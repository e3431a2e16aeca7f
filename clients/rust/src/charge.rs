//! Work that is charged for what it delivered.

use crate::hold::Work;
use crate::request::{Client, Error, Transport};

/// Work that was done.
#[derive(Debug)]
pub struct Charged<W> {
    /// What the work returned.
    pub value: W,
    /// The receipt as Scrip's contract describes it. What was delivered is delivered: whether an
    /// error here keeps it from the customer is the endpoint's choice. The hold lapses then.
    pub receipt: Result<serde_json::Value, Error>,
}

/// Why work was not charged.
#[derive(Debug, thiserror::Error)]
pub enum ChargeError<E> {
    /// The credits could not be set aside: the work was not begun.
    #[error(transparent)]
    Held(Error),
    /// The work failed, and what was set aside for it goes back.
    #[error("the work failed: {0}")]
    Work(E),
}

impl<T: Transport> Client<T> {
    /// Sets the credits for `work` aside, runs it, and charges what it says it delivered: at most
    /// what was set aside, and nothing if that is 0.
    ///
    /// # Errors
    /// [`ChargeError::Held`] if the credits could not be set aside; [`ChargeError::Work`] with the
    /// work's own error.
    pub async fn charge<W, E>(
        &self,
        work: Work,
        run: impl Future<Output = Result<(W, u64), E>>,
    ) -> Result<Charged<W>, ChargeError<E>> {
        let most = work.quantity;
        let hold = self.hold(work).await.map_err(ChargeError::Held)?;
        // An error, a panic and a caller that goes away drop the hold, and that releases it.
        let (value, delivered) = run.await.map_err(ChargeError::Work)?;
        let receipt = match delivered {
            0 => hold.release().await,
            delivered => hold.capture(delivered.min(most)).await,
        };
        Ok(Charged { value, receipt })
    }
}
