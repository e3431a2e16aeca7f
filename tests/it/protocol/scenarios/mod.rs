//! Scenarios as data: each line is played on a model, the embedded table and HTTP, and all three
//! must answer as the line says.
//!
//! The model contains only the rules. The table is used through the commands, and payments reach it
//! as facts. HTTP is the public interface, and its payments are made at a Stripe that sends
//! webhooks. No player skips a line: each matches every [`Effect`], and an unknown word fails.

mod language;
mod model;
mod over_http;
mod replay;
mod table;

use language::{Effect, Player, Scenario, scenarios};

use crate::support::instant;

const FILES: [(&str, &str); 5] = [
    ("debits", include_str!("../../../scenarios/debits.txt")),
    ("holds", include_str!("../../../scenarios/holds.txt")),
    ("refunds", include_str!("../../../scenarios/refunds.txt")),
    ("time", include_str!("../../../scenarios/time.txt")),
    ("payments", include_str!("../../../scenarios/payments.txt")),
];

/// The start of each scenario: a Wednesday noon.
const BEGINS: &str = "2026-11-18T12:00:00Z";

/// Plays every scenario, each with a player of its own:
/// scenarios share no accounts and no operations.
async fn play<P: Player>(way: &str, begin: impl AsyncFn() -> P) {
    for (file, text) in FILES {
        for Scenario { title, lines } in scenarios(text) {
            let mut player = begin().await;
            player.clock(instant(BEGINS)).await;
            for line in lines {
                let told = format!("{way}: {file}: {title}: {}", line.text);
                match line.effect {
                    Effect::Clock(now) => player.clock(now).await,
                    effect => {
                        let said = player.play(line.account, &effect).await;
                        assert_eq!(said.to_string(), line.expected, "{told}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn the_model_agrees_with_the_scenarios() {
    play("model", async || model::Model::default()).await;
}

#[tokio::test]
async fn the_embedded_table_agrees_with_the_scenarios() {
    play("table", table::Table::noon).await;
}

#[tokio::test]
async fn http_agrees_with_the_scenarios() {
    play("http", over_http::Front::noon).await;
}
