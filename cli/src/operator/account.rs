//! `account`: find, show, open, freeze an account, change its plan or its name.

use serde_json::{Value, json};

use super::change::{self, Change, posted};
use super::fields::{self, or_dash, plan, text};
use crate::api::{Api, limited, path};
use crate::options::how::OfAccount;
use crate::options::operator::AccountCommand;
use crate::terminal::{Side, Table, plain, put, put_json};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Runs one of the commands.
///
/// # Errors
/// If the API refuses it, or a change is not confirmed.
pub(super) async fn run(api: &Api, command: AccountCommand) -> Result<(), Error> {
    match command {
        AccountCommand::Find { text, plan, gate, debt, print } => {
            let debt = debt.then(|| "true".to_owned());
            let query = [("q", text), ("plan", plan), ("gate", gate), ("debt", debt)];
            find(api, &limited(&query), print.json).await
        }
        AccountCommand::Show { account, print } => show(api, account.as_str(), print.json).await,
        AccountCommand::Open { account, plan, name, labels, anchor, status, seats, how } => {
            let says = format!("open {account} on plan {plan}");
            let change = change_of(account.as_str(), says)
                .with("plan", Some(json!(plan)))
                .with("name", name.map(Value::from))
                .with("labels", Some(labels).filter(|l| !l.is_empty()).map(Value::from))
                .with("anchor", anchor.map(|day| json!(day)))
                .with("status", status.map(Value::from))
                .with("seats", seats.map(Value::from));
            let is_new = |preview: &Value| match preview["before"].is_null() || how.key.is_some() {
                true => Ok(()),
                false => Err(format!(
                    "there is an account {account} already: `scrip account plan` changes its plan"
                )
                .into()),
            };
            let done = |made: &Value| format!("opened {account}: {}", posted(made));
            change::print_if(api, &change, &how, is_new, done).await
        }
        AccountCommand::Plan { account, plan, status, seats, at, restart, how } => {
            let says = format!("put {account} on plan {plan}");
            let change = change_of(account.as_str(), says)
                .with("plan", Some(json!(plan)))
                .with("status", status.map(Value::from))
                .with("seats", seats.map(Value::from))
                .with("at", at.map(Value::from))
                .with("restart", restart.then_some(Value::Bool(true)));
            let done = |made: &Value| {
                // What the plan gives comes by the entry after this one.
                let (seq, id) = (text(&made["seq"]), text(&made["id"]));
                format!("{account} is on {} (entry {seq}, id {id})", fields::plan(made))
            };
            change::print_if(api, &change, &how, |preview| is_there(preview, &account), done).await
        }
        AccountCommand::Name { account, name, labels, no_labels, how } => {
            if name.is_none() && labels.is_empty() && !no_labels {
                let why = "say --name, --label or --no-labels";
                return Err(crate::exit::WrongUse(why.to_owned()).into());
            }
            let labels = (no_labels || !labels.is_empty()).then(|| json!(labels));
            let change = change_of(account.as_str(), format!("rename {account}"))
                .with("name", name.map(Value::from))
                .with("labels", labels);
            change::print(api, &change, &how, |_| format!("renamed {account}")).await
        }
        AccountCommand::Freeze(asked) => gate(api, asked, "freeze", "froze").await,
        AccountCommand::Unfreeze(asked) => gate(api, asked, "unfreeze", "unfroze").await,
    }
}

fn change_of(account: &str, says: String) -> Change {
    let path = path(&["v1", "accounts", account]);
    Change { method: "PUT", path, body: serde_json::Map::new(), says }
}

/// Refuses a change that would open an account.
fn is_there(preview: &Value, account: &impl std::fmt::Display) -> Result<(), Error> {
    match preview["before"].is_null() {
        false => Ok(()),
        true => {
            Err(format!("there is no account {account}: `scrip account open` opens one").into())
        }
    }
}

async fn gate(api: &Api, asked: OfAccount, verb: &str, done: &str) -> Result<(), Error> {
    let OfAccount { account, because, how } = asked;
    let path = path(&["v1", "accounts", account.as_str(), verb]);
    let change = Change::post(path, format!("{verb} {account}"), &because);
    change::print(api, &change, &how, |made| format!("{done} {account}: {}", posted(made))).await
}

/// What a closed gate means, and what opens it.
fn explained(gate: &str) -> &'static str {
    match gate {
        "account_frozen" => {
            ": it spends nothing until `scrip account unfreeze`; `scrip ledger --kind frozen` \
             says why"
        }
        "plan_required" => ": its plan has no AI, or was canceled: `scrip account plan`",
        "debt_outstanding" => {
            ": it owes credits for money that went back: buying repays them, or `scrip debt waive`"
        }
        _ => "",
    }
}

async fn find(api: &Api, query: &crate::api::Query<'_>, is_json: bool) -> Result<(), Error> {
    let found = api.all("/v1/accounts", query, "accounts", |_| ()).await?;
    if is_json {
        return Ok(put_json(&json!({ "accounts": found }))?);
    }
    let columns = ["ACCOUNT", "NAME", "LABELS", "PLAN", "GATE"].map(|name| (name, Side::Left));
    let mut table = Table::new(&[&columns[..], &[("DEBT", Side::Right)]].concat());
    for account in &found {
        let fields = ["account", "name", "labels"].map(|name| or_dash(&account[name]));
        let state = [plan(account), text(&account["gate"]), text(&account["debt"])];
        table.row(fields.into_iter().chain(state));
    }
    Ok(put(format_args!("{table}{} accounts\n", found.len()))?)
}

async fn show(api: &Api, account: &str, is_json: bool) -> Result<(), Error> {
    let found = api.get(&path(&["v1", "accounts", account]), &[]).await?;
    let balance = api.get(&path(&["v1", "accounts", account, "balance"]), &[]).await?;
    if is_json {
        return Ok(put_json(&json!({ "account": found, "balance": balance }))?);
    }
    let (consumed, recharge) = (&balance["consumed"], &balance["recharge"]);
    let gate = text(&balance["gate"]);
    let mut lines = vec![
        ("account", text(&balance["account"])),
        ("name", or_dash(&found["name"])),
        ("labels", or_dash(&found["labels"])),
        ("plan", plan(&balance)),
        ("gate", format!("{gate}{}", explained(&gate))),
        ("available", text(&balance["available"])),
        ("held", text(&balance["held"])),
        ("debt", text(&balance["debt"])),
        ("consumed", format!("{} since {}", text(&consumed["credits"]), text(&consumed["from"]))),
    ];
    if !recharge.is_null() {
        let line = format!("{} at {}", text(&recharge["credits"]), text(&recharge["at"]));
        lines.push(("recharge", line));
    }
    for (name, value) in lines {
        put(format_args!("{name:<9}  {}\n", plain(&value)))?;
    }
    let columns = [
        ("GRANT", Side::Left),
        ("KIND", Side::Left),
        ("LEFT", Side::Right),
        ("OF", Side::Right),
        ("GRANTED", Side::Left),
        ("EXPIRES", Side::Left),
    ];
    let mut table = Table::new(&columns);
    for grant in balance["grants"].as_array().into_iter().flatten() {
        let fields = ["id", "kind", "remaining", "amount", "granted_at", "expires_at"];
        table.row(fields.map(|name| or_dash(&grant[name])));
    }
    Ok(put(format_args!("\n{table}"))?)
}
