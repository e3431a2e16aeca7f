//! The commands that ask the person at the terminal, or say more than one line.

use serde_json::json;
use shared::context::secret;
use shared::store::Tables;
use shared::stripe::Stripe;

use crate::connect::{self, Connect, Patience};
use crate::dead::{DeadLetters, Letter};
use crate::doctor::{self, Level, Patient};
use crate::exit::WrongUse;
use crate::options::{DeadCommand, Restore};
use crate::place::{At, Place};
use crate::restore;
use crate::terminal::{agrees, is_attended, put_json};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The Stripe to ask. None, which is said: the operator wants none, or there is none.
///
/// # Errors
/// If its key is missing, or is not allowed here.
pub async fn asked(place: &Place, no_stripe: bool) -> Result<Option<Stripe>, Error> {
    if no_stripe || !place.has_stripe() {
        // What a script reads is on the standard output.
        eprintln!("payments are not compared with Stripe");
        return Ok(None);
    }
    place.stripe().await.map(Some)
}

/// Connects a deployed stack with Stripe; on a local one it waits for an event to arrive.
///
/// # Errors
/// If an address or the key is missing, or no event arrives.
pub async fn connect_stripe(
    place: &Place,
    url: Option<String>,
    arn: Option<String>,
    replace: bool,
) -> Result<(), Error> {
    let (aws, of_stack) = match &place.at {
        At::Local { origin, .. } => return check_local(place, origin).await,
        At::Stack { aws, stack } => {
            (aws, (stack.output("WebhookUrl").ok(), stack.parameter("StripeWebhookSecretArn")))
        }
        At::Tables { aws } => {
            let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
            (aws, (of("WEBHOOK_URL"), of("STRIPE_WEBHOOK_SECRET_ARN")))
        }
    };
    let url = url.or(of_stack.0).ok_or("--url is missing, and there is no output WebhookUrl")?;
    let arn =
        arn.or(of_stack.1).ok_or("--webhook-secret-arn is missing, and no parameter has it")?;
    if !url.starts_with("https://") {
        return Err(format!("--url: {url} does not begin with https://").into());
    }
    let stripe = match std::env::var("STRIPE_SECRET_KEY") {
        Ok(key) => {
            let stripe = Stripe::new(&key, None)?;
            // A test endpoint of a live stack would look right, and no real payment would arrive.
            if place.has_stripe() && place.stripe().await?.is_live() != stripe.is_live() {
                let problem =
                    "STRIPE_SECRET_KEY is of another mode, test or live, than the stack's";
                return Err(problem.into());
            }
            stripe
        }
        Err(_) => place.stripe().await?,
    };
    let (secret, clock) = (&secret(&aws.sdk, arn), &place.context.clock);
    let to = Connect { stripe: &stripe, url: &url, secret, replace, clock };
    Ok(connect::run(to, Patience::USUAL, |line| println!("{line}")).await?)
}

/// Waits for an event of the local Stripe to arrive.
async fn check_local(place: &Place, origin: &str) -> Result<(), Error> {
    if std::env::var("STRIPE_SECRET_KEY").is_ok() {
        return Err(
            "`stripe listen` sends the real Stripe's events to a local stack: it needs no \
                    endpoint"
                .into(),
        );
    }
    println!("a local stack needs no endpoint: its own Stripe sends every event to it");
    let (stripe, clock) = (place.stripe().await?, &place.context.clock);
    let event = connect::check(&stripe, origin, clock, Patience::USUAL).await?;
    println!("the event {event} arrived");
    Ok(())
}

/// Prints what the doctor finds.
///
/// # Errors
/// If something has to be repaired first.
pub async fn examine(patient: Patient) -> Result<(), Error> {
    match doctor::examine(&patient, |finding| println!("{finding}")).await? {
        Level::Fail => Err("something has to be repaired first: see the lines with fail".into()),
        Level::Ok | Level::Warn => Ok(()),
    }
}

