//! `cargo run`: starts the local stack and says what to try.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use local::clock::LocalClock;
use local::routes::Functions;
use local::world::{self, Data};
use local::{seed, server, tables};
use shared::config::Config;
use shared::domain::Instant;
use tokio::net::TcpListener;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Scrip on this machine: the whole system in one process.
#[derive(Parser)]
struct Options {
    /// Where to listen; loopback only.
    #[arg(long, env = "SCRIP_ADDR", default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
    /// The folder that keeps the tables.
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
}

#[tokio::main]
async fn main() -> ExitCode {
    shared::telemetry::init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scrip: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Error> {
    if !options.addr.ip().is_loopback() {
        return Err("--addr: the local stack has no IAM and listens on loopback only".into());
    }
    let clock = options.now.map(LocalClock::starting_at).unwrap_or_default();
    let data = match (options.endpoint, options.memory) {
        (Some(url), _) => Data::Endpoint(url),
        (None, true) => Data::Memory,
        (None, false) => Data::Folder(options.data),
    };
    let listener = TcpListener::bind(options.addr).await;
    let listener = listener.map_err(|e| format!("--addr {}: {e}", options.addr))?;
    let base = format!("http://{}", listener.local_addr()?);
    let config = Config { tables: tables::names(), top_up_url: Some(format!("{base}/")) };
    let world = world::open(&data, &clock, config).await?;
    let functions = Functions::new(world);
    seed::seed(&functions).await?;
    println!("{}", banner(&base, &data, clock.now()));
    tokio::select! {
        served = server::serve(listener, functions) => Ok(served?),
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
    }
}

/// What to try first. The curls work as they are, and show something new when sent again.
fn banner(base: &str, data: &Data, now: Instant) -> String {
    let accounts = seed::ACCOUNTS.map(|(account, plan, shows)| {
        format!(
            "  {:<42} {account}: {plan}, {shows}",
            format!("{base}/v1/accounts/{account}/balance")
        )
    });
    let accounts = accounts.join("\n");
    let data = match data {
        Data::Memory => "in memory".to_owned(),
        Data::Folder(folder) => format!("in {}", folder.display()),
        Data::Endpoint(url) => format!("at {url}"),
    };
    format!(
        "Scrip on {base}, {now}, tables {data}

{accounts}

Spend a credit; send it again for the same receipt, with Idempotent-Replayed: true
  curl -i {base}/v1/accounts/acme/debits -H 'Idempotency-Key: my-first-video' \\
    -d '{{\"action\":\"dynamic_video\",\"quantity\":1}}'
Spend more than there is: 402, and when credits come back
  curl -i {base}/v1/accounts/open/debits -H 'Idempotency-Key: too-many-videos' \\
    -d '{{\"action\":\"dynamic_video\",\"quantity\":1000}}'
Grant credits, as an operator
  curl -i {base}/v1/accounts/open/grants -H 'Idempotency-Key: welcome' \\
    -d '{{\"credits\":\"100\",\"reason\":\"welcome\"}}'
"
    )
}
