//! Serves the chat on 127.0.0.1:8080.

use std::env;
use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use chat_axum::chat;
use chat_axum::model::Parrot;
use scrip_client::{Options, Scrip, Unpaid};
use tokio::net::TcpListener;

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
    pay(&scrip).await?;

    let port = env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("Chat on http://{}/chat", listener.local_addr()?);
    let app = chat(scrip.clone(), Parrot { pace: Duration::from_millis(50) });
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            // Without signals it runs until it is killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await?;
    // The charges of customers who left at the end.
    scrip.finish().await;
    Ok(())
}

fn store(unpaid: &Unpaid) -> Result<(), Box<dyn Error>> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(UNPAID)?;
    Ok(writeln!(file, "{}", serde_json::to_string(unpaid)?)?)
}

/// Pays what was stored before this start. Each is charged once, however often this is tried; what
/// cannot be paid stays in the file.
async fn pay(scrip: &Scrip) -> Result<(), Box<dyn Error>> {
    let stored = std::fs::read_to_string(UNPAID).unwrap_or_default();
    let mut left = String::new();
    for line in stored.lines() {
        if let Err(error) = scrip.pay(&serde_json::from_str(line)?).await {
            eprintln!("still unpaid: {error}");
            left += line;
            left.push('\n');
        }
    }
    if !stored.is_empty() {
        std::fs::write(UNPAID, left)?;
    }
    Ok(())
}
