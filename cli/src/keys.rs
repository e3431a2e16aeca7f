//! `keys`: makes, lists and revokes service keys, in the table and with the secret of a stack.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::clock::{Clock, Entropy};
use shared::command::service_key;
use shared::context;
use shared::domain::instant::Span;
use shared::domain::service_key::{KeyLimit, KeyScope, ListedKey, RevokedKey, ServiceKey};
use shared::domain::{Instant, OperationId};
use shared::secrets::Secret;
use shared::service_key::{self as token, SealedKey, ServiceKeys};
use shared::store::{Store, Tables};

use crate::aws::{Aws, Deployed};
use crate::exit::WrongUse;
use crate::options::keys::{CreateKey, KeyNamed, KeysCommand};
use crate::place::{At, Place};
use crate::terminal::{Side, Table, agrees, is_attended, put, put_json};

/// A key that ends sooner than this is marked in the list: it is time to make another.
const SOON: Span = Span::from_s(30 * 86_400);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The place of a stack's service keys. It needs fewer permissions than [`Place`].
struct Ring {
    store: Store,
    keys: ServiceKeys,
    clock: Clock,
    /// The address that the keys are for.
    url: String,
}

impl Ring {
    async fn open(
        local: Option<String>,
        stack: Option<String>,
        region: Option<String>,
    ) -> Result<Ring, Error> {
        match (local, stack) {
            (Some(origin), _) => Ring::local(origin).await,
            (None, Some(name)) => Ring::deployed(&name, region).await,
            (None, None) => {
                let why = "no stack is named: name a deployed one with --stack NAME, or use \
                           --local for the stack that `cargo run` starts on this machine";
                Err(WrongUse(why.to_owned()).into())
            }
        }
    }

    async fn local(origin: String) -> Result<Ring, Error> {
        let Place { context, at } = Place::local(origin).await?;
        let At::Local { origin: url, service_secret: Some(secret), .. } = at else {
            return Err("this stack takes no service keys".into());
        };
        let keys = ServiceKeys::new(Secret::fixed(secret));
        Ok(Ring { store: context.store, keys, clock: context.clock, url })
    }

    async fn deployed(name: &str, region: Option<String>) -> Result<Ring, Error> {
        let aws = Aws::load(region).await?;
        let stack = Deployed::described(&aws, name).await?;
        if stack.parameter("ServiceKeys").as_deref() != Some("true") {
            let why = format!("{name} takes no service keys: deploy it with ServiceKeys=true");
            return Err(why.into());
        }
        let (accounts, ledger) = (stack.output("AccountsTable")?, stack.output("LedgerTable")?);
        let (arn, url) = (stack.output("ServiceSecretArn")?, stack.output("ServiceUrl")?);
        let (clock, tables) = (Clock::system(), Tables { accounts, ledger });
        let store = context::store(&aws.sdk, tables, clock.clone());
        let keys = ServiceKeys::new(context::secret(&aws.sdk, arn));
        Ok(Ring { store, keys, clock, url })
    }
}

/// Runs one of the commands on the stack that the options name.
///
/// # Errors
/// If the table or the secret cannot be read or written, there is no such key, or the person says
/// no.
pub async fn run(
    local: Option<String>,
    stack: Option<String>,
    region: Option<String>,
    command: KeysCommand,
) -> Result<(), Error> {
    let ring = Ring::open(local, stack, region).await?;
    match command {
        KeysCommand::Create(asked) => create(&ring, asked).await,
        KeysCommand::List(print) => {
            let (list, now) = (ring.store.service_keys().await?, ring.clock.now());
            let sealing = ring.keys.sealing(now).await?;
            let keys =
                list.keys.iter().map(|listed| described(listed, state(listed, now, &sealing)));
            let keys: Vec<_> = keys.chain(list.unlisted.iter().map(unlisted)).collect();
            match print.json {
                true => Ok(put_json(&json!({ "keys": keys }))?),
                false => Ok(put(table(&keys))?),
            }
        }
        KeysCommand::Revoke { id, yes, print } => {
            let id = match id {
                KeyNamed::Id(id) => id,
                KeyNamed::Token => read_id()?,
            };
            let revoked = revoke(&ring, id, yes).await?;
            match print.json {
                true => put_json(&revoked)?,
                false => put(format_args!("within a minute the key {id} is refused\n"))?,
            }
            Ok(())
        }
    }
}

async fn create(ring: &Ring, asked: CreateKey) -> Result<(), Error> {
    let CreateKey { name, scope, account, prefix, expires, print } = asked;
    let now = ring.clock.now();
    let scopes = KeyScope::ALL.into_iter().filter(|known| scope.contains(known)).collect();
    let limit = match (account, prefix) {
        (Some(account), _) => KeyLimit::Account(account),
        (None, Some(prefix)) => KeyLimit::Prefix(prefix),
        (None, None) => KeyLimit::All,
    };
    let (id, expires_at) = (Entropy::system().mint(now), now + expires);
    let key = ServiceKey { id, name, scopes, limit, issued_at: now, expires_at };
    if let KeyLimit::Prefix(prefix) = &key.limit
        && prefix.ends_with(|last: char| last.is_ascii_alphanumeric())
    {
        eprintln!(
            "{prefix} begins {prefix}2 too: the key is for every account whose id goes on so"
        );
    }
    let SealedKey { token, sealed_by } = ring.keys.seal(&key, now).await?;
    // Written before it is printed: no key is in use that no list has.
    service_key::put(&ring.store, &key, &sealed_by).await?;
    if print.json {
        let sealing = BTreeSet::from([sealed_by.clone()]);
        let listed = ListedKey { key, sealed_by, revoked: None };
        let mut described = described(&listed, state(&listed, now, &sealing));
        described["url"] = json!(ring.url);
        described["key"] = json!(token);
        return Ok(put_json(&described)?);
    }
    put(format_args!("{token}\n"))?;
    eprintln!("for {}: key {id}, until {expires_at}. It is not shown again", ring.url);
    Ok(())
}

