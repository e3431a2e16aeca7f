//! A change that an operator makes: shown first, then confirmed, then made once.

use serde_json::{Map, Value, json};
use shared::clock::{Clock, Entropy};

use super::fields::{or_dash, plan, text};
use crate::api::{Api, Asked, path};
use crate::exit::WrongUse;
use crate::options::how::{Because, How};
use crate::terminal::{Side, Table, agrees, is_attended, plain, put, put_json};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A change, before it is made.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Map<String, Value>,
    /// As in "grant 500 credits to acme?".
    pub(super) says: String,
}

impl Change {
    /// A POST, with what `because` says.
    pub(super) fn post(path: String, says: String, because: &Because) -> Change {
        let change = Change { method: "POST", path, body: Map::new(), says };
        let message = because.message.as_deref().map(Value::from);
        change.with("reason", Some(json!(because.reason))).with("message", message)
    }

    /// The change with one more field, if there is a value.
    pub(super) fn with(mut self, name: &str, value: Option<Value>) -> Change {
        self.body.extend(value.map(|value| (name.to_owned(), value)));
        self
    }
}

/// Makes a change: shows the account before and after it, asks, and sends it until its outcome is
/// known. Returns the API's answer. None: it was a dry run. `allows` may refuse what the preview
/// shows.
///
/// # Errors
/// If nobody can be asked, the person says no, or the API refuses it.
pub(super) async fn make(
    api: &Api,
    change: &Change,
    how: &How,
    allows: impl FnOnce(&Value) -> Result<(), Error>,
) -> Result<Option<Value>, Error> {
    let says = plain(&change.says);
    if !how.yes && !how.dry_run && !is_attended() {
        let why = format!(
            "nobody is at a terminal to confirm: {says}. Say --yes to do it, or --dry-run to see \
             what it would change"
        );
        return Err(WrongUse(why).into());
    }
    let minted = || Entropy::system().mint(Clock::system().now()).to_string();
    let key = how.key.clone().unwrap_or_else(minted);
    let Change { method, path, body, .. } = change;
    // With --yes, too: what `allows` refuses is not a matter of asking.
    let mut rehearsed = body.clone();
    rehearsed.insert("dry_run".to_owned(), Value::Bool(true));
    let preview =
        api.ask(&Asked { method, path, body: &Value::Object(rehearsed) }, Some(&key)).await?;
    allows(&preview)?;
    if how.dry_run && how.json {
        put_json(&preview)?;
        return Ok(None);
    }
    if how.dry_run {
        let whose = whose(api, &preview).await;
        put(format_args!("would {says}\n{}", compared(&preview, &whose, body)))?;
        return Ok(None);
    }
    if !how.yes {
        eprint!("{}", compared(&preview, &whose(api, &preview).await, body));
        if !agrees(&format!("{says}? [y/N] ")) {
            return Err("nothing was changed".into());
        }
    }
    let body = Value::Object(body.clone());
    let made = api.change(&Asked { method, path, body: &body }, &key, how.patience).await?;
    Ok(Some(made))
}

/// Makes a change and prints its answer: the API's own, or the line of `done`.
///
/// # Errors
/// As [`make`].
pub(super) async fn print(
    api: &Api,
    change: &Change,
    how: &How,
    done: impl FnOnce(&Value) -> String,
) -> Result<(), Error> {
    print_if(api, change, how, |_| Ok(()), done).await
}

/// The same, if `allows` does not refuse what the preview shows.
///
/// # Errors
/// As [`make`].
pub(super) async fn print_if(
    api: &Api,
    change: &Change,
    how: &How,
    allows: impl FnOnce(&Value) -> Result<(), Error>,
    done: impl FnOnce(&Value) -> String,
) -> Result<(), Error> {
    let Some(made) = make(api, change, how, allows).await? else { return Ok(()) };
    match how.json {
        true => Ok(put_json(&made)?),
        false => Ok(put(format_args!("{}\n", plain(&done(&made))))?),
    }
}

/// The entry of a receipt, and the balance after it.
pub(super) fn posted(receipt: &Value) -> String {
    let balance = &receipt["balance"];
    let held = match balance["held"].as_str() {
        None | Some("0") => String::new(),
        Some(held) => format!(", held {held}"),
    };
    let (seq, id) = (text(&receipt["seq"]), text(&receipt["id"]));
    format!("available {}{held} (entry {seq}, id {id})", text(&balance["available"]))
}

/// The account of a preview as the directory has it, so that a person sees whose it is. Null: there
/// is none, or the caller may not read it.
async fn whose(api: &Api, preview: &Value) -> Value {
    match preview["before"]["account"].as_str() {
        Some(account) => {
            api.get(&path(&["v1", "accounts", account]), &[]).await.unwrap_or_default()
        }
        None => Value::Null,
    }
}

/// An account before and after a change, beside each other: whose it is, what differs, and what is
/// available. `body`: the request, for what no balance has.
fn compared(preview: &Value, whose: &Value, body: &Map<String, Value>) -> Table {
    let columns = [("", Side::Left), ("BEFORE", Side::Right), ("AFTER", Side::Right)];
    let mut table = Table::new(&columns);
    let (before, after) = (&preview["before"], &preview["after"]);
    table.row(["account".to_owned(), or_dash(&before["account"]), or_dash(&after["account"])]);
    for name in ["name", "labels"] {
        let (was, is) = (or_dash(&whose[name]), or_dash(body.get(name).unwrap_or(&whose[name])));
        if [&was, &is].into_iter().any(|side| side != "-") {
            table.row([name.to_owned(), was, is]);
        }
    }
    let mut row = |name: &str, always: bool, of: &dyn Fn(&Value) -> String| {
        let side = |side: &Value| if side.is_null() { "-".to_owned() } else { of(side) };
        let (was, is) = (side(before), side(after));
        if always || was != is {
            table.row([name.to_owned(), was, is]);
        }
    };
    row("available", true, &|side| text(&side["available"]));
    row("held", false, &|side| text(&side["held"]));
    row("debt", false, &|side| text(&side["debt"]));
    row("plan", false, &plan);
    row("gate", false, &|side| text(&side["gate"]));
    let grants = |side: &Value| side["grants"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<(String, String)> = Vec::new();
    for grant in grants(before).iter().chain(&grants(after)) {
        let named = (text(&grant["id"]), text(&grant["kind"]));
        if !ids.contains(&named) {
            ids.push(named);
        }
    }
    for (id, kind) in ids {
        let left = |side: &Value| {
            let grants = grants(side);
            let grant = grants.iter().find(|grant| text(&grant["id"]) == id);
            grant.map_or("0".to_owned(), |grant| text(&grant["remaining"]))
        };
        // The id that a grant will have is not known before it is made.
        let is_new = !grants(before).iter().any(|grant| text(&grant["id"]) == id);
        let name = if is_new { format!("new {kind} grant") } else { format!("{kind} grant {id}") };
        row(&name, false, &left);
    }
    table
}
