//! `scrip`: an operator's commands, each on one stack.

use std::path::PathBuf;
use std::process::ExitCode;

use ::audit::StripeAccount;
use clap::{Parser, Subcommand};
use cli::connect::{Connect, Patience};
use cli::place::{self, LOCAL, Place};
use cli::repair::{self, Done};
use cli::{audit, connect, inspect, publish, sweep};
use shared::context::{Context, secret};
use shared::domain::AccountId;
use shared::stripe::Stripe;
use shared::telemetry;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The crates of this workspace that log here.
const OURS: [&str; 5] = ["shared", "reconcile", "recharge", "audit", "cli"];

/// Scrip at a terminal: look at accounts, audit and repair them, change the catalog.
///
/// It works on a deployed stack, which the environment names (ACCOUNTS_TABLE, LEDGER_TABLE, a
/// region, credentials), or with --local on the stack that `cargo run` starts on this machine.
#[derive(Parser)]
#[command(name = "scrip", version, subcommand_precedence_over_arg = true)]
struct Options {
    /// Work on the running local stack, at this address or at http://127.0.0.1:3000.
    #[arg(
        long, global = true, value_name = "URL", num_args = 0..=1, require_equals = true,
        default_missing_value = LOCAL, value_parser = place::origin
    )]
    local: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Recompute every balance from its entries, and compare payments with accounts and Stripe.
    /// Writes nothing. The exit code is 1 if the audit finds a difference.
    Audit {
        /// Only this account.
        #[arg(long)]
        account: Option<AccountId>,
        /// Do not compare payments with Stripe. Default where no key of Stripe is named.
        #[arg(long)]
        no_stripe: bool,
    },
    /// Compare a catalog with the one in force, or put it in force.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Print an account and its archived segments.
    Inspect { account: AccountId },
    /// Run the Monday sweep: advance the accounts that are due and were used.
    Recharge {
        /// Count the accounts, and write nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare all payments, refunds and disputes that may still change with Stripe, and correct
    /// differences.
    Reconcile,
    /// Repair differences after the tables were restored, and park those that no rule can repair.
    Repair {
        /// Only this account.
        #[arg(long)]
        account: Option<AccountId>,
        /// Print the first repairs, and write nothing.
        #[arg(long)]
        dry_run: bool,
        /// Do not ask Stripe, and repair no payment. Default where no key of Stripe is named.
        #[arg(long)]
        no_stripe: bool,
    },
    /// Set up what the stack needs at Stripe.
    #[command(subcommand)]
    Stripe(StripeCommand),
}

#[derive(Subcommand)]
enum StripeCommand {
    /// Make the webhook's endpoint or update it, store its signing secret, and wait for an event to
    /// arrive. STRIPE_SECRET_KEY may name a key that may write webhook endpoints; otherwise the
    /// stack's own is used. A local stack needs no endpoint: only an event is awaited.
    Connect {
        /// The address of the webhook: the output WebhookUrl.
        #[arg(long, env = "WEBHOOK_URL")]
        url: Option<String>,
        /// The ARN of the secret that the webhook reads.
        #[arg(long, env = "STRIPE_WEBHOOK_SECRET_ARN")]
        webhook_secret_arn: Option<String>,
        /// Make another endpoint in place of the existing one, with a new secret.
        #[arg(long)]
        replace: bool,
    },
}

