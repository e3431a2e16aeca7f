//! `cargo run`: starts the local stack and prints how to use it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use local::clock::{self, LocalClock};
use local::context::{self, Data, Opened};
use local::keys::{self, End};
use local::mappings::Mappings;
use local::request_log::RequestLog;
use local::routes::Functions;
use local::server;
use local::stack::Stack;
use local::start::{Start, editor};
use local::stripe::{self, LocalStripe};
use local::template::Template;
use local::terminal::{self, Terminal};
use local::{banner, demo, seed, service_key, session, states, tables};
use shared::config::{Config, origin_of};
use shared::domain::Instant;
use shared::secrets::Secret;
use shared::stripe::Stripe;
use tokio::runtime::Runtime;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Scrip on this machine: the whole system in one process.
#[derive(Clone, Parser)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where to listen; loopback only.
    #[arg(long, env = "SCRIP_ADDR", default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
    /// The folder of the tables.
    #[arg(long, default_value = ".scrip")]
    data: PathBuf,
    /// Keep the tables in memory instead.
    #[arg(long, conflicts_with = "data")]
    memory: bool,
    /// Start at this instant instead of now: 2026-11-22T23:59:00Z.
    #[arg(long, value_parser = |text: &str| Instant::parse(text).ok_or("not a time in RFC 3339"))]
    now: Option<Instant>,
    /// Use the DynamoDB at this address instead of the embedded one.
    #[arg(long, env = "DYNAMODB_ENDPOINT_URL")]
    endpoint: Option<String>,
    /// An origin of the product, besides this address: http://127.0.0.1:8080. May be repeated.
    #[arg(long = "origin", value_name = "ORIGIN", value_parser = origin)]
    origins: Vec<String>,
    /// Open an account in every state that the customer's page can show.
    #[arg(long, conflicts_with = "no_stripe")]
    states: bool,
    /// Run a stack that was deployed without Stripe: nothing can be bought.
    #[arg(long)]
    no_stripe: bool,
}

