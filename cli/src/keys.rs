//! `keys`: makes, lists and revokes service keys, in the table and with the secret of a stack.

use serde_json::{Value, json};
use shared::clock::{Clock, Entropy};
use shared::command::service_key;
use shared::context;
use shared::domain::service_key::{KeyLimit, KeyScope, ListedKey, ServiceKey};
use shared::domain::{Instant, OperationId};
use shared::secrets::Secret;
use shared::service_key::ServiceKeys;
use shared::store::{Store, Tables};

use crate::aws::{Aws, Deployed};
use crate::exit::WrongUse;
use crate::options::keys::{CreateKey, KeysCommand};
use crate::place::{At, Place};
use crate::terminal::{Side, Table, agrees, is_attended, put, put_json};

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
            let (listed, now) = (ring.store.service_keys().await?, ring.clock.now());
            match print.json {
                true => {
                    let keys: Vec<_> = listed.iter().map(|listed| described(listed, now)).collect();
                    Ok(put_json(&json!({ "keys": keys }))?)
                }
                false => Ok(put(table(&listed, now))?),
            }
        }
        KeysCommand::Revoke { id, yes, print } => {
            let revoked = revoke(&ring, id, yes).await?;
            match print.json {
                true => put_json(&described(&revoked, ring.clock.now()))?,
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
    let token = ring.keys.seal(&key, now).await?;
    // Written before it is printed: no key is in use that no list has.
    service_key::put(&ring.store, &key).await?;
    if print.json {
        let mut described = described(&ListedKey { key, revoked_at: None }, now);
        described["url"] = json!(ring.url);
        described["key"] = json!(token);
        return Ok(put_json(&described)?);
    }
    put(format_args!("{token}\n"))?;
    eprintln!("for {}: key {id}, until {expires_at}. It is not shown again", ring.url);
    Ok(())
}

async fn revoke(ring: &Ring, id: OperationId, yes: bool) -> Result<ListedKey, Error> {
    let listed = ring.store.service_keys().await?;
    let listed = listed.into_iter().find(|listed| listed.key.id == id);
    let ListedKey { key, revoked_at } = listed.ok_or_else(|| format!("there is no key {id}"))?;
    if revoked_at.is_some() {
        return Ok(ListedKey { key, revoked_at });
    }
    if !yes {
        if !is_attended() {
            let why = "nobody is at a terminal to confirm: say --yes to revoke the key";
            return Err(WrongUse(why.to_owned()).into());
        }
        if !agrees(&format!("revoke the key {id} ({})? [y/N] ", crate::terminal::plain(&key.name)))
        {
            return Err("nothing was changed".into());
        }
    }
    let at = ring.clock.now();
    service_key::revoke(&ring.store, &key, at).await?;
    Ok(ListedKey { key, revoked_at: Some(at) })
}

/// `active`, `revoked` or `expired`.
fn state(listed: &ListedKey, now: Instant) -> &'static str {
    match listed.revoked_at {
        Some(_) => "revoked",
        None if listed.key.expires_at <= now => "expired",
        None => "active",
    }
}

fn described(listed: &ListedKey, now: Instant) -> Value {
    let ServiceKey { id, name, scopes, limit, issued_at, expires_at } = &listed.key;
    let (account, prefix) = match limit {
        KeyLimit::All => (None, None),
        KeyLimit::Account(account) => (Some(account.as_str()), None),
        KeyLimit::Prefix(prefix) => (None, Some(prefix.as_str())),
    };
    json!({
        "id": id, "name": name, "scopes": scopes, "account": account, "prefix": prefix,
        "created_at": issued_at, "expires_at": expires_at, "revoked_at": listed.revoked_at,
        "state": state(listed, now),
    })
}

fn table(listed: &[ListedKey], now: Instant) -> Table {
    let columns = ["id", "name", "scopes", "accounts", "created", "expires", "state"];
    let mut table = Table::new(&columns.map(|column| (column, Side::Left)));
    for one in listed {
        let key = &one.key;
        let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
        let accounts = match &key.limit {
            KeyLimit::All => "all".to_owned(),
            KeyLimit::Account(account) => account.to_string(),
            KeyLimit::Prefix(prefix) => format!("{prefix}..."),
        };
        let (created, expires) = (key.issued_at.to_string(), key.expires_at.to_string());
        let (id, name, scopes) = (key.id.to_string(), key.name.clone(), scopes.join(","));
        table.row([id, name, scopes, accounts, created, expires, state(one, now).to_owned()]);
    }
    table
}
