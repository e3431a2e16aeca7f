//! Reads from the store. All are consistent, except a scan.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use super::item::{self, Item};
use super::{Loaded, Store, StoreError, Stored, accounts, gap, limits, loaded, row, table};
use crate::decide::archive::Weight;
use crate::decide::{
    CatalogVersion, DEDUP_WINDOW, IdempotencyRecord, KeyAlias, MAX_CLOCK_AHEAD, Redemption,
    STAMP_MARGIN, Segment,
};
use crate::domain::ledger::PostedEntry;
use crate::domain::limit::{OwnLimits, SubjectHash};
use crate::domain::period::Day;
use crate::domain::usage::{Counted, DayUsage};
use crate::domain::{
    Account, AccountId, Catalog, CatalogFiles, Credits, Entry, Instant, Key, KeySpace, OperationId,
    Seq, Subject,
};

/// How many segments one request of a look-up reads at most: 16 KB of usual ones, 4 read units.
const LOOK_UP_SEGMENTS: i32 = 16;

/// One scan's accounts of a segment of the table, and where the next scan starts.
#[derive(Debug)]
pub struct Scan {
    /// A scan is not consistent: each account is as it was lately. A broken one is an error.
    pub accounts: Vec<Stored<Loaded>>,
    /// The last account that was read. None: this was the end of the segment.
    pub next: Option<AccountId>,
}

impl Store {
    /// At most `limit` accounts of segment `segment` of `of`, after `after`.
    pub async fn scan(
        &self,
        segment: i32,
        of: i32,
        after: Option<&AccountId>,
        limit: i32,
    ) -> Stored<Scan> {
        let scan = self.client.scan().table_name(&self.tables.accounts).limit(limit);
        let scan = scan.segment(segment).total_segments(of);
        let key =
            after.map(|after| Item::from([(table::ACCOUNT.into(), item::text(after.as_str()))]));
        let got =
            Box::pin(scan.set_exclusive_start_key(key).send()).await.map_err(StoreError::of)?;
        let next = got.last_evaluated_key().map(accounts::read_account_key).transpose()?;
        Ok(Scan { accounts: got.items().iter().map(loaded).collect(), next })
    }

    /// The account as it is, by a consistent read; in a dry run, as it would be. None if there is
    /// none.
    pub async fn account(&self, id: &AccountId) -> Stored<Option<Loaded>> {
        let Some(dry_run) = &self.dry_run else { return self.stored_account(id).await };
        if dry_run.account(id).is_none() {
            dry_run.keep(id, self.stored_account(id).await?.map(|loaded| loaded.account));
        }
        let account = dry_run.account(id).and_then(|dry| dry.after);
        // Nothing of it has weight, so that none of it is archived: nobody could read it again.
        Ok(account.map(|account| Loaded { account, weight: Weight::default() }))
    }

    async fn stored_account(&self, id: &AccountId) -> Stored<Option<Loaded>> {
        let get = self.client.get_item().table_name(&self.tables.accounts).consistent_read(true);
        let get = get.key(table::ACCOUNT, item::text(id.as_str()));
        let got = Box::pin(get.send()).await.map_err(StoreError::of)?;
        got.item.as_ref().map(loaded).transpose()
    }

    /// The key alias of a key, if there is one.
    pub async fn name(&self, account: &AccountId, key: &Key) -> Stored<Option<KeyAlias>> {
        let item = self.ledger_item(account.as_str(), &table::key_alias_key(key)).await?;
        item.as_ref().map(row::read_key_alias).transpose()
    }

    /// The idempotency record of a key, if its operation happened.
    pub async fn receipt(
        &self,
        account: &AccountId,
        space: KeySpace,
        key: &Key,
    ) -> Stored<Option<IdempotencyRecord>> {
        let item = self.ledger_item(account.as_str(), &table::record_key(space, key)).await?;
        item.as_ref().map(row::read_record).transpose()
    }

    /// The redemption of the link with this id, if the link opened a session.
    pub async fn redemption(
        &self,
        account: &AccountId,
        id: OperationId,
    ) -> Stored<Option<Redemption>> {
        let item = self.ledger_item(account.as_str(), &table::redemption_key(id)).await?;
        item.as_ref().map(row::read_redemption).transpose()
    }

    /// How much of a debit or a capture was given back so far.
    pub async fn returned(&self, account: &AccountId, debit: OperationId) -> Stored<Credits> {
        let item = self.ledger_item(account.as_str(), &table::refunds_key(debit)).await?;
        Ok(item.as_ref().map(row::read_returned).transpose()?.unwrap_or_default())
    }

