//! Sends many debits at once to a balance that covers only a part of them.

use std::sync::Arc;
use std::time::Duration;

use shared::domain::Credits;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::door::{Came, Door, Error, amount, expect};
use super::ledger;
use super::screen::Screen;
use crate::change::Tone;

/// The most sends of a debit whose outcome is unknown, and the wait between them.
const SENDS: usize = 5;
const WAIT: Duration = Duration::from_millis(50);

/// Sends `debits` debits at once. Each passes once or is refused, and no credit may be missing.
pub(super) async fn play(
    door: &Door,
    debits: usize,
    body: &'static str,
    screen: &mut Screen<'_>,
) -> Result<(), Error> {
    screen.sent(&format!("{debits} x POST .../debits  {body}"))?;
    let before = door.balance().await?.available;
    let gate = Arc::new(Barrier::new(debits));
    let mut running = JoinSet::new();
    for number in 0..debits {
        let (door, gate) = (door.clone(), gate.clone());
        running.spawn(async move {
            gate.wait().await;
            debit(&door, number, body).await
        });
    }
    let (mut passed, mut refused, mut left, mut spent) = (0, 0, before, Credits::ZERO);
    while let Some(came) = running.join_next().await {
        let came = came??;
        match came.status {
            201 => {
                passed += 1;
                spent += amount(&came.body["credits"])?;
                left = left.min(amount(&came.body["balance"]["available"])?);
            }
            402 => refused += 1,
            other => return Err(format!("{other}: {}", came.body).into()),
        }
        screen.count(passed, refused, left).await?;
    }
    let (after, off) = (door.balance().await?.available, ledger::off(door).await?);
    screen.came(&format!("201 x {passed}, 402 insufficient_credits x {refused}"), Tone::Done)?;
    screen.glow(&format!("{passed} passed, {refused} refused, {off} credits off")).await?;
    let exact = off.is_zero() && before - after == spent && passed + refused == debits;
    expect(exact, || format!("{before} less {spent} is not {after}, or {off} are off"))
}

/// Sends one debit, again with its key while its outcome is unknown.
async fn debit(door: &Door, number: usize, body: &'static str) -> Result<Came, Error> {
    let key = format!("rush-{number}");
    for _ in 1..SENDS {
        let came = door.send("POST", "/debits", &key, body).await?;
        if came.status != 503 {
            return Ok(came);
        }
        tokio::time::sleep(WAIT).await;
    }
    door.send("POST", "/debits", &key, body).await
}
