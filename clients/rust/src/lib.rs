//! Scrip's client for an AI endpoint: it holds credits before the work, and charges what was
//! delivered after it.
//!
//! [`Client::charge`] is the one line around the call of a model. If the work fails, panics, or is
//! dropped because its caller went away, the credits go back. If the process dies, nothing has to
//! be done: the hold lapses and nothing is charged.
//!
//! A [`Transport`] signs and sends the requests. Here it answers as Scrip would:
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

mod charge;
mod hold;
mod request;

pub use charge::{ChargeError, Charged};
pub use hold::{Hold, Work};
pub use request::{Client, Error, Transport, TransportError};
pub use uuid::Uuid;