    /// The limits of an account's own. None: it never had one.
    pub async fn limits(&self, account: &AccountId) -> Stored<Option<OwnLimits>> {
        let item = self.ledger_item(account.as_str(), table::LIMITS).await?;
        item.as_ref().map(limits::read_own).transpose()
    }

    /// The limits of `account`'s own, as of the version that it names or a later one.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if the ledger has only earlier ones.
    pub async fn limits_of(&self, account: &Account) -> Stored<OwnLimits> {
        let own = self.limits(&account.id).await?.unwrap_or_default();
        match own.version >= account.limits_version {
            true => Ok(own),
            false => Err(StoreError::Broken {
                table: "ledger",
                key: account.id.to_string(),
                attribute: table::LIMITS.to_owned(),
                problem: "is of an earlier version than the account names".to_owned(),
                later: false,
            }),
        }
    }

    /// The name of a subject of an account that counts have by its hash. None: it is not kept.
    pub async fn subject(&self, account: &AccountId, of: SubjectHash) -> Stored<Option<Subject>> {
        let item = self.ledger_item(account.as_str(), &table::subject_key(of)).await?;
        item.as_ref().map(limits::read_subject).transpose()
    }

    pub(super) async fn ledger_item(&self, account: &str, sort: &str) -> Stored<Option<Item>> {
        let get = self.client.get_item().table_name(&self.tables.ledger).consistent_read(true);
        let get = get.key(table::ACCOUNT, item::text(account));
        let get = get.key(table::SORT, item::text(sort));
        let got = Box::pin(get.send()).await.map_err(StoreError::of)?;
        Ok(got.item)
    }

    /// Looks for an operation in the segments, among the entries after number `after`.
    ///
    /// Reads from the latest segment that can hold it down to the first that is too old, and
    /// includes that one: a segment's key is the time of its first entry.
    pub async fn look_up(
        &self,
        account: &AccountId,
        id: &OperationId,
        after: Seq,
    ) -> Stored<Option<PostedEntry>> {
        let latest = id.time() + DEDUP_WINDOW + STAMP_MARGIN;
        let earliest = id.time() - MAX_CLOCK_AHEAD - STAMP_MARGIN;
        let segments =
            self.pages_down_from(account, table::segments_until(latest), LOOK_UP_SEGMENTS);
        let mut segments = segments.into_paginator().items().send();
        while let Some(item) = segments.next().await {
            let segment = row::read_segment(&item.map_err(StoreError::of)?)?;
            let (time, first) = (segment.time, segment.first);
            let found = segment.run().find(id);
            if found.is_some() {
                return Ok(found);
            }
            if time < earliest || first <= after {
                break;
            }
        }
        Ok(None)
    }

    /// Segments of an account, the latest first: at most `count`, before the one at `before`.
    pub async fn segments(
        &self,
        account: &AccountId,
        before: Option<(Instant, Seq)>,
        count: i32,
    ) -> Stored<Vec<Segment>> {
        // BETWEEN includes its bounds. No segment starts at number 0, so `first - 1` sorts before
        // `first`.
        let last = match before {
            Some((time, first)) => table::segment_key(time, first - 1),
            None => table::segments_until(Instant::MAX),
        };
        read_pages(self.pages_down_from(account, last, count), count).await
    }

    /// Segments of an account after the counted ones, in order, without a gap: at most `count`.
    pub async fn segments_after(
        &self,
        account: &AccountId,
        counted: Counted,
        count: i32,
    ) -> Stored<Vec<Segment>> {
        // The times of the keys never go back, so the next segment is there or after it.
        let first = table::segment_key(counted.time, counted.seq + 1);
        let last = table::segments_until(Instant::MAX);
        let segments = read_pages(self.between(account, first, last).limit(count), count).await?;
        let mut next = counted.seq + 1;
        for segment in &segments {
            if segment.first != next {
                return Err(gap(account, next));
            }
            next = segment.last() + 1;
        }
        Ok(segments)
    }

    /// The latest day of an account whose usage was rolled up.
    pub async fn latest_day(&self, account: &AccountId) -> Stored<Option<DayUsage>> {
        let (first, last) = (table::usage_key(Day::FIRST), table::usage_key(Day::LAST));
        let query = self.between(account, first, last).scan_index_forward(false).limit(1);
        let got = Box::pin(query.send()).await.map_err(StoreError::of)?;
        got.items().first().map(row::read_usage).transpose()
    }

