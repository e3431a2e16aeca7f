//! `scrip`: an operator's commands, each on one stack.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use cli::api::Api;
use cli::command::{self, asked, connect_stripe, dead_letters, examine};
use cli::doctor::Patient;
use cli::exit::{self, WrongUse};
use cli::options::how::Print;
use cli::options::{CatalogCommand, Command, Options, StripeCommand};
use cli::place::Place;
use cli::repair::{self, Done};
use cli::terminal::{put, put_json};
use cli::{
    announce, audit, console, inspect, keys, load, operator, publish, rates, session_keys, status,
    sweep,
};
use serde_json::json;
use shared::context::Context;
use shared::domain::AccountId;
use shared::stripe::{Stripe, StripeAccount};
use shared::telemetry;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The advice where a command speaks to an API, and no stack is named.
const NO_STACK: &str = "no stack is named. This command speaks to the API of a stack: name it with \
                        --stack NAME, or use --local for the stack that `cargo run` starts on \
                        this machine";
/// The crates of this workspace that log here.
const OURS: [&str; 5] = ["shared", "reconcile", "recharge", "audit", "cli"];

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let asked = std::env::var("RUST_LOG").ok();
    let log = telemetry::for_a_person(telemetry::levels(asked.as_deref(), &OURS));
    tracing::subscriber::set_global_default(log).expect("logging starts once");
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if exit::is_unread(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            // What AWS says about a request is in the causes.
            let causes = std::iter::successors(error.source(), |cause| cause.source());
            let line = causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"));
            eprintln!("scrip: {line}");
            ExitCode::from(exit::code(&*error))
        }
    }
}

async fn run(Options { local, stack, region, command }: Options) -> Result<(), Error> {
    let command = match command {
        Command::Completions { shell } => {
            let mut program = Options::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut program, "scrip", &mut script);
            return Ok(put(String::from_utf8_lossy(&script))?);
        }
        Command::Operator(command) => {
            return operator::run(&api(local, stack, region).await?, command).await;
        }
        Command::Console { port } => {
            let name = stack.clone().unwrap_or_default();
            return Ok(console::serve(api(local, stack, region).await?, name, port).await?);
        }
        Command::Keys(command) => return keys::run(local, stack, region, command).await,
        Command::Load(asked) => return load::run(api(local, stack, region).await?, asked).await,
        Command::Rates(command) => return rates::run(command),
        Command::SessionKeys(command) => {
            return session_keys::run(local, stack, region, command).await;
        }
        Command::Doctor { config_env, samconfig } => {
            if local.is_some() {
                return Err("doctor looks at AWS, where a local stack is not".into());
            }
            return examine(Patient { samconfig, config_env, stack, region }).await;
        }
        command => command,
    };
    let place = match (local, stack) {
        (Some(origin), _) => Place::local(origin).await?,
        (None, Some(name)) => Place::stack(&name, region).await?,
        (None, None) => Place::deployed(region).await?,
    };
    let context = &place.context;
    match command {
        Command::Announce { account, from_seq, to_seq } => {
            let sent = announce::announce(&place, &account, from_seq, to_seq).await?;
            let ((first, last), events) = (sent.entries, sent.events);
            println!("entries {first} to {last} of {account}: {events} events");
            match sent.refused {
                0 => Ok(()),
                refused => Err(format!("the bus did not take {refused} of them: again").into()),
            }
        }
        Command::Dead(command) => dead_letters(&place, command).await,
        Command::Audit { account, no_stripe, print } => {
            audit_all(&place, account, asked(&place, no_stripe).await?, &print).await
        }
        Command::Catalog(command) => catalog(context, command).await,
        Command::Completions { .. }
        | Command::Console { .. }
        | Command::Doctor { .. }
        | Command::Keys(_)
        | Command::Load(_)
        | Command::Operator(_)
        | Command::Rates(_)
        | Command::SessionKeys(_) => unreachable!("answered above: it needs no tables"),
        Command::Status(print) => {
            let status = status::status(&place).await?;
            Ok(if print.json { put_json(&status) } else { put(status) }?)
        }
        Command::Inspect { account } => {
            let text = inspect::inspect(context, &account).await?;
            print!("{}", text.ok_or_else(|| format!("there is no account {account}"))?);
            Ok(())
        }
        Command::Recharge { dry_run, print } => recharge(context, dry_run, &print).await,
        Command::Reconcile => {
            let stripe = place.stripe().await?;
            let bar = cli::waiting("comparing payments with Stripe");
            let report = reconcile::compare(context, &stripe).await;
            bar.finish_and_clear();
            let report = report?;
            println!("{}", serde_json::to_string_pretty(&report)?);
            Ok(())
        }
        Command::Restore(asked) => command::restored(&place, asked).await,
        Command::Repair { account, dry_run, no_stripe, print } => {
            let stripe = asked(&place, no_stripe).await?;
            repair_all(&place, account, dry_run, stripe, &print).await
        }
        Command::Stripe(StripeCommand::Connect { url, webhook_secret_arn, replace }) => {
            connect_stripe(&place, url, webhook_secret_arn, replace).await
        }
    }
}

