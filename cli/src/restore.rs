//! `restore`: restores both tables to a moment, repairs them, and says how to point the stack at
//! them. Every step can be run again: it continues where it was interrupted.

use shared::config::Config;
use shared::context::{Context, StartError};
use shared::domain::Instant;
use shared::domain::instant::Span;
use shared::store::{Store, StoreError, TableKind, Tables};
use shared::stripe::{Stripe, StripeAccount};

use crate::audit;
use crate::repair::{self, Done, RepairError};

/// How much later than `accounts` the ledger is restored to: an entry that left its account by then
/// is in its segment.
const LEDGER_LATER: Span = Span::from_s(60);

/// DynamoDB restores to five minutes ago at most, and the ledger is restored to a minute later.
pub const YOUNGEST: Span = Span::from_s(360);

/// Why a restore stopped. Steps that were done stay: run it again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Repair(#[from] RepairError),
    #[error(
        "entries are missing (gap): the ledger was restored to an earlier moment than the \
         accounts. Restore it again, to a later moment"
    )]
    LedgerEarlier,
    #[error("{0} differences are left: see above")]
    Left(usize),
    #[error("nothing was repaired: run it again, and agree")]
    NotAgreed,
}

/// The names of the new tables of a stack, by the moment that they are restored to.
pub fn named(from: &Tables, to: Instant) -> Tables {
    let at: String = to.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let name = |table: &str| format!("{table}-{at}");
    Tables { accounts: name(&from.accounts), ledger: name(&from.ledger) }
}

/// Begins to restore both tables of `from` as they were at `to`, the ledger a minute later, into the
/// tables `new`. `rehearsed`: only says what it would do.
///
/// # Errors
/// [`RestoreError`].
pub async fn tables(
    store: &Store,
    (from, new): (&Tables, &Tables),
    to: Instant,
    rehearsed: bool,
    mut tell: impl FnMut(&str),
) -> Result<(), RestoreError> {
    for (kind, at) in TableKind::ALL.into_iter().zip([to, to + LEDGER_LATER]) {
        let (from, name) = (kind.of(from), kind.of(new));
        if rehearsed {
            tell(&format!("would restore {from} to {at} as {name}"));
        } else if store.restore(from, name, at).await? {
            tell(&format!("restoring {from} to {at} as {name}"));
        } else {
            tell(&format!("{name} is there already: it is used as it is"));
        }
    }
    Ok(())
}

/// Waits until the tables `new` can be used, and turns on what a restored table lacks: what is on
/// already stays as it is.
///
/// # Errors
/// [`RestoreError`].
pub async fn complete(
    store: &Store,
    (from, new): (&Tables, &Tables),
    mut tell: impl FnMut(&str),
) -> Result<(), RestoreError> {
    for kind in TableKind::ALL {
        let name = kind.of(new);
        store.wait_for(name, || tell(&format!("waiting for {name}"))).await?;
        let done = store.complete(kind, kind.of(from), name).await?;
        let done = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
        tell(&format!("{name} is ready; turned on: {done}"));
    }
    Ok(())
}

/// The same surroundings on other tables, with the catalog that is in force there.
///
/// # Errors
/// [`StartError`].
pub async fn on(context: &Context, tables: &Tables) -> Result<Context, StartError> {
    let store = context.store.on(tables.clone());
    let config = Config { tables: tables.clone(), ..context.config.clone() };
    Context::new(store, context.clock.clone(), context.entropy.clone(), config).await
}

/// Audits restored tables, repairs them if `agreed` to the repairs that come first, and audits them
/// again. `rehearsed`: writes nothing.
///
/// # Errors
/// [`RestoreError`].
pub async fn check(
    context: &Context,
    stripe: Option<&Stripe>,
    rehearsed: bool,
    agreed: impl FnOnce() -> bool,
    mut tell: impl FnMut(&str),
) -> Result<(), RestoreError> {
    let account = stripe.cloned().map(StripeAccount::Client);
    let found = audit::run(context, account.as_ref(), None).await?.differences;
    found.iter().for_each(|difference| tell(&difference.to_string()));
    tell(&format!("the audit found {} differences", found.len()));
    // One that is parked was there before the backup: no other moment closes it.
    if found.iter().any(|difference| !difference.parked && difference.kind.name() == "gap") {
        return Err(RestoreError::LedgerEarlier);
    }
    if found.is_empty() {
        return Ok(());
    }
    for act in repair::run(context, stripe, None, true).await? {
        tell(&format!("would be {}: {}", act.done.name(), act.difference));
    }
    if rehearsed {
        return Ok(());
    }
    if !agreed() {
        return Err(RestoreError::NotAgreed);
    }
    let acts = repair::run(context, stripe, None, false).await?;
    let count = |done| acts.iter().filter(|act| act.done == done).count();
    let (repaired, parked, left) = (count(Done::Repaired), count(Done::Parked), count(Done::Left));
    tell(&format!("repaired {repaired}, parked {parked}, left {left}"));
    // What is parked waits for an operator, who knows of it: the stack can run meanwhile.
    let mut found = audit::run(context, account.as_ref(), None).await?.differences;
    found.retain(|difference| !difference.parked);
    found.iter().for_each(|difference| tell(&difference.to_string()));
    match found.len() {
        0 => Ok(()),
        left => Err(RestoreError::Left(left)),
    }
}

/// The two commands of a deployed stack named `stack`: one points it at these tables while it is
/// paused, and one ends the pause. In one command the version before, which has the old tables,
/// would answer a part of the requests while the new one is on trial.
///
/// # Errors
/// [`StoreError`].
pub async fn deploy_commands(
    store: &Store,
    new: &Tables,
    stack: &str,
) -> Result<[String; 2], StoreError> {
    let deploy = format!("sam deploy --config-env YOUR_STAGE --stack-name {stack}");
    let mut words = vec![format!("{deploy} --parameter-overrides")];
    for (kind, word) in TableKind::ALL.into_iter().zip(["Accounts", "Ledger"]) {
        let stream = store.stream_arn(kind.of(new)).await?.unwrap_or_default();
        words.push(format!("Restored{word}Table={}", kind.of(new)));
        words.push(format!("Restored{word}StreamArn={stream}"));
    }
    words.push("Paused=true".to_owned());
    Ok([words.join(" \\\n  "), format!("{deploy} --parameter-overrides Paused=false")])
}
