//! Serves the chat on 127.0.0.1:8080.

use std::collections::HashSet;
use std::env;
use std::error::Error;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chat_axum::chat;
use chat_axum::model::Parrot;
use scrip_client::{Options, Scrip, Unpaid};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Charges that could not be sent when their work was done, a line each. Yours is a table.
const UNPAID: &str = "unpaid.jsonl";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("SCRIP_URL").map_err(|_| "SCRIP_URL is the address of a Scrip stack")?;
    // Nobody waits for a chat for longer.
    let mut options = Options::new(url).deadline(Duration::from_secs(8));
    if let Ok(key) = env::var("SCRIP_KEY") {
        options = options.key(key);
    }
    let scrip = options
        .on_unpaid(|unpaid, error| async move {
            eprintln!("unpaid: {error:?}");
            if let Err(error) = store(&unpaid) {
                eprintln!("{UNPAID}: {error}; it owes {unpaid:?}");
            }
        })
        .build()?;
    // Ctrl-C, and what systemd and Docker send.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let port = env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("Chat on http://{}/chat", listener.local_addr()?);
    // Nobody waits for what is owed from before.
    let pays = scrip.clone();
    tokio::spawn(async move {
        if let Err(error) = pay(&pays).await {
            eprintln!("{UNPAID}: {error}");
        }
    });
    let app = chat(scrip.clone(), Parrot { pace: Duration::from_millis(50) });
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
        .await?;
    // The charges of customers who left at the end.
    scrip.finish().await;
    Ok(())
}

/// One at a time changes the file.
static CHANGES: Mutex<()> = Mutex::new(());

fn store(unpaid: &Unpaid) -> Result<(), Box<dyn Error>> {
    let _changes = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(UNPAID)?;
    Ok(writeln!(file, "{}", serde_json::to_string(unpaid)?)?)
}

/// Pays what was stored before this start. Each is charged once, however often this is tried; what
/// cannot be paid or read stays in the file.
async fn pay(scrip: &Scrip) -> Result<(), Box<dyn Error>> {
    let stored = std::fs::read_to_string(UNPAID).unwrap_or_default();
    let mut paid = HashSet::new();
    for line in stored.lines() {
        let Ok(unpaid) = serde_json::from_str(line) else {
            eprintln!("{UNPAID}: no charge: {line}");
            continue;
        };
        match scrip.pay(&unpaid).await {
            Ok(_) => drop(paid.insert(line)),
            Err(error) => eprintln!("still unpaid: {error}"),
        }
    }
    if paid.is_empty() {
        return Ok(());
    }
    let _changes = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
    // Meanwhile others may have been stored.
    let mut left = String::new();
    for line in std::fs::read_to_string(UNPAID)?.lines().filter(|line| !paid.contains(line)) {
        left += line;
        left.push('\n');
    }
    let next = format!("{UNPAID}.next");
    std::fs::write(&next, left)?;
    Ok(std::fs::rename(next, UNPAID)?)
}
