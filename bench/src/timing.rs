//! Times debits without faults: debits a second, and how long each took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::contender::{Contender, Error, Outcome};
use crate::play::{insist, new_id};

/// The numbers of callers at once.
pub const CALLERS: [usize; 3] = [1, 16, 64];

/// The middle of these values: of an even number the mean of the middle two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    (at(values.len().saturating_sub(1) / 2) + at(values.len() / 2)) / 2.0
}

/// One window of time.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    pub debits_per_s: f64,
    /// Milliseconds.
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// So many callers take single credits from these accounts until the window ends.
///
/// # Errors
/// If the contender breaks, does not answer, or refuses: the accounts have enough.
pub async fn time(
    contender: &Arc<dyn Contender>,
    callers: usize,
    accounts: &Arc<Vec<String>>,
    window: Duration,
) -> Result<Timed, Error> {
    let (began, mut tasks) = (Instant::now(), JoinSet::new());
    for caller in 0..callers {
        let (contender, accounts) = (contender.clone(), accounts.clone());
        tasks.spawn(async move {
            let mut random = StdRng::seed_from_u64(caller as u64);
            let mut took = Vec::new();
            while began.elapsed() < window {
                let account = &accounts[random.random_range(0..accounts.len())];
                let (id, sent) = (new_id(), Instant::now());
                // Under load an answer may be unknown: its time is that until it is known.
                if insist(&*contender, account, &id, 1).await? == Outcome::Refused {
                    return Err(refused(&*contender, account));
                }
                took.push(sent.elapsed());
            }
            Ok::<_, Error>(took)
        });
    }
    let mut took = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        took.extend(ended??);
    }
    let lasted_s = began.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |part: f64| {
        let place = (took.len() as f64 * part) as usize;
        took.get(place.min(took.len().saturating_sub(1))).map_or(f64::NAN, as_ms)
    };
    let debits_per_s = took.len() as f64 / lasted_s;
    Ok(Timed { debits_per_s, p50_ms: at(0.5), p99_ms: at(0.99) })
}

fn as_ms(took: &Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

fn refused(contender: &dyn Contender, account: &str) -> Error {
    format!("{}: {account} was refused and has enough", contender.name()).into()
}
