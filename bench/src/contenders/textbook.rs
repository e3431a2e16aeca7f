//! The textbook transaction: a ledger row under the key, and the balance.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};

use super::dynamodb::{Accounts, Debit, number, text, wait};
use crate::contender::{Error, Outcome};

/// So many transactions are sent before the outcome is called unknown.
const TRIES: usize = 100;

/// One transaction of two items: the key of the ledger's row is the debit's, which saves the third.
pub(super) struct Textbook;

impl Debit for Textbook {
    const NAME: &'static str = "textbook transaction";

    async fn take(
        accounts: &Accounts,
        account: &str,
        id: &str,
        credits: u64,
    ) -> Result<Outcome, Error> {
        let names = &accounts.names;
        for _ in 0..TRIES {
            let put = Put::builder().table_name(&names.ledger).item("a", text(account));
            let put = put.item("s", text(id)).item("c", number(credits));
            let put = put.condition_expression("attribute_not_exists(s)").build()?;
            let update = Update::builder().table_name(&names.accounts).key("a", text(account));
            let update = update.update_expression("SET v = v - :c");
            let update = update.condition_expression("v >= :c");
            let update = update.expression_attribute_values(":c", number(credits)).build()?;
            let transaction = accounts.client.transact_write_items();
            let transaction = transaction
                .transact_items(TransactWriteItem::builder().put(put).build())
                .transact_items(TransactWriteItem::builder().update(update).build());
            let sent = transaction.send().await.map_err(|error| error.into_service_error());
            let canceled = match sent {
                Ok(_) => return Ok(Outcome::Done),
                Err(TransactWriteItemsError::TransactionCanceledException(canceled)) => canceled,
                Err(_) => return Ok(Outcome::Unknown),
            };
            let failed = |part: usize| {
                let reason = canceled.cancellation_reasons().get(part);
                reason.and_then(|reason| reason.code()) == Some("ConditionalCheckFailed")
            };
            if failed(0) {
                return first(accounts, account, id).await;
            }
            if failed(1) {
                return Ok(Outcome::Refused);
            }
            // It met another transaction.
            wait().await;
        }
        Ok(Outcome::Unknown)
    }
}

/// A retry is answered from the row of its first try.
async fn first(accounts: &Accounts, account: &str, id: &str) -> Result<Outcome, Error> {
    let get = accounts.client.get_item().table_name(&accounts.names.ledger).consistent_read(true);
    let row = get.key("a", text(account)).key("s", text(id)).send().await;
    Ok(row.map_or(Outcome::Unknown, |_| Outcome::Done))
}
