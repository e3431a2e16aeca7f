//! The update that everybody writes first: no key and no ledger.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

use super::dynamodb::{Accounts, Debit, number, text};
use crate::contender::{Error, Outcome};

/// `SET v = v - :c IF v >= :c`.
pub(super) struct Naive;

impl Debit for Naive {
    const NAME: &'static str = "naive update";

    async fn take(
        accounts: &Accounts,
        account: &str,
        _: &str,
        credits: u64,
    ) -> Result<Outcome, Error> {
        let update = accounts.client.update_item().table_name(&accounts.names.accounts);
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