/// The id of the key whose token is the next line of standard input.
fn read_id() -> Result<OperationId, Error> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    // What was read is not shown: it may be a key, with a letter too many.
    let id = token::id_of(line.trim());
    id.ok_or_else(|| WrongUse("standard input has no service key".to_owned()).into())
}

/// Revokes the key, if it is not revoked, and describes it.
async fn revoke(ring: &Ring, id: OperationId, yes: bool) -> Result<Value, Error> {
    let list = ring.store.service_keys().await?;
    if let Some(revoked) = list.unlisted.iter().find(|revoked| revoked.id == id) {
        return Ok(unlisted(revoked));
    }
    let listed = list.keys.into_iter().find(|listed| listed.key.id == id);
    let name = match &listed {
        Some(listed) if listed.revoked.is_some() => return Ok(described(listed, REVOKED)),
        Some(listed) => crate::terminal::plain(&listed.key.name).to_string(),
        None => {
            // It may be valid all the same: made before a restore, or with a stolen secret.
            eprintln!("the key {id} is not in the list");
            "unlisted".to_owned()
        }
    };
    if !yes {
        if !is_attended() {
            let why = "nobody is at a terminal to confirm: say --yes to revoke the key";
            return Err(WrongUse(why.to_owned()).into());
        }
        if !agrees(&format!("revoke the key {id} ({name})? [y/N] ")) {
            return Err("nothing was changed".into());
        }
    }
    let at = ring.clock.now();
    Ok(match listed {
        Some(mut listed) => {
            listed.revoked = Some(service_key::revoke(&ring.store, &listed.key, at).await?);
            described(&listed, REVOKED)
        }
        None => unlisted(&service_key::revoke_unlisted(&ring.store, id, at).await?),
    })
}

/// The state of a key that is revoked.
const REVOKED: &str = "revoked";

/// How it is with a key, where the stack's secret has the keys `sealing`.
fn state(listed: &ListedKey, now: Instant, sealing: &BTreeSet<String>) -> &'static str {
    match &listed.revoked {
        Some(_) => REVOKED,
        None if listed.key.expires_at <= now => "expired",
        // Its sealing key was taken out of the secret.
        None if !sealing.contains(&listed.sealed_by) => "replaced",
        None if listed.key.expires_at - now < SOON => "ends_soon",
        None => "active",
    }
}

/// What is revoked and in no list.
fn unlisted(revoked: &RevokedKey) -> Value {
    let RevokedKey { id, expires_at, at } = revoked;
    json!({
        "id": id, "name": null, "scopes": null, "account": null, "prefix": null,
        "created_at": null, "expires_at": expires_at, "revoked_at": at, "sealed_by": null,
        "state": REVOKED,
    })
}

fn described(listed: &ListedKey, state: &str) -> Value {
    let ServiceKey { id, name, scopes, limit, issued_at, expires_at } = &listed.key;
    let (account, prefix) = match limit {
        KeyLimit::All => (None, None),
        KeyLimit::Account(account) => (Some(account.as_str()), None),
        KeyLimit::Prefix(prefix) => (None, Some(prefix.as_str())),
    };
    json!({
        "id": id, "name": name, "scopes": scopes, "account": account, "prefix": prefix,
        "created_at": issued_at, "expires_at": expires_at,
        "revoked_at": listed.revoked.and_then(|revoked| revoked.at),
        "sealed_by": listed.sealed_by, "state": state,
    })
}

/// The keys as they are described, without those fields that none but a program needs.
fn table(described: &[Value]) -> Table {
    let columns = ["id", "name", "scopes", "accounts", "created", "expires", "sealed by", "state"];
    let mut table = Table::new(&columns.map(|column| (column, Side::Left)));
    for key in described {
        let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        let scopes = key["scopes"].as_array().into_iter().flatten();
        let scopes: Vec<_> = scopes.filter_map(Value::as_str).collect();
        let accounts = match (key["account"].as_str(), key["prefix"].as_str()) {
            (Some(account), _) => account.to_owned(),
            (None, Some(prefix)) => format!("{prefix}..."),
            (None, None) if key["name"].is_null() => String::new(),
            (None, None) => "all".to_owned(),
        };
        let [id, name, created, expires, sealed_by, state] =
            ["id", "name", "created_at", "expires_at", "sealed_by", "state"].map(text);
        table.row([id, name, scopes.join(","), accounts, created, expires, sealed_by, state]);
    }
    table
}
