//! Restores tables from their backups, and gives a restored table what the template gives one.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, StreamSpecification,
    StreamViewType, TableDescription, TableStatus, Tag, TimeToLiveSpecification, TimeToLiveStatus,
};

use super::{Store, StoreError, Stored, Tables, table};
use crate::domain::Instant;

/// How often a table that is being made or changed is looked at, and how often at most: a day.
const PAUSE: Duration = Duration::from_secs(10);
const LOOKS: usize = 24 * 360;

/// One of the two tables of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    Accounts,
    Ledger,
}

impl TableKind {
    pub const ALL: [TableKind; 2] = [TableKind::Accounts, TableKind::Ledger];

    /// Its name among these.
    pub fn of(self, tables: &Tables) -> &str {
        match self {
            TableKind::Accounts => &tables.accounts,
            TableKind::Ledger => &tables.ledger,
        }
    }

    /// The images in the records of its stream, as in the template.
    fn view(self) -> StreamViewType {
        match self {
            TableKind::Accounts => StreamViewType::NewAndOldImages,
            TableKind::Ledger => StreamViewType::NewImage,
        }
    }
}

impl Store {
    /// The same client on other tables.
    pub fn on(&self, tables: Tables) -> Store {
        Store { tables, ..self.clone() }
    }

    /// The ARN of the stream of a table. None: there is no such table, or it has no stream.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stream_arn(&self, name: &str) -> Stored<Option<String>> {
        let found = self.described(name).await?;
        Ok(found.and_then(|found| found.latest_stream_arn().map(str::to_owned)))
    }

    /// Begins to restore the table `from` as it was at `at` into a new table `to`. False: `to` is
    /// there already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn restore(&self, from: &str, to: &str, at: Instant) -> Stored<bool> {
        if self.described(to).await?.is_some() {
            return Ok(false);
        }
        let at = aws_sdk_dynamodb::primitives::DateTime::from_millis(at.ms());
        let restore = self.client.restore_table_to_point_in_time().source_table_name(from);
        let restore = restore.target_table_name(to).restore_date_time(at);
        restore.send().await.map_err(StoreError::of)?;
        Ok(true)
    }

    /// Waits until a table can be used, and calls `waits` before each look at it but the first.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Exhausted`] after a day.
    pub async fn wait_for(&self, name: &str, mut waits: impl FnMut()) -> Stored<()> {
        for _ in 0..LOOKS {
            let found = self.described(name).await?;
            if found.is_some_and(|found| found.table_status() == Some(&TableStatus::Active)) {
                return Ok(());
            }
            waits();
            tokio::time::sleep(PAUSE).await;
        }
        Err(StoreError::Exhausted { tries: LOOKS })
    }

    /// Turns on what the template turns on for this table and a restored one lacks, and gives it
    /// the tags of the table `from`. Returns what was turned on: nothing if it is called again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn complete(
        &self,
        kind: TableKind,
        from: &str,
        name: &str,
    ) -> Stored<Vec<&'static str>> {
        let mut done = Vec::new();
        let found = self.there(name).await?;
        if found.stream_specification().is_none_or(|stream| !stream.stream_enabled()) {
            let stream = StreamSpecification::builder().stream_enabled(true);
            let stream = stream.stream_view_type(kind.view()).build().expect("all that it needs");
            let update = self.client.update_table().table_name(name).stream_specification(stream);
            update.send().await.map_err(StoreError::of)?;
            self.wait_for(name, || ()).await?;
            done.push("stream");
        }
        if found.deletion_protection_enabled() != Some(true) {
            let update = self.client.update_table().table_name(name);
            let update = update.deletion_protection_enabled(true);
            update.send().await.map_err(StoreError::of)?;
            self.wait_for(name, || ()).await?;
            done.push("deletion protection");
        }
        if kind == TableKind::Ledger && self.lacks_time_to_live(name).await? {
            let spec = TimeToLiveSpecification::builder().enabled(true);
            let spec = spec.attribute_name(table::ledger::DELETE_AT_S).build();
            let update = self.client.update_time_to_live().table_name(name);
            let update = update.time_to_live_specification(spec.expect("all that it needs"));
            update.send().await.map_err(StoreError::of)?;
            done.push("time to live");
        }
        if self.lacks_recovery(name).await? {
            let spec =
                PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
            let update = self.client.update_continuous_backups().table_name(name);
            let update = update
                .point_in_time_recovery_specification(spec.build().expect("all that it needs"));
            update.send().await.map_err(StoreError::of)?;
            done.push("point-in-time recovery");
        }
        let tags = self.tags(&self.there(from).await?).await?;
        let has = self.tags(&found).await?;
        let missing: Vec<Tag> = tags.into_iter().filter(|tag| !has.contains(tag)).collect();
        if !missing.is_empty() {
            let tag = self.client.tag_resource().resource_arn(found.table_arn().unwrap_or(name));
            tag.set_tags(Some(missing)).send().await.map_err(StoreError::of)?;
            done.push("tags");
        }
        Ok(done)
    }

    async fn described(&self, name: &str) -> Stored<Option<TableDescription>> {
        match self.client.describe_table().table_name(name).send().await {
            Ok(found) => Ok(found.table),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(StoreError::of(error)),
        }
    }

    async fn there(&self, name: &str) -> Stored<TableDescription> {
        let found = self.client.describe_table().table_name(name).send().await;
        Ok(found
            .map_err(StoreError::of)?
            .table
            .unwrap_or_else(|| TableDescription::builder().table_name(name).build()))
    }

    async fn lacks_time_to_live(&self, name: &str) -> Stored<bool> {
        let found = self.client.describe_time_to_live().table_name(name).send().await;
        let found = found.map_err(StoreError::of)?.time_to_live_description;
        let status = found.and_then(|found| found.time_to_live_status);
        Ok(!matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)))
    }

    async fn lacks_recovery(&self, name: &str) -> Stored<bool> {
        let found = self.client.describe_continuous_backups().table_name(name).send().await;
        let found = found.map_err(StoreError::of)?.continuous_backups_description;
        let found = found.and_then(|found| found.point_in_time_recovery_description);
        let status = found.and_then(|found| found.point_in_time_recovery_status);
        Ok(status != Some(PointInTimeRecoveryStatus::Enabled))
    }

    /// The tags of a table, without those that AWS itself sets.
    async fn tags(&self, table: &TableDescription) -> Stored<Vec<Tag>> {
        let list = self.client.list_tags_of_resource();
        let list = list.resource_arn(table.table_arn().unwrap_or_default());
        let found = list.send().await.map_err(StoreError::of)?;
        let tags = found.tags().iter().filter(|tag| !tag.key().starts_with("aws:"));
        Ok(tags.cloned().collect())
    }
}

fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code() == Some("ResourceNotFoundException")
}
