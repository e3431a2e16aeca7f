//! The ledger, page by page.

use std::collections::VecDeque;

use crate::answers::{Entry, Listing};
use crate::error::Error;
use crate::path::{fields, in_account, query};
use crate::request::{LedgerFilter, Spend};
use crate::scrip::Scrip;

/// The entries of an account, the latest first. It asks for more as they are read.
#[must_use = "the entries are asked for as they are read"]
pub struct Ledger {
    scrip: Scrip,
    account: String,
    filter: LedgerFilter,
    read: VecDeque<Entry>,
    cursor: Option<String>,
    has_more: bool,
}

impl Scrip {
    /// Lists every change of the balance, the latest first.
    pub fn ledger(&self, account: &str, filter: LedgerFilter) -> Ledger {
        let (scrip, account) = (self.clone(), account.to_owned());
        Ledger { scrip, account, filter, read: VecDeque::new(), cursor: None, has_more: true }
    }
}

impl Ledger {
    /// The next entry; none after the first one of the account.
    ///
    /// # Errors
    /// [`Error`]. Call it again to go on.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        while self.read.is_empty() && self.has_more {
            let mut filters = fields(&self.filter)?;
            if let Some(cursor) = &self.cursor {
                filters.insert("cursor".to_owned(), cursor.clone().into());
            }
            let path = in_account(&self.account, &["ledger"]) + &query(&filters);
            let listing: Listing = self.scrip.ask(path, None::<&Spend>).await?;
            self.read = listing.entries.into();
            self.has_more = listing.next_cursor.is_some();
            self.cursor = listing.next_cursor;
        }
        Ok(self.read.pop_front())
    }
}