/// Without a command the stack is started.
#[derive(Clone, Subcommand)]
enum Command {
    /// Play seven scenes on tables of their own, in memory.
    Demo {
        /// Print plain text without pauses. Default if standard output is not a terminal.
        #[arg(long)]
        plain: bool,
    },
    /// A word that is no command here.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// Commands that moved from here to `scrip`, which also works on deployed stacks.
const MOVED: [&str; 6] = ["audit", "catalog", "inspect", "recharge", "reconcile", "repair"];

fn main() -> ExitCode {
    local::telemetry::init();
    let options = Options::parse();
    if let Some(Command::Other(words)) = &options.command {
        eprintln!("scrip: {}", elsewhere(words.first().map_or("", String::as_str)));
        return ExitCode::from(2);
    }
    match start(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scrip: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The message for a command that is not here.
fn elsewhere(command: &str) -> String {
    match MOVED.contains(&command) {
        true => {
            format!("`{command}` is now a command of scrip: cargo run -p cli -- --local {command}")
        }
        false => format!("there is no command `{command}`: see --help"),
    }
}

/// Runs the demo, or the stack: after each reset again, with the same options.
fn start(options: Options) -> Result<(), Error> {
    let mut terminal = None;
    loop {
        let runtime = Runtime::new()?;
        let ended = runtime.block_on(watched(options.clone(), &mut terminal))?;
        // A task that still has the tables open ends with the runtime.
        drop(runtime);
        match ended {
            Ended::Done => return Ok(()),
            Ended::Reset(data) => data.clear()?,
        }
    }
}

/// Runs until the process is told to end.
async fn watched(options: Options, terminal: &mut Option<Terminal>) -> Result<Ended, Error> {
    let wants_keys = !matches!(options.command, Some(Command::Demo { plain: true }));
    // Listen before the terminal's settings change: however the process is told to end, they are
    // restored.
    let told = terminal::told_to_end()?;
    if wants_keys && terminal.is_none() {
        *terminal = Terminal::open();
    }
    tokio::select! {
        ended = run(options, terminal.as_mut()) => ended,
        () = told => Ok(Ended::Done),
    }
}

/// How a run ends.
enum Ended {
    Done,
    /// The tables are to be deleted, and the stack starts again.
    Reset(Data),
}

async fn run(options: Options, terminal: Option<&mut Terminal>) -> Result<Ended, Error> {
    let Options { command, addr, data, memory, now, endpoint, origins, states, no_stripe } =
        options;
    if command.is_some() {
        return demo::run(terminal).await.map(|()| Ended::Done);
    }
    let (data, clock) = match (endpoint, memory) {
        (Some(url), _) => (Data::Endpoint(url), LocalClock::default()),
        (None, true) => (Data::Memory, LocalClock::default()),
        (None, false) => {
            std::fs::create_dir_all(&data)?;
            let clock = LocalClock::kept_in(data.join(context::CLOCK))?;
            (Data::Folder(data), clock)
        }
    };
    if let Some(now) = now {
        // Existing tables have entries.
        let begun = matches!(&data, Data::Folder(folder) if folder.join(context::TABLES).exists());
        if begun {
            clock::may_go(clock.now(), now)
                .map_err(|why| format!("--now: {why}; or use --memory"))?;
        }
        clock.set(now);
    }
    let end = serve(addr, &data, clock, origins, terminal, Kind { states, sells: !no_stripe });
    let end = end.await?;
    Ok(if end == End::Reset { Ended::Reset(data) } else { Ended::Done })
}

/// The kind of stack to run.
struct Kind {
    /// With an account in every state.
    states: bool,
    /// With a Stripe.
    sells: bool,
}

async fn serve(
    addr: SocketAddr,
    data: &Data,
    clock: LocalClock,
    mut origins: Vec<String>,
    terminal: Option<&mut Terminal>,
    Kind { states, sells }: Kind,
) -> Result<End, Error> {
    if !addr.ip().is_loopback() {
        return Err("--addr: the local stack has no IAM and listens on loopback only".into());
    }
    let listener = server::listen(addr).await?;
    let base = format!("http://{}", listener.local_addr()?);
    // A browser may also use the name `localhost`.
    origins.extend([base.clone(), base.replace("127.0.0.1", "localhost")]);
    let beside = editor::listener(addr).await?;
    let editor = format!("http://{}", beside.local_addr()?);
    origins.push(editor.clone());
    let config = Config {
        top_up_url: Some(format!("{base}/")),
        public_url: Some(base.clone()),
        origins,
        tables: tables::names(),
        allows_unsigned: true,
        sells,
        ..Config::default()
    };
    let Opened { context, streams, table } = context::open(data, &clock, config).await?;
    let context = context.with_session_keys(session::new_keys());
    let (context, key) = service_key::with_key(context, data).await?;
    let mappings = Mappings::local(&Template::of(sells), context.clone(), streams);
    let functions = Functions::new(context);
    let (functions, stripe, mappings) = match sells {
        true => {
            let (functions, stripe) = with_stripe(functions, &base, data, &clock)?;
            let mappings = mappings.with_stripe(functions.stripe().clone());
            (functions, stripe, mappings)
        }
        false => (functions, None, mappings),
    };
    seed::seed(&functions).await?;
    let running = mappings.clone().run(clock.clone());
    let (log, start) = (RequestLog::On, Start::with_editor(editor));
    let banner = banner::banner(&base, data, clock.now(), &key.token, terminal.is_some());
    let (clocked, key) = (clock.clone(), Some(key));
    let stack = Stack { functions, clock: clocked, stripe, mappings, table, log, start, key };
    let (functions, stripe) = (stack.functions.clone(), stack.stripe.clone());
    let serving = tokio::spawn(server::serve(listener, stack));
    let editing = tokio::spawn(editor::serve(beside, functions.clone()));
    if let Some(stripe) = stripe.clone() {
        tokio::spawn(stripe.run(functions.clone()));
    }
    if states {
        states::seed(&functions, stripe.as_ref()).await?;
    }
    println!("{banner}");
    tokio::select! {
        served = serving => { served??; Ok(End::Quit) }
        edited = editing => { edited??; Ok(End::Quit) }
        never = running => match never {},
        end = keys::obey(terminal, &base, data, &clock) => Ok(end),
    }
}

/// The real Stripe, in test mode, if there is a key for it; otherwise the one in this process.
fn with_stripe(
    functions: Functions,
    base: &str,
    data: &Data,
    clock: &LocalClock,
) -> Result<(Functions, Option<LocalStripe>), Error> {
    if let Ok(key) = std::env::var("STRIPE_SECRET_KEY") {
        if !key.starts_with("sk_test_") {
            return Err("STRIPE_SECRET_KEY: the local stack accepts only a test key".into());
        }
        let secret = std::env::var("STRIPE_WEBHOOK_SECRET");
        let secret = secret.map_err(|_| "STRIPE_WEBHOOK_SECRET is not set: see `stripe listen`")?;
        let stripe = Stripe::new(&key, None)?;
        return Ok((functions.with_stripe(stripe, Secret::fixed(secret)), None));
    }
    let local = match data {
        Data::Folder(folder) => {
            LocalStripe::kept_in(folder.join(context::STRIPE), clock.clock(), base)?
        }
        Data::Memory | Data::Endpoint(_) => LocalStripe::new(clock.clock(), base),
    };
    let stripe = Stripe::new(stripe::KEY, Some(&format!("{base}/_local/stripe/")))?;
    let secret = Secret::fixed(stripe::WEBHOOK_SECRET);
    Ok((functions.with_stripe(stripe, secret), Some(local)))
}

fn origin(text: &str) -> Result<String, &'static str> {
    let origin = origin_of(text).filter(|origin| origin == text);
    origin.ok_or("not an origin such as http://127.0.0.1:8080")
}