    /// The stored usage of the days from `from` to `last`, in order.
    pub async fn days(&self, account: &AccountId, from: Day, last: Day) -> Stored<Vec<DayUsage>> {
        let (first, last) = (table::usage_key(from), table::usage_key(last));
        let mut found = Vec::new();
        let mut items = self.between(account, first, last).into_paginator().items().send();
        while let Some(item) = items.next().await {
            found.push(row::read_usage(&item.map_err(StoreError::of)?)?);
        }
        Ok(found)
    }

    /// The first result of `find` among the entries of an account from `at` on, in their order.
    /// None: `find` accepted no entry.
    pub async fn first_from<T>(
        &self,
        account: &AccountId,
        at: Instant,
        mut find: impl FnMut(&Entry) -> Option<T>,
    ) -> Stored<Option<T>> {
        // The account is read first: an entry that is archived after this read is found in its
        // segment.
        let recent = self.account(account).await?.map(|loaded| loaded.account.recent);
        let mut find = |entry: &Entry| if entry.at >= at { find(entry) } else { None };
        let before = self.pages_down_from(account, table::segments_until(at - STAMP_MARGIN), 1);
        let before = Box::pin(before.send()).await.map_err(StoreError::of)?;
        let first = match before.items().first().map(row::read_segment).transpose()? {
            Some(segment) => table::segment_key(segment.time, segment.first),
            None => "P#".to_owned(),
        };
        let segments = self.between(account, first, table::segments_until(Instant::MAX));
        let mut segments = segments.limit(LOOK_UP_SEGMENTS).into_paginator().items().send();
        while let Some(item) = segments.next().await {
            let segment = row::read_segment(&item.map_err(StoreError::of)?)?;
            let found = segment.entries.iter().find_map(&mut find);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(recent.iter().flatten().find_map(find))
    }

    /// The segments of an account from the key `last` down, `count` in each request.
    fn pages_down_from(&self, account: &AccountId, last: String, count: i32) -> QueryFluentBuilder {
        self.between(account, "P#".to_owned(), last).scan_index_forward(false).limit(count)
    }

    /// The items of an account whose sort keys are `first`, `last` or between them.
    pub(super) fn between(
        &self,
        account: &AccountId,
        first: String,
        last: String,
    ) -> QueryFluentBuilder {
        let query = self.client.query().table_name(&self.tables.ledger).consistent_read(true);
        query
            .key_condition_expression("a = :account AND s BETWEEN :first AND :last")
            .expression_attribute_values(":account", item::text(account.as_str()))
            .expression_attribute_values(":first", item::text(first))
            .expression_attribute_values(":last", item::text(last))
    }

    /// The published catalog in force, without its rate tables. None: the built-in one is.
    pub async fn catalog_in_force(&self) -> Stored<Option<CatalogVersion>> {
        let item = self.ledger_item(table::CATALOG, table::CATALOG_LATEST).await?;
        item.as_ref().map(row::read_catalog).transpose()
    }

    /// The files of the published catalog in force. None: the built-in one is.
    pub async fn catalog(&self) -> Stored<Option<CatalogFiles>> {
        match self.catalog_in_force().await? {
            Some(catalog) => self.catalog_files(catalog).await.map(Some),
            None => Ok(None),
        }
    }

    /// The files of the catalog that was published under a version. None: none was.
    pub async fn catalog_of(&self, version: u32) -> Stored<Option<CatalogFiles>> {
        let item = self.ledger_item(table::CATALOG, &table::catalog_key(version)).await?;
        match item.as_ref().map(row::read_catalog).transpose()? {
            Some(catalog) => self.catalog_files(catalog).await.map(Some),
            None => Ok(None),
        }
    }

    /// A catalog with the rate tables that it names. Those of a catalog that cannot be read are left
    /// out: reading it says why.
    pub async fn catalog_files(&self, catalog: CatalogVersion) -> Stored<CatalogFiles> {
        let CatalogVersion { version, text: catalog } = catalog;
        let mut rates = BTreeMap::new();
        for name in Catalog::tables(&catalog).unwrap_or_default() {
            let key = table::rate_table_key(version, &name);
            if let Some(item) = self.ledger_item(table::CATALOG, &key).await? {
                rates.insert(name, row::read_catalog(&item)?.text);
            }
        }
        Ok(CatalogFiles { catalog, rates })
    }
}

/// At most `count` segments of a query. DynamoDB ends one answer after 1 MB, whatever the limit.
async fn read_pages(query: QueryFluentBuilder, count: i32) -> Stored<Vec<Segment>> {
    let count = count.unsigned_abs() as usize;
    let mut segments = Vec::new();
    let mut items = query.into_paginator().items().send();
    while segments.len() < count
        && let Some(item) = items.next().await
    {
        segments.push(row::read_segment(&item.map_err(StoreError::of)?)?);
    }
    Ok(segments)
}
