//! `scrip`: an operator's commands, each on one stack.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use ::audit::StripeAccount;
use clap::{Args, Parser, Subcommand};
use cli::connect::{Connect, Patience};
use cli::dead::{Chosen, DeadLetters, Letter};
use cli::doctor::{self, Level, Patient};
use cli::place::{self, At, LOCAL, Place};
use cli::repair::{self, Done};
use cli::{announce, audit, connect, inspect, publish, status, sweep};
use shared::context::{Context, secret};
use shared::domain::AccountId;
use shared::stripe::Stripe;
use shared::telemetry;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The crates of this workspace that log here.
const OURS: [&str; 5] = ["shared", "reconcile", "recharge", "audit", "cli"];

/// Scrip at a terminal: look at accounts, audit and repair them, change the catalog.
///
/// It works on a deployed stack, with --stack NAME and your AWS login (environment, profile, SSO),
/// or with --local on the stack that `cargo run` starts on this machine.
#[derive(Parser)]
#[command(name = "scrip", version, subcommand_precedence_over_arg = true)]
struct Options {
    /// Work on the running local stack, at this address or at http://127.0.0.1:3000.
    #[arg(
        long, global = true, value_name = "URL", num_args = 0..=1, require_equals = true,
        default_missing_value = LOCAL, value_parser = place::origin
    )]
    local: Option<String>,
    /// Work on the deployed stack of this name.
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "local")]
    stack: Option<String>,
    /// The stack's AWS region, if it is not the one of the environment or the profile.
    #[arg(long, global = true, conflicts_with = "local")]
    region: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send the events of entries of an account again, with the ids that they had. CreditsLow,
    /// CreditsExhausted and CreditsExpiring are left out: they told of a level that is past.
    Announce {
        account: AccountId,
        /// The number of the first entry.
        #[arg(long, value_name = "N")]
        from_seq: u64,
        /// The number of the last entry, if it is not the latest.
        #[arg(long, value_name = "M")]
        to_seq: Option<u64>,
    },
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
    /// List, replay or drop what could not be announced, swept, audited or debited.
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Check tools, AWS account, secrets and alarms, before a deploy and after it. The exit code is
    /// 1 if a deploy would fail, or the stack does not do its work.
    Doctor {
        /// The environment in samconfig.toml.
        #[arg(long, value_name = "NAME", default_value = "dev")]
        config_env: String,
        #[arg(long, value_name = "FILE", default_value = "samconfig.toml")]
        samconfig: PathBuf,
    },
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
    /// Print when the sweep, reconcile, the audit and relay ran last and what they found, and what
    /// waits for a person.
    Status,
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
        /// The address of the webhook. Default with --stack: the output WebhookUrl.
        #[arg(long, env = "WEBHOOK_URL")]
        url: Option<String>,
        /// The ARN of the secret that the webhook reads. Default with --stack: its parameter's.
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

#[derive(Subcommand)]
enum DeadCommand {
    /// Print a line for each message: its age, its function, what it is, and its id.
    List(ChosenLetters),
    /// Try messages again, and delete those for which that worked.
    Replay(ChosenLetters),
    /// Delete messages.
    Drop {
        #[command(flatten)]
        chosen: ChosenLetters,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Which messages.
#[derive(Args)]
struct ChosenLetters {
    /// Only those of this function: debit, relay, recharge, audit or reconcile.
    #[arg(long, value_name = "FUNCTION")]
    source: Option<String>,
    /// Only those whose id begins with this.
    #[arg(long)]
    id: Option<String>,
}

impl From<ChosenLetters> for Chosen {
    fn from(ChosenLetters { source, id }: ChosenLetters) -> Chosen {
        Chosen { source, id }
    }
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

async fn run(Options { local, stack, region, command }: Options) -> Result<(), Error> {
    if let Command::Doctor { config_env, samconfig } = command {
        if local.is_some() {
            return Err("doctor looks at AWS, where a local stack is not".into());
        }
        return examine(Patient { samconfig, config_env, stack, region }).await;
    }
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
        Command::Audit { account, no_stripe } => {
            audit_all(&place, account, asked(&place, no_stripe).await?).await
        }
        Command::Catalog(command) => catalog(context, command).await,
        Command::Doctor { .. } => unreachable!("it was answered above: it needs no stack"),
        Command::Status => {
            status::status(&place).await?.iter().for_each(|line| println!("{line}"));
            Ok(())
        }
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
            connect_stripe(&place, url, webhook_secret_arn, replace).await
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

/// Connects a deployed stack with Stripe; on a local one it waits for an event to arrive.
async fn connect_stripe(
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
        At::Tables { aws } => (aws, (None, None)),
    };
    let url = url.or(of_stack.0).ok_or("--url is missing, and there is no output WebhookUrl")?;
    let arn =
        arn.or(of_stack.1).ok_or("--webhook-secret-arn is missing, and no parameter has it")?;
    if !url.starts_with("https://") {
        return Err(format!("--url: {url} does not begin with https://").into());
    }
    let stripe = match std::env::var("STRIPE_SECRET_KEY") {
        Ok(key) => Stripe::new(&key, None)?,
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
async fn examine(patient: Patient) -> Result<(), Error> {
    match doctor::examine(&patient, |finding| println!("{finding}")).await? {
        Level::Fail => Err("something has to be repaired first: see the lines with fail".into()),
        Level::Ok | Level::Warn => Ok(()),
    }
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

async fn dead_letters(place: &Place, command: DeadCommand) -> Result<(), Error> {
    let (dead, now) = (DeadLetters::of(place)?, place.context.clock.now());
    let show = |letters: &[Letter]| letters.iter().for_each(|l| println!("{}", l.line(now)));
    match command {
        DeadCommand::List(chosen) => {
            let found = dead.take(&chosen.into()).await?;
            show(&found);
            println!("{} dead letters", found.len());
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
            let found = dead.take(&chosen.into()).await?;
            show(&found);
            if !found.is_empty() && !yes && !is_sure(found.len())? {
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

/// Asks at the terminal whether so many letters are to be dropped. No answer is no.
fn is_sure(count: usize) -> Result<bool, Error> {
    print!("drop {count}? Their work is not done then. [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
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
