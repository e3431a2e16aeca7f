//! Accounts as operators find them, as JSON.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::cursor;
use super::reply::ok;
use crate::domain::{AccountId, AccountState, Credits, ListedAccount};
use crate::query::directory::FoundAccounts;

#[derive(Serialize)]
struct Listed<'a> {
    accounts: Vec<Shown<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    account: &'a AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    labels: &'a [String],
    plan: &'a str,
    status: &'static str,
    gate: &'static str,
    debt: Credits,
}

/// Some accounts, and the cursor of the next ones.
pub fn accounts(found: &FoundAccounts) -> Response<Body> {
    let accounts = found.accounts.iter();
    let accounts = accounts.map(|listed| shown(&listed.account, Some(listed), &listed.state));
    ok(&Listed {
        accounts: accounts.collect(),
        next_cursor: found.next.as_ref().map(cursor::seal_account),
    })
}

/// One account in this state, with the names of its row in the directory.
pub fn account(
    account: &AccountId,
    listed: Option<&ListedAccount>,
    state: &AccountState,
) -> Response<Body> {
    ok(&shown(account, listed, state))
}

fn shown<'a>(
    account: &'a AccountId,
    listed: Option<&'a ListedAccount>,
    state: &'a AccountState,
) -> Shown<'a> {
    Shown {
        account,
        name: listed.and_then(|listed| listed.name.as_deref()),
        labels: listed.map_or(&[], |listed| &listed.labels),
        plan: &state.plan,
        status: state.status.name(),
        gate: state.gate.name(),
        debt: state.debt,
    }
}