/// Lists, replays or drops dead letters.
///
/// # Errors
/// If a queue does not answer, or a message could not be replayed.
pub async fn dead_letters(place: &Place, command: DeadCommand) -> Result<(), Error> {
    let (dead, now) = (DeadLetters::of(place)?, place.context.clock.now());
    let show = |letters: &[Letter]| letters.iter().for_each(|l| println!("{}", l.line(now)));
    match command {
        DeadCommand::List { chosen, print } => {
            let found = dead.take(&chosen.into()).await?;
            if print.json {
                put_json(&json!({ "dead_letters": found }))?;
            } else {
                show(&found);
                println!("{} dead letters", found.len());
            }
            Ok(dead.show(&found).await?)
        }
        DeadCommand::Replay(chosen) => {
            let found = dead.take(&chosen.into()).await?;
            let mut left = Vec::new();
            let count = found.len();
            for letter in found {
                if let Err(error) = dead.replay(&letter).await {
                    println!("{}\n       {error}", letter.line(now));
                    left.push(letter);
                }
            }
            dead.show(&left).await?;
            println!("replayed {} of {count} dead letters", count - left.len());
            match left.is_empty() {
                true => Ok(()),
                false => Err("some could not be replayed: see above".into()),
            }
        }
        DeadCommand::Drop { chosen, yes } => {
            if !yes && !is_attended() {
                let why = "nobody is at a terminal to confirm: say --yes to drop dead letters";
                return Err(WrongUse(why.to_owned()).into());
            }
            let found = dead.take(&chosen.into()).await?;
            show(&found);
            if !found.is_empty()
                && !yes
                && !agrees(&format!("drop {}? Their work is not done then. [y/N] ", found.len()))
            {
                dead.show(&found).await?;
                return Err("nothing was dropped".into());
            }
            for letter in &found {
                dead.delete(letter).await?;
            }
            println!("dropped {} dead letters", found.len());
            Ok(())
        }
    }
}

/// Restores the tables of a deployed stack, or takes restored ones, and repairs them.
///
/// # Errors
/// If a step fails: run it again.
pub async fn restored(place: &Place, asked: Restore) -> Result<(), Error> {
    let Restore { to, accounts_table, ledger_table, from_tables, dry_run, yes } = asked;
    let (store, from) = (&place.context.store, &place.context.config.tables);
    let tell = |line: &str| println!("{line}");
    let deployed = !matches!(place.at, At::Local { .. });
    if let At::Stack { stack, .. } = &place.at
        && !dry_run
        && stack.parameter("Paused").as_deref() != Some("true")
    {
        return Err("the stack is not paused: deploy it with Paused=true first".into());
    }
    let new = match (to, from_tables.as_deref()) {
        (Some(_), _) if !deployed => {
            return Err(
                "a local stack has no backups: name restored tables with --from-tables".into()
            );
        }
        (Some(to), _) if place.context.clock.now() - to < restore::YOUNGEST => {
            return Err("--to: name a moment at least six minutes ago".into());
        }
        (Some(to), _) => {
            let named = restore::named(from, to);
            let new = Tables {
                accounts: accounts_table.unwrap_or(named.accounts),
                ledger: ledger_table.unwrap_or(named.ledger),
            };
            differs(from, &new)?;
            restore::tables(store, (from, &new), to, dry_run, tell).await?;
            if dry_run {
                println!("then it would turn on what they lack, audit them and repair them");
                return Ok(());
            }
            new
        }
        (None, Some([accounts, ledger])) => {
            Tables { accounts: accounts.clone(), ledger: ledger.clone() }
        }
        _ => return Err("say --to TIME, or --from-tables ACCOUNTS LEDGER".into()),
    };
    differs(from, &new)?;
    if deployed && !dry_run {
        restore::complete(store, (from, &new), tell).await?;
    }
    let context = restore::on(&place.context, &new).await?;
    let agreed = || yes || agrees("Repair the tables as said above? [y/N] ");
    let stripe = self::asked(place, false).await?;
    restore::check(&context, stripe.as_ref(), dry_run, agreed, tell).await?;
    if deployed && !dry_run {
        let stack = match &place.at {
            At::Stack { stack, .. } => stack.name.as_str(),
            At::Tables { .. } | At::Local { .. } => "YOUR_STACK",
        };
        let [switch, go_on] = restore::deploy_commands(store, &new, stack).await?;
        println!("\nthe tables can be used. Point the stack at them, and wait until it is done:\n");
        println!("{switch}\n\nthen end the pause:\n\n{go_on}");
    }
    Ok(())
}

/// Refuses tables that the stack uses: they are not repaired while it runs.
fn differs(from: &Tables, new: &Tables) -> Result<(), Error> {
    match new.accounts == from.accounts || new.ledger == from.ledger {
        true => Err("these are tables that the stack uses: name others".into()),
        false => Ok(()),
    }
}