#[derive(Subcommand)]
enum CatalogCommand {
    /// Print the differences.
    Diff { file: PathBuf },
    /// Put the catalog in force. Functions use it within a minute.
    Publish {
        file: PathBuf,
        /// Print the differences, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let asked = std::env::var("RUST_LOG").ok();
    let log = telemetry::for_a_person(telemetry::levels(asked.as_deref(), &OURS));
    tracing::subscriber::set_global_default(log).expect("logging starts once");
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scrip: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Options { local, command }: Options) -> Result<(), Error> {
    let place = match local.clone() {
        Some(origin) => Place::local(origin).await?,
        None => Place::deployed().await?,
    };
    let context = &place.context;
    match command {
        Command::Audit { account, no_stripe } => {
            audit_all(&place, account, asked(&place, no_stripe).await?).await
        }
        Command::Catalog(command) => catalog(context, command).await,
        Command::Inspect { account } => {
            let text = inspect::inspect(context, &account).await?;
            print!("{}", text.ok_or_else(|| format!("there is no account {account}"))?);
            Ok(())
        }
        Command::Recharge { dry_run } => recharge(context, dry_run).await,
        Command::Reconcile => {
            let report = reconcile::compare(context, &place.stripe().await?).await?;
            println!("{}", serde_json::to_string_pretty(&report)?);
            Ok(())
        }
        Command::Repair { account, dry_run, no_stripe } => {
            repair_all(&place, account, dry_run, asked(&place, no_stripe).await?).await
        }
        Command::Stripe(StripeCommand::Connect { url, webhook_secret_arn, replace }) => {
            match (local, url, webhook_secret_arn) {
                (Some(origin), ..) => check_local(&place, &origin).await,
                (None, Some(url), Some(arn)) => connect_stripe(&place, &url, arn, replace).await,
                (None, ..) => Err("--url or --webhook-secret-arn is missing".into()),
            }
        }
    }
}

/// The Stripe to ask. None, which is said: the operator wants none, or there is none.
async fn asked(place: &Place, no_stripe: bool) -> Result<Option<Stripe>, Error> {
    if no_stripe || !place.has_stripe() {
        println!("payments are not compared with Stripe");
        return Ok(None);
    }
    place.stripe().await.map(Some)
}

/// Connects a deployed stack with Stripe.
async fn connect_stripe(place: &Place, url: &str, arn: String, replace: bool) -> Result<(), Error> {
    if !url.starts_with("https://") {
        return Err(format!("--url: {url} does not begin with https://").into());
    }
    let stripe = match std::env::var("STRIPE_SECRET_KEY") {
        Ok(key) => Stripe::new(&key, None)?,
        Err(_) => place.stripe().await?,
    };
    let (secret, clock) = (&secret(arn).await, &place.context.clock);
    let to = Connect { stripe: &stripe, url, secret, replace, clock };
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

/// Prints the differences, in one account or in all.
async fn audit_all(
    place: &Place,
    account: Option<AccountId>,
    stripe: Option<Stripe>,
) -> Result<(), Error> {
    let stripe = stripe.map(StripeAccount::Client);
    let report = audit::run(&place.context, stripe.as_ref(), account.as_ref()).await?;
    report.differences.iter().for_each(|difference| println!("{difference}"));
    let (seen, differences) = (report.seen, report.differences.len());
    if let (Some(account), 0, 0) = (&account, seen, differences) {
        return Err(format!("there is no account {account}").into());
    }
    println!("{seen} accounts, {differences} differences");
    if differences > 0 { Err("the audit found differences: see above".into()) } else { Ok(()) }
}

/// Repairs the differences that a rule covers, in one account or in all, and parks the rest.
async fn repair_all(
    place: &Place,
    account: Option<AccountId>,
    dry_run: bool,
    stripe: Option<Stripe>,
) -> Result<(), Error> {
    let acts = repair::run(&place.context, stripe.as_ref(), account.as_ref(), dry_run).await?;
    for act in &acts {
        println!("{}: {}", act.done.name(), act.difference);
    }
    let count = |done| acts.iter().filter(|act| act.done == done).count();
    let (repaired, parked) = (count(Done::Repaired), count(Done::Parked));
    let (left, would) = (count(Done::Left), if dry_run { "would be " } else { "" });
    println!("{would}repaired {repaired}, parked {parked}, left {left}");
    if left > 0 { Err("some repairs could not be written: see above".into()) } else { Ok(()) }
}

/// Advances the accounts that are due, or counts them.
async fn recharge(context: &Context, dry_run: bool) -> Result<(), Error> {
    let done = match dry_run {
        true => sweep::rehearse(context).await?,
        false => sweep::run(context).await?,
    };
    let (kind, unread) = (if dry_run { "to advance" } else { "advanced" }, done.broken);
    println!("{} accounts, {} {kind}, {unread} that cannot be read", done.seen, done.done);
    if unread > 0 { Err("some accounts cannot be read: see above".into()) } else { Ok(()) }
}

async fn catalog(context: &Context, command: CatalogCommand) -> Result<(), Error> {
    let (file, publishes) = match &command {
        CatalogCommand::Diff { file } => (file, false),
        CatalogCommand::Publish { file, dry_run } => (file, !dry_run),
    };
    for line in publish::diff(context, file).await? {
        println!("{line}");
    }
    match publishes {
        true => publish::publish(context, file).await?,
        false => println!("nothing was changed"),
    }
    Ok(())
}
