//! The textbook transaction: a ledger row under the key, and the balance.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};

use super::dynamodb::{Accounts, Tables, number, text, wait};
use crate::contender::{Contender, Error, Later, Outcome, Place};
use crate::meter::Meter;

/// So many transactions are sent before the outcome is called unknown.
const TRIES: usize = 100;

/// One transaction of two items: the key of the ledger's row is the debit's, which saves the third.
pub(super) struct Textbook(Accounts);

impl Textbook {
    pub(super) async fn new(tables: Tables) -> Result<Textbook, Error> {
        Ok(Textbook(Accounts::new(tables).await?))
    }

    async fn take(&self, account: &str, id: &str, credits: u64) -> Result<Outcome, Error> {
        let names = &self.0.names;
        for _ in 0..TRIES {
            let put = Put::builder().table_name(&names.ledger).item("a", text(account));
            let put = put.item("s", text(id)).item("c", number(credits));
            let put = put.condition_expression("attribute_not_exists(s)").build()?;
            let update = Update::builder().table_name(&names.accounts).key("a", text(account));
            let update = update.update_expression("SET v = v - :c");
            let update = update.condition_expression("v >= :c");
            let update = update.expression_attribute_values(":c", number(credits)).build()?;
            let transaction = self.0.client.transact_write_items();
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
                return self.first(account, id).await;
            }
            if failed(1) {
                return Ok(Outcome::Refused);
            }
            // It met another transaction.
            wait().await;
        }
        Ok(Outcome::Unknown)
    }

    /// A retry is answered from the row of its first try.
    async fn first(&self, account: &str, id: &str) -> Result<Outcome, Error> {
        let get = self.0.client.get_item().table_name(&self.0.names.ledger).consistent_read(true);
        let row = get.key("a", text(account)).key("s", text(id)).send().await;
        Ok(row.map_or(Outcome::Unknown, |_| Outcome::Done))
    }
}

impl Contender for Textbook {
    fn name(&self) -> &str {
        "textbook transaction"
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

    fn debit<'a>(&'a self, account: &'a str, id: &'a str, credits: u64) -> Later<'a, Outcome> {
        Box::pin(self.take(account, id, credits))
    }

    fn left<'a>(&'a self, account: &'a str) -> Later<'a, i64> {
        Box::pin(async { Ok(self.0.read(account).await?.credits) })
    }
}
