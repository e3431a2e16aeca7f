//! Shows the ledger of the demo in short, and sums it.

use serde_json::Value;
use shared::domain::Credits;

use super::door::{Door, Error, amount, expect};
use super::screen::Screen;
use crate::change::{Tone, credits};

/// Consecutive entries of one kind.
struct Run<'a> {
    first: &'a Value,
    last: &'a Value,
    count: usize,
    sum: Credits,
}

/// Shows the ledger. It must be numbered without a gap, and sum to the balance.
pub(super) async fn play(door: &Door, screen: &mut Screen<'_>) -> Result<(), Error> {
    let entries = entries(door).await?;
    for run in runs(&entries)? {
        screen.came(&row(&run), Tone::Read)?;
    }
    let numbers = entries.iter().map(|entry| entry["seq"].as_u64());
    let gapless = numbers.eq((1..).take(entries.len()).map(Some));
    expect(gapless, || "an entry is missing".to_owned())?;
    let (sum, balance) = (sum(&entries)?, door.balance().await?.available);
    let count = entries.len();
    screen.glow(&format!("{count} entries sum to {sum}; the balance is {balance}")).await?;
    expect(sum == balance, || "the ledger does not sum to the balance".to_owned())
}

/// The difference between the balance and the sum of its ledger.
pub(super) async fn off(door: &Door) -> Result<Credits, Error> {
    Ok(door.balance().await?.available - sum(&entries(door).await?)?)
}

/// The number of times that a payment has changed the balance.
pub(super) async fn payments(door: &Door) -> Result<usize, Error> {
    let entries = entries(door).await?;
    let of_payments =
        |entry: &&Value| ["topped_up", "reversed"].iter().any(|kind| entry["kind"] == *kind);
    Ok(entries.iter().filter(of_payments).count())
}

/// All entries, the oldest first.
async fn entries(door: &Door) -> Result<Vec<Value>, Error> {
    let mut listed = door.read("/ledger?limit=200").await?;
    expect(listed["next_cursor"].is_null(), || "the story is longer than a listing".to_owned())?;
    let entries = listed["entries"].as_array_mut().map(std::mem::take).ok_or("no listing")?;
    // An advance that is not written yet has no number.
    let written = entries.into_iter().filter(|entry| entry.get("pending").is_none());
    Ok(written.rev().collect())
}

fn sum(entries: &[Value]) -> Result<Credits, Error> {
    entries.iter().map(|entry| amount(&entry["available"])).sum()
}

fn runs(entries: &[Value]) -> Result<Vec<Run<'_>>, Error> {
    let mut runs: Vec<Run> = Vec::new();
    for entry in entries {
        let available = amount(&entry["available"])?;
        match runs.last_mut() {
            Some(run) if ["kind", "action"].iter().all(|of| run.last[of] == entry[of]) => {
                (run.last, run.count, run.sum) = (entry, run.count + 1, run.sum + available);
            }
            _ => runs.push(Run { first: entry, last: entry, count: 1, sum: available }),
        }
    }
    Ok(runs)
}

fn row(run: &Run) -> String {
    let Run { first, last, count, sum } = run;
    let text = |path: &str| last.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let numbers = match count {
        1 => first["seq"].to_string(),
        _ => format!("{}-{}", first["seq"], last["seq"]),
    };
    let kind = format!("{} {}", text("/kind"), text("/action"));
    let at = text("/at").get(5..16).unwrap_or_default().replace('T', " ");
    let sign = if sum.micro() > 0 { "+" } else { "" };
    let left = credits(text("/balance/available"));
    format!("{numbers:>5}  {at}  {kind:<24} {:>8}   {left:>13}", format!("{sign}{sum}"))
}
