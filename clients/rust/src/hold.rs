//! A hold: it is captured once, or released.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::request::{Client, Error, Transport};

/// Escapes all of a path's part except the unreserved characters of RFC 3986, 2.3.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Work to be done for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The account's id in Scrip: `auth0|64f0`.
    pub account: String,
    /// An action of the catalog.
    pub action: String,
    /// The most that may be delivered and charged.
    pub quantity: u64,
    /// The person it is for: up to 64 bytes.
    pub user: Option<String>,
}

impl<T: Transport> Client<T> {
    /// Holds the credits for `work`.
    ///
    /// # Errors
    /// [`Error`]. If the outcome is unknown there may be a hold, which lapses without being
    /// charged.
    pub async fn hold(&self, work: Work) -> Result<Hold<T>, Error> {
        Hold::open(self.clone(), work).await
    }
}

/// Held credits. A hold that is dropped is released.
#[must_use = "a hold that is dropped is released"]
pub struct Hold<T: Transport> {
    client: Client<T>,
    path: String,
    user: Option<String>,
    /// No request to end it was sent yet.
    open: bool,
}

impl<T: Transport> Hold<T> {
    async fn open(client: Client<T>, work: Work) -> Result<Hold<T>, Error> {
        let Work { account, action, quantity, user } = work;
        let body = json!({ "action": action, "quantity": quantity, "user": user });
        let path = format!("/v1/accounts/{}/holds", utf8_percent_encode(&account, PART));
        let receipt = client.post(&path, body).await?;
        let id = receipt["id"].as_str().unwrap_or_default();
        Ok(Hold { client, path: format!("{path}/{id}"), user, open: true })
    }

    /// Charges `quantity` of it, and gives the rest back.
    ///
    /// # Errors
    /// [`Error`]: `hold_exceeded` if it is more than was held, `hold_ended` if it was too late.
    pub async fn capture(mut self, quantity: u64) -> Result<Value, Error> {
        // An interrupted charge must not release the hold: the work is delivered.
        self.open = false;
        let body = json!({ "quantity": quantity, "user": self.user });
        self.client.post(&format!("{}/capture", self.path), body).await
    }

    /// Gives all of it back.
    ///
    /// # Errors
    /// [`Error`]: `hold_ended` if it has ended already.
    pub async fn release(mut self) -> Result<Value, Error> {
        self.open = false;
        self.client.post(&format!("{}/release", self.path), json!({})).await
    }
}

impl<T: Transport> Drop for Hold<T> {
    fn drop(&mut self) {
        // Without a runtime no request can be sent: the hold lapses later.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.open {
            let (client, path) = (self.client.clone(), format!("{}/release", self.path));
            runtime.spawn(async move { client.post(&path, json!({})).await });
        }
    }
}
