//! Read, compute, write if the version is as it was read: no key and no ledger.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

use super::dynamodb::{Accounts, Tables, number, text, wait};
use crate::contender::{Contender, Error, Later, Outcome, Place};
use crate::meter::Meter;

/// So many versions are read before the outcome is called unknown.
const TRIES: usize = 100;

/// A read, and a write that compares the version.
pub(super) struct Versioned(Accounts);

impl Versioned {
    pub(super) async fn new(tables: Tables) -> Result<Versioned, Error> {
        Ok(Versioned(Accounts::new(tables).await?))
    }

    async fn take(&self, account: &str, credits: u64) -> Result<Outcome, Error> {
        let credits = i64::try_from(credits)?;
        for _ in 0..TRIES {
            // Without an answer it is read again by the next try.
            let Ok(read) = self.0.read(account).await else { continue };
            if read.credits < credits {
                return Ok(Outcome::Refused);
            }
            let update = self.0.client.update_item().table_name(&self.0.names.accounts);
            let update = update.key("a", text(account)).condition_expression("n = :read");
            let update = update.update_expression("SET v = :v, n = :n");
            let sent = update
                .expression_attribute_values(":v", number(read.credits - credits))
                .expression_attribute_values(":n", number(read.version + 1))
                .expression_attribute_values(":read", number(read.version))
                .send()
                .await;
            match sent.map_err(|error| error.into_service_error()) {
                Ok(_) => return Ok(Outcome::Done),
                Err(UpdateItemError::ConditionalCheckFailedException(_)) => wait().await,
                Err(_) => return Ok(Outcome::Unknown),
            }
        }
        Ok(Outcome::Unknown)
    }
}

impl Contender for Versioned {
    fn name(&self) -> &str {
        "read, version, write"
    }

    fn place(&self) -> Place {
        self.0.place
    }

    fn meter(&self) -> &Meter {
        &self.0.meter
    }

    fn open<'a>(&'a self, account: &'a str, credits: u64) -> Later<'a, ()> {
        Box::pin(self.0.open(account, credits))
    }

    fn debit<'a>(&'a self, account: &'a str, _: &'a str, credits: u64) -> Later<'a, Outcome> {
        Box::pin(self.take(account, credits))
    }

    fn left<'a>(&'a self, account: &'a str) -> Later<'a, i64> {
        Box::pin(async { Ok(self.0.read(account).await?.credits) })
    }
}