/// The API of the stack that is named.
async fn api(
    local: Option<String>,
    stack: Option<String>,
    region: Option<String>,
) -> Result<Api, Error> {
    match (local, stack) {
        (Some(origin), _) => Ok(Api::local(origin).await?),
        (None, Some(name)) => Ok(Api::stack(&name, region).await?),
        (None, None) => Err(WrongUse(NO_STACK.to_owned()).into()),
    }
}

/// Prints the differences, in one account or in all.
async fn audit_all(
    place: &Place,
    account: Option<AccountId>,
    stripe: Option<Stripe>,
    print: &Print,
) -> Result<(), Error> {
    let stripe = stripe.map(StripeAccount::Client);
    let report = audit::run(&place.context, stripe.as_ref(), account.as_ref()).await?;
    let (seen, differences) = (report.seen, report.differences.len());
    if let (Some(account), 0, 0) = (&account, seen, differences) {
        return Err(format!("there is no account {account}").into());
    }
    if print.json {
        put_json(&report)?;
    } else {
        report.differences.iter().for_each(|difference| println!("{difference}"));
        println!("{seen} accounts, {differences} differences");
    }
    if differences > 0 { Err("the audit found differences: see above".into()) } else { Ok(()) }
}

/// Repairs the differences that a rule covers, in one account or in all, and parks the rest.
async fn repair_all(
    place: &Place,
    account: Option<AccountId>,
    dry_run: bool,
    stripe: Option<Stripe>,
    print: &Print,
) -> Result<(), Error> {
    let acts = repair::run(&place.context, stripe.as_ref(), account.as_ref(), dry_run).await?;
    let count = |done| acts.iter().filter(|act| act.done == done).count();
    let (repaired, parked) = (count(Done::Repaired), count(Done::Parked));
    let (left, would) = (count(Done::Left), if dry_run { "would be " } else { "" });
    if print.json {
        put_json(&json!({ "dry_run": dry_run, "acts": acts }))?;
    } else {
        for act in &acts {
            println!("{}: {}", act.done.name(), act.difference);
        }
        println!("{would}repaired {repaired}, parked {parked}, left {left}");
    }
    if left > 0 { Err("some repairs could not be written: see above".into()) } else { Ok(()) }
}

/// Advances the accounts that are due, or counts them.
async fn recharge(context: &Context, dry_run: bool, print: &Print) -> Result<(), Error> {
    let done = match dry_run {
        true => sweep::rehearse(context).await?,
        false => sweep::run(context).await?,
    };
    let (kind, unread) = (if dry_run { "to advance" } else { "advanced" }, done.broken);
    match print.json {
        true => put_json(&done)?,
        false => {
            println!("{} accounts, {} {kind}, {unread} that cannot be read", done.seen, done.done);
        }
    }
    if unread > 0 { Err("some accounts cannot be read: see above".into()) } else { Ok(()) }
}

async fn catalog(context: &Context, command: CatalogCommand) -> Result<(), Error> {
    let (file, publishes, is_json) = match &command {
        CatalogCommand::Diff { file, print } => (file, false, print.json),
        CatalogCommand::Publish { file, dry_run } => (file, !dry_run, false),
    };
    let changed = publish::diff(context, file).await?;
    if is_json {
        return Ok(put_json(&json!({ "differences": changed }))?);
    }
    changed.iter().for_each(|changed| println!("{changed}"));
    match publishes {
        true => publish::publish(context, file).await?,
        false => println!("nothing was changed"),
    }
    Ok(())
}
