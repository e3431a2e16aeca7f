//! What is put right in the ledger: put if it is missing, or set aside if it is as it was read.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, TransactWriteItem};

use super::row::{self, Item};
use super::table::{ACCOUNT, SORT, account, aside_key, ledger};
use super::{Outcome, Store, Stored, put_if};
use crate::decide::Page;
use crate::decide::mend::Mend;
use crate::decide::refund::Returned;

impl Store {
    pub(super) async fn mend(&self, mend: &Mend) -> Stored<Outcome> {
        let parts = match mend {
            Mend::Receipt(receipt) => {
                vec![put_if(&self.tables.ledger, row::receipt_item(receipt), None)]
            }
            // Nothing given back is no item: that is what the next refund counts on.
            Mend::Returned(account, count) if count.after.is_zero() => {
                let before = Returned { after: count.before, ..*count };
                vec![self.delete(&row::returned_item(account, &before), ledger::RETURNED)]
            }
            Mend::Returned(account, count) => vec![self.count(account, count)],
            Mend::SetPageAside(page) => {
                let aside = self.set_aside(row::page_item(page), ledger::ENTRIES);
                [vec![self.still_has(page)], aside].concat()
            }
            Mend::SetReceiptAside(receipt) => {
                self.set_aside(row::receipt_item(receipt), ledger::ID)
            }
        };
        self.all_or_nothing(parts).await
    }

    /// That the account has not let go of the entries of this page.
    fn still_has(&self, page: &Page) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.accounts)
            .key(ACCOUNT, row::text(page.account.as_str()))
            .condition_expression(format!("{} OR {} < :first", super::ABSENT, account::PAGED))
            .expression_attribute_values(":first", row::number(page.first))
            .build();
        let check = check.expect("table, key and condition are set");
        TransactWriteItem::builder().condition_check(check).build()
    }

    /// Moves an item to where nobody looks for it, if its attribute `of` is as it was read.
    fn set_aside(&self, item: Item, of: &str) -> Vec<TransactWriteItem> {
        let delete = self.delete(&item, of);
        let key = item.get(SORT).and_then(|key| key.as_s().ok()).cloned().unwrap_or_default();
        let mut aside = item;
        aside.insert(SORT.to_owned(), row::text(aside_key(&key)));
        vec![delete, put_if(&self.tables.ledger, aside, None)]
    }

    /// Deletes an item, if its attribute `of` is as it was read.
    fn delete(&self, item: &Item, of: &str) -> TransactWriteItem {
        let key = [ACCOUNT, SORT].map(|name| (name.to_owned(), item[name].clone()));
        let delete = Delete::builder()
            .table_name(&self.tables.ledger)
            .set_key(Some(Item::from(key)))
            .condition_expression("#of = :read")
            .expression_attribute_names("#of", of)
            .expression_attribute_values(":read", item[of].clone())
            .build()
            .expect("table, key and condition are set");
        TransactWriteItem::builder().delete(delete).build()
    }
}
