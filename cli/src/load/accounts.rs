//! The accounts of a load: made ready before it, and compared with their ledgers after it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::clock::Entropy;
use shared::domain::Credits;

use super::drive::DEBIT;
use crate::api::{Api, ApiError, Asked, limited, path};
use crate::operator::fields::credits;
use crate::options::load::Load;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long a change before the load is tried again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// An account of a load, as it was before.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: String,
    available: Credits,
    seq: u64,
}

/// What an account's ledger says about a load.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) debits: usize,
    pub(super) spent: Credits,
    /// What does not add up, for a person.
    pub(super) wrong: Vec<String>,
}

/// Opens the accounts that are missing, and grants what the load may spend.
///
/// # Errors
/// If the API refuses it, or one of them may not spend.
pub(super) async fn ready(api: &Api, load: &Load) -> Result<Vec<Account>, Error> {
    let each = load.requests().div_ceil(load.accounts);
    let debit: Credits = DEBIT.parse()?;
    let needed = debit.times(each + 1);
    let mut accounts = Vec::new();
    for number in 1..=load.accounts {
        let id = format!("load-test-{number}");
        let mut balance = match balance(api, &id).await {
            Err(error) if error.code() == Some("account_not_found") => {
                let body = json!({ "plan": load.plan, "labels": ["load test"] });
                let path = path(&["v1", "accounts", &id]);
                change(api, &Asked { method: "PUT", path: &path, body: &body }).await?;
                self::balance(api, &id).await?
            }
            balance => balance?,
        };
        if balance["gate"] != "open" {
            return Err(format!("{id} may not spend: its gate is {}", balance["gate"]).into());
        }
        if credits(&balance["available"]) < needed {
            let body = json!({ "credits": needed, "reason": "load test" });
            let path = path(&["v1", "accounts", &id, "grants"]);
            change(api, &Asked { method: "POST", path: &path, body: &body }).await?;
            balance = self::balance(api, &id).await?;
        }
        let seq = balance["seq"].as_u64().ok_or("a balance without a number")?;
        accounts.push(Account { id, available: credits(&balance["available"]), seq });
    }
    Ok(accounts)
}

async fn balance(api: &Api, account: &str) -> Result<Value, ApiError> {
    api.get(&path(&["v1", "accounts", account, "balance"]), &[]).await
}

async fn change(api: &Api, asked: &Asked<'_>) -> Result<Value, ApiError> {
    let key = Entropy::system().mint(api.clock().now()).to_string();
    api.change(asked, &key, PATIENCE).await
}

/// Compares the entries of an account since the load began with what its callers were answered.
/// `done`: the debits that happened; `unknown`: those of which nobody knows.
///
/// # Errors
/// If its ledger cannot be read.
pub(super) async fn compare(
    api: &Api,
    account: &Account,
    done: &BTreeSet<&str>,
    unknown: &BTreeSet<&str>,
) -> Result<Compared, Error> {
    let Account { id, available, seq } = account;
    let entries = entries_after(api, id, *seq).await?;
    let after = balance(api, id).await?;
    let mut compared = Compared::default();
    let mut found = BTreeSet::new();
    let mut change = Credits::ZERO;
    let debit: Credits = DEBIT.parse()?;
    for (entry, number) in entries.iter().zip(seq + 1..) {
        let (name, changed) = (entry["id"].as_str().unwrap_or("?"), credits(&entry["available"]));
        change += changed;
        if entry["seq"].as_u64() != Some(number) {
            compared.wrong.push(format!("{id}: in place {number} is entry {}", entry["seq"]));
        }
        if entry["kind"] != "debit" {
            continue;
        }
        compared.debits += 1;
        compared.spent -= changed;
        if !found.insert(name) {
            compared.wrong.push(format!("{id}: the debit {name} happened more than once"));
        }
        if changed != -debit {
            compared.wrong.push(format!("{id}: the debit {name} took {changed}, not -{DEBIT}"));
        }
        if !done.contains(name) && !unknown.contains(name) {
            compared.wrong.push(format!("{id}: the debit {name} was refused, and happened"));
        }
    }
    for lost in done.difference(&found) {
        compared.wrong.push(format!("{id}: the debit {lost} was answered, and is not there"));
    }
    let expected = *available + change;
    if credits(&after["available"]) != expected {
        let is = &after["available"];
        compared.wrong.push(format!("{id}: available is {is}, and the entries give {expected}"));
    }
    Ok(compared)
}

/// The entries of an account after number `seq`, the oldest first.
async fn entries_after(api: &Api, account: &str, seq: u64) -> Result<Vec<Value>, ApiError> {
    let path = path(&["v1", "accounts", account, "ledger"]);
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let page = [&limited(&[])[..], &[("cursor", cursor)]].concat();
        let mut page = api.get(&path, &page).await?;
        let listed = page["entries"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let is_new = |entry: &Value| entry["seq"].as_u64().is_some_and(|number| number > seq);
        let reaches = listed.iter().any(|entry| !is_new(entry));
        entries.extend(listed.into_iter().filter(is_new));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if reaches || cursor.is_none() {
            entries.reverse();
            return Ok(entries);
        }
    }
}
