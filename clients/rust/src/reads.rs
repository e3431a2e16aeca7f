//! What a service can read, and the sessions that it makes: nothing of it changes the balance.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answers::{AccountBalance, Limits, Quote, Session, Usage};
use crate::error::Error;
use crate::path::{fields, in_account, query};
use crate::request::{Days, SessionRequest, Spend};
use crate::scrip::Scrip;
use crate::send::Pending;

impl Scrip {
    /// Says what a debit costs and whether it would pass now. It changes nothing.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn quote(&self, account: &str, spend: Spend) -> Result<Quote, Error> {
        self.ask(in_account(account, &["quotes"]), Some(&spend)).await
    }

    /// Reads what is available and held, the grants, and the next recharge.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn balance(&self, account: &str) -> Result<AccountBalance, Error> {
        self.ask(in_account(account, &["balance"]), None::<&Spend>).await
    }

    /// Reads what was consumed on each day (UTC), by action and by user.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn usage(&self, account: &str, days: Days) -> Result<Usage, Error> {
        let path = in_account(account, &["usage"]) + &query(&fields(&days)?);
        self.ask(path, None::<&Spend>).await
    }

    /// Makes a session: a link for the customer's browser, and a token for the widget.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_session(
        &self,
        account: &str,
        session: SessionRequest,
    ) -> Result<Session, Error> {
        self.ask(in_account(account, &["sessions"]), Some(&session)).await
    }

    /// Lists the account's limits in the windows that run now, with what is used and left of each.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn limits(&self, account: &str) -> Result<Limits, Error> {
        self.ask(in_account(account, &["limits"]), None::<&Spend>).await
    }

    pub(crate) async fn ask<R: DeserializeOwned>(
        &self,
        path: String,
        body: Option<&impl Serialize>,
    ) -> Result<R, Error> {
        let body = body.map(fields).transpose()?.map(Value::Object);
        self.send(&mut Pending::ask(path, body)).await
    }
}
