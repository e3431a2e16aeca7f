//! All that the tables say of an account, for those who check it.

use super::item::{self, Attributes, Item};
use super::table::{self, ACCOUNT, SORT};
use super::{Store, StoreError, Stored, accounts, row};
use crate::decide::{IdempotencyRecord, KeyAlias, Redemption, Segment};
use crate::domain::{Account, AccountId, Credits, OperationId, Payment};

/// What the ledger holds of an account, besides the usage of its days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannedRow {
    Segment(Segment),
    KeyAlias(KeyAlias),
    IdempotencyRecord(IdempotencyRecord),
    /// What was given back so far.
    Returned(OperationId, Credits),
    /// A session that a link opened.
    Redemption(Redemption),
}

/// Some of what the ledger holds of an account.
#[derive(Debug)]
pub struct ScanPart {
    /// In the order of their keys: receipts, names and lines before segments, refunds after them. One
    /// that is broken says so.
    pub scanned: Vec<Stored<ScannedRow>>,
    /// The key that was read last. None: that was all.
    pub next: Option<String>,
}

/// Sort keys from `E#` to `R#`, and so not those of days.
const FIRST: &str = "E#";
const LAST: &str = "R#~";

impl Store {
    /// The account as it is written, by a consistent read, even if it contradicts itself. None if
    /// there is none.
    pub async fn account_as_written(&self, id: &AccountId) -> Stored<Option<Account>> {
        let get = self.client.get_item().table_name(&self.tables.accounts).consistent_read(true);
        let got = get.key(ACCOUNT, item::text(id.as_str())).send().await;
        let item = got.map_err(StoreError::of)?.item;
        item.as_ref().map(accounts::read_account_as_written).transpose()
    }

    /// As much as one request reads of what the ledger holds of an account, after the key `after`:
    /// consistently, all but the usage of its days.
    pub async fn scan_part(&self, account: &AccountId, after: Option<&str>) -> Stored<ScanPart> {
        let key = after.map(|after| {
            let key = [(ACCOUNT, account.as_str()), (SORT, after)];
            Item::from(key.map(|(name, value)| (name.to_owned(), item::text(value))))
        });
        let query = self.between(account, FIRST.to_owned(), LAST.to_owned());
        let got = query.set_exclusive_start_key(key).send().await.map_err(StoreError::of)?;
        let next = got.last_evaluated_key().map(|key| Attributes::of("ledger", key).text(SORT));
        let next = next.transpose()?.map(str::to_owned);
        Ok(ScanPart { scanned: got.items().iter().map(read).collect(), next })
    }

    /// Some of the accounts that the ledger holds anything of, after the key `after`; and the key to
    /// go on after, None at the end. A scan is not consistent, and names an account more than once.
    pub async fn scanned_accounts(
        &self,
        after: Option<&(String, String)>,
    ) -> Stored<(Vec<AccountId>, Option<(String, String)>)> {
        let key = after.map(|(account, sort)| {
            let key = [(ACCOUNT, account), (SORT, sort)];
            Item::from(key.map(|(name, value)| (name.to_owned(), item::text(value))))
        });
        let scan = self.client.scan().table_name(&self.tables.ledger);
        let scan = scan.projection_expression(format!("{ACCOUNT}, {SORT}"));
        let got = scan.set_exclusive_start_key(key).send().await.map_err(StoreError::of)?;
        let mut accounts = Vec::new();
        for item in got.items() {
            // What is filed under `#` is of no account: orders, payments, catalogs.
            if let Ok(account) = Attributes::of("ledger", item).text(ACCOUNT)?.parse() {
                accounts.push(account);
            }
        }
        accounts.dedup();
        let next = got.last_evaluated_key().map(|key| {
            let row = Attributes::of("ledger", key);
            Ok::<_, StoreError>((row.text(ACCOUNT)?.to_owned(), row.text(SORT)?.to_owned()))
        });
        Ok((accounts, next.transpose()?))
    }

    /// Whether a payment is marked as one that waits for an operator.
    pub async fn is_marked(&self, payment: &Payment) -> Stored<bool> {
        let key = table::parked_key(payment.at, payment.intent.as_str());
        Ok(self.ledger_item(table::PARKED, &key).await?.is_some())
    }
}

fn read(item: &Item) -> Stored<ScannedRow> {
    let row = Attributes::of("ledger", item);
    let of = match row.text(SORT)?.split_once('#').unwrap_or_default() {
        ("P", _) => return row::read_page(item).map(ScannedRow::Segment),
        ("K", _) => return row::read_name(item).map(ScannedRow::KeyAlias),
        ("G", _) => return row::read_receipt(item).map(ScannedRow::IdempotencyRecord),
        ("E", _) => return row::read_redemption(item).map(ScannedRow::Redemption),
        ("R", id) => OperationId::parse(id),
        _ => None,
    };
    let of = of.ok_or_else(|| row.broken(SORT, "is not a known kind of key"))?;
    row::read_returned(item).map(|credits| ScannedRow::Returned(of, credits))
}
