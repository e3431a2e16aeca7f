//! Reads all rows of an account, for audit and repair.

use super::item::{self, Attributes, Item};
use super::table::{self, ACCOUNT, SORT};
use super::{Store, StoreError, Stored, accounts, billing, limits, row};
use crate::decide::{IdempotencyRecord, KeyAlias, Redemption, Segment};
use crate::domain::limit::OwnLimits;
use crate::domain::subscription::Billing;
use crate::domain::{Account, AccountId, Credits, OperationId, Payment, Subject};

/// A ledger row of an account. Daily usage is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannedRow {
    Segment(Segment),
    KeyAlias(KeyAlias),
    IdempotencyRecord(IdempotencyRecord),
    /// The credits that were given back so far.
    Returned(OperationId, Credits),
    /// The limits of the account's own.
    Limits(OwnLimits),
    /// The name of a subject that counts have by its hash.
    Subject(Subject),
    /// A session that a link opened.
    Redemption(Redemption),
    /// Its subscriptions, in live mode or in test mode.
    Billing(Box<Billing>),
}

/// Some of the ledger rows of an account.
#[derive(Debug)]
pub struct ScanPart {
    /// In key order: redemptions, idempotency records, key aliases and limits before segments,
    /// refunds and subscriptions after them. A broken row is an error.
    pub scanned: Vec<Stored<ScannedRow>>,
    /// The key that was read last. None: there are no more rows.
    pub next: Option<String>,
}

/// Sort keys from `E#` to `S#billing#`: these exclude the keys of days.
const FIRST: &str = "E#";
const LAST: &str = "S#billing#~";

impl Store {
    /// The account as it is stored, by a consistent read, even if it contradicts itself. None: it
    /// does not exist.
    pub async fn account_as_written(&self, id: &AccountId) -> Stored<Option<Account>> {
        let get = self.client.get_item().table_name(&self.tables.accounts).consistent_read(true);
        let got = get.key(ACCOUNT, item::text(id.as_str())).send().await;
        let item = got.map_err(StoreError::of)?.item;
        item.as_ref().map(accounts::read_account_as_written).transpose()
    }

    /// One request's worth of the ledger rows of an account after the key `after`, by a consistent
    /// read. It leaves out daily usage.
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

    /// Some of the accounts that have rows in the ledger, after the key `after`, and the key after
    /// which to continue; None at the end. A scan is not consistent, and returns an account more
    /// than once.
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
            let row = Attributes::of("ledger", item);
            // Keys that begin with `#` belong to no account: orders, payments, catalogs. A row of
            // the directory names one behind it.
            let name = if row.text(ACCOUNT)? == table::DIRECTORY { SORT } else { ACCOUNT };
            if let Ok(account) = row.text(name)?.parse() {
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

    /// Whether a payment is marked as parked.
    pub async fn is_marked(&self, payment: &Payment) -> Stored<bool> {
        let key = table::place_key(payment.at, payment.intent.as_str());
        Ok(self.ledger_item(table::PARKED, &key).await?.is_some())
    }
}

fn read(item: &Item) -> Stored<ScannedRow> {
    let row = Attributes::of("ledger", item);
    let of = match row.text(SORT)?.split_once('#').unwrap_or_default() {
        ("P", _) => return row::read_segment(item).map(ScannedRow::Segment),
        ("K", _) => return row::read_key_alias(item).map(ScannedRow::KeyAlias),
        ("G", _) => return row::read_record(item).map(ScannedRow::IdempotencyRecord),
        ("E", _) => return row::read_redemption(item).map(ScannedRow::Redemption),
        ("L", _) if row.text(SORT)? == table::LIMITS => {
            return limits::read_own(item).map(ScannedRow::Limits);
        }
        ("L", _) => return limits::read_subject(item).map(ScannedRow::Subject),
        ("S", _) => {
            return billing::read_scanned(item).map(|read| ScannedRow::Billing(Box::new(read)));
        }
        ("R", id) => OperationId::parse(id),
        _ => None,
    };
    let of = of.ok_or_else(|| row.broken(SORT, "is not a known kind of key"))?;
    row::read_returned(item).map(|credits| ScannedRow::Returned(of, credits))
}
