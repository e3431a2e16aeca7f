//! The rows of the directory, by which operators find accounts.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::item::{self, Attributes, Item, SetAttribute};
use super::payments::{json, parsed};
use super::table::{ACCOUNT, DIRECTORY, SORT, customer_account_key, ledger};
use super::{MAX_KEY_BYTES, Store, StoreError, Stored, accounts};
use crate::domain::{AccountId, AccountNames, AccountState, Credits, ListedAccount, Seq, Status};

/// Some accounts of the directory, in the order of their ids.
#[derive(Debug)]
pub struct DirectoryPart {
    pub accounts: Vec<ListedAccount>,
    /// The account that was read last. None: there are no more.
    pub next: Option<AccountId>,
}

impl Store {
    /// The accounts of the directory after `after`: at most `limit`, and no more than one request
    /// reads, which is 1 MB. The read is not consistent: relay writes a second late in any case. A
    /// row that cannot be read is left out, so that the others are found: the audit names it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn directory(&self, after: Option<&AccountId>, limit: i32) -> Stored<DirectoryPart> {
        let key = after.map(|after| {
            let key = [(ACCOUNT, DIRECTORY), (SORT, after.as_str())];
            Item::from(key.map(|(name, value)| (name.to_owned(), item::text(value))))
        });
        let query = self.client.query().table_name(&self.tables.ledger).limit(limit);
        let query = query.key_condition_expression("a = :directory");
        let query = query.expression_attribute_values(":directory", item::text(DIRECTORY));
        let query = query.set_exclusive_start_key(key);
        let got = Box::pin(query.send()).await.map_err(StoreError::of)?;
        let next = got.last_evaluated_key();
        let next = next.map(|key| Attributes::of("ledger", key).parsed(SORT)).transpose()?;
        let read = |item| {
            let read = read_listed(item);
            read.inspect_err(|error| tracing::warn!(%error, "an account is left out of a search"))
        };
        let accounts = got.items().iter().filter_map(|item| read(item).ok());
        Ok(DirectoryPart { accounts: accounts.collect(), next })
    }

    /// The row of one account in the directory, by a consistent read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn directory_row(&self, account: &AccountId) -> Stored<Option<ListedAccount>> {
        let item = self.ledger_item(DIRECTORY, account.as_str()).await?;
        item.as_ref().map(read_listed).transpose()
    }

    /// The account that a Stripe customer belongs to. None: it is not known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_of_customer(&self, customer: &str) -> Stored<Option<AccountId>> {
        let key = customer_account_key(customer);
        if key.len() > MAX_KEY_BYTES {
            return Ok(None);
        }
        let item = self.ledger_item(&key, ledger::CUSTOMER).await?;
        item.as_ref().map(|item| Attributes::of("ledger", item).parsed(ledger::OF)).transpose()
    }
}

/// The state of an account in JSON, which a person can read.
#[derive(Serialize, Deserialize)]
struct StateText {
    plan: String,
    status: String,
    /// As in the account's item.
    gate: u8,
    debt_micro: i64,
}

/// The attributes of an account's names; of its state, where the row has none yet.
pub(super) fn names(names: &AccountNames, seen: &AccountState, seq: Seq) -> Vec<SetAttribute> {
    let mut sets = state(seen, seq, true);
    let mut set = |name, value| sets.push(SetAttribute { name, value, if_absent: false });
    if let Some(name) = &names.name {
        set(ledger::NAME, item::text(name));
    }
    if let Some(labels) = &names.labels {
        let labels = labels.iter().map(item::text).collect();
        set(ledger::LABELS, AttributeValue::L(labels));
    }
    sets
}

/// The attributes of an account's state.
pub(super) fn state(state: &AccountState, seq: Seq, if_absent: bool) -> Vec<SetAttribute> {
    let text = StateText {
        plan: state.plan.clone(),
        status: state.status.name().to_owned(),
        gate: accounts::gate_bits(state.gate),
        debt_micro: state.debt.micro(),
    };
    let values = [(ledger::TEXT, item::text(json(&text))), (ledger::SEQ, item::number(seq))];
    values.map(|(name, value)| SetAttribute { name, value, if_absent }).into()
}

fn read_listed(item: &Item) -> Stored<ListedAccount> {
    let row = Attributes::of("ledger", item);
    let text: StateText = parsed(&row, ledger::TEXT)?;
    let status = Status::ALL.into_iter().find(|status| status.name() == text.status);
    let status = status.ok_or_else(|| row.broken(ledger::TEXT, "has an unknown status"))?;
    let labels = row.optional_list(ledger::LABELS)?.iter().map(|label| match label {
        AttributeValue::S(label) => Ok(label.clone()),
        _ => Err(row.broken(ledger::LABELS, "has an element that is no text")),
    });
    let name = row.optional_text(ledger::NAME)?.filter(|name| !name.is_empty());
    Ok(ListedAccount {
        account: row.parsed(SORT)?,
        name: name.map(str::to_owned),
        labels: labels.collect::<Stored<_>>()?,
        state: AccountState {
            plan: text.plan,
            status,
            gate: accounts::read_gate(text.gate),
            debt: Credits::from_micro(text.debt_micro),
        },
        seq: row.number(ledger::SEQ)?,
    })
}
