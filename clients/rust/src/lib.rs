//! Scrip's side of an AI endpoint: credits are set aside before the work, and what was delivered is
//! charged after it.
//!
//! [`Client::charge`] is the one line around the call of a model. If the work fails, panics, or is
//! dropped because its caller went away, the credits go back. If the process dies, there is nothing
//! to do: the hold lapses by itself, and nothing was charged.
//!
//! A [`Transport`] says how requests are signed and sent. Here it answers what Scrip would:
//!
//! ```
//! use client::{Client, Transport, TransportError, Work};
//!
//! #[derive(Clone)]
//! struct Signed;
//!
//! impl Transport for Signed {
//!     async fn send(
//!         &self,
//!         request: http::Request<String>,
//!     ) -> Result<http::Response<String>, TransportError> {
//!         let receipt = match request.uri().path() {
//!             "/v1/accounts/acme/holds" => r#"{"id":"01a20132"}"#,
//!             "/v1/accounts/acme/holds/01a20132/capture" => r#"{"credits":"1.5"}"#,
//!             other => return Err(format!("nobody asked for {other}").into()),
//!         };
//!         Ok(http::Response::builder().status(201).body(receipt.to_owned())?)
//!     }
//! }
//!
//! # async fn paint(prompt: &str) -> Result<Vec<&str>, std::io::Error> { Ok(vec![prompt; 3]) }
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let scrip = Client::new(Signed);
//! let (account, action) = ("acme".to_owned(), "custom_image".to_owned());
//! let work = Work { account, action, quantity: 4, user: None };
//! let charged = scrip.charge(work, async {
//!     let images = paint("a lighthouse").await?; // an error gives the credits back
//!     let delivered = images.len() as u64; //        and so does 0
//!     Ok::<_, std::io::Error>((images, delivered))
//! });
//! let charged = charged.await?;
//! assert_eq!(charged.value.len(), 3);
//! assert_eq!(charged.receipt?["credits"], "1.5");
//! # Ok::<_, TransportError>(())
//! # })?;
//! # Ok::<_, TransportError>(())
//! ```

mod hold;
mod request;

use std::sync::Arc;

pub use hold::Hold;
pub use uuid::Uuid;

/// How a request reaches Scrip: over HTTPS and signed for IAM, or as a call in the same process.
pub trait Transport: Clone + Send + Sync + 'static {
    /// Sends one request, once. The path is `/v1/...`: whose host it is, the transport knows.
    ///
    /// # Errors
    /// If there is no whole answer. The request is sent again then, with the same key.
    fn send(
        &self,
        request: http::Request<String>,
    ) -> impl Future<Output = Result<http::Response<String>, TransportError>> + Send;
}

/// Why there is no answer.
pub type TransportError = Box<dyn std::error::Error + Send + Sync>;

/// A client of one Scrip.
#[derive(Clone)]
pub struct Client<T> {
    transport: T,
    ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
}

/// Work that is about to be done, for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    pub account: String,
    /// An action of the catalog.
    pub action: String,
    /// The most that may be delivered, and so charged.
    pub quantity: u64,
    /// Who it is for: up to 64 characters.
    pub user: Option<String>,
}

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

/// Why Scrip did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An answer of the contract: `insufficient_credits`, `account_frozen`, `hold_ended`, ...
    #[error("{code}: {detail}")]
    Refused {
        status: u16,
        code: String,
        detail: String,
        /// The whole of it: how much is short, and when credits come back.
        problem: serde_json::Value,
    },
    /// Sent again and again, without an answer that says how it ended.
    #[error("the outcome is not known after {tries} tries: {cause}")]
    Unknown { tries: u32, cause: String },
}

impl<T: Transport> Client<T> {
    pub fn new(transport: T) -> Client<T> {
        Client::with_ids(transport, Uuid::now_v7)
    }

    /// A client whose operations have these ids: UUIDv7, by a clock that Scrip's agrees with.
    pub fn with_ids(transport: T, ids: impl Fn() -> Uuid + Send + Sync + 'static) -> Client<T> {
        Client { transport, ids: Arc::new(ids) }
    }

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

    /// Sets the credits for `work` aside.
    ///
    /// # Errors
    /// [`Error`]. If the outcome is not known there may be a hold, which lapses by itself.
    pub async fn hold(&self, work: Work) -> Result<Hold<T>, Error> {
        Hold::open(self.clone(), work).await
    }
}
