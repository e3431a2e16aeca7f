//! The update that everybody writes first: no key and no ledger.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

use super::dynamodb::{Accounts, Tables, number, text};
use crate::contender::{Contender, Error, Later, Outcome, Place};
use crate::meter::Meter;

/// `SET v = v - :c IF v >= :c`.
pub(super) struct Naive(Accounts);

impl Naive {
    pub(super) async fn new(tables: Tables) -> Result<Naive, Error> {
        Ok(Naive(Accounts::new(tables).await?))
    }

    async fn take(&self, account: &str, credits: u64) -> Result<Outcome, Error> {
        let update = self.0.client.update_item().table_name(&self.0.names.accounts);
        let update = update.key("a", text(account)).update_expression("SET v = v - :c");
        let update = update.condition_expression("v >= :c");
        let sent = update.expression_attribute_values(":c", number(credits)).send().await;
        match sent.map_err(|error| error.into_service_error()) {
            Ok(_) => Ok(Outcome::Done),
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(Outcome::Refused),
            // The SDK has tried three times.
            Err(_) => Ok(Outcome::Unknown),
        }
    }
}

impl Contender for Naive {
    fn name(&self) -> &str {
        "naive update"
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
