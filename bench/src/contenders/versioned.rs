//! Read, compute, write if the version is as it was read: no key and no ledger.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

use super::dynamodb::{Accounts, Debit, number, text, wait};
use crate::contender::{Error, Outcome};

/// So many versions are read before the outcome is called unknown.
const TRIES: usize = 100;

/// A read, and a write that compares the version.
pub(super) struct Versioned;

impl Debit for Versioned {
    const NAME: &'static str = "read, version, write";

    async fn take(
        accounts: &Accounts,
        account: &str,
        _: &str,
        credits: u64,
    ) -> Result<Outcome, Error> {
        let credits = i64::try_from(credits)?;
        for _ in 0..TRIES {
            // Without an answer it is read again by the next try.
            let Ok(read) = accounts.read(account).await else { continue };
            if read.credits < credits {
                return Ok(Outcome::Refused);
            }
            let update = accounts.client.update_item().table_name(&accounts.names.accounts);
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
