//! Plays a workload against a contender, with callers that send what was not answered again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared::clock::{Clock, Entropy};
use tokio::task::JoinSet;

use crate::contender::{Contender, Error, Logged, Outcome};
use crate::judge::{Verdict, judge};
use crate::meter::Costs;
use crate::workload::{Delivery, Step, Workload};

/// A caller gives up a debit that had no answer so often.
const TRIES: usize = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// A played workload.
#[derive(Clone, Copy, Debug)]
pub struct Played {
    pub verdict: Verdict,
    pub costs: Costs,
    /// What was logged meanwhile.
    pub logged: Option<Logged>,
}

impl Played {
    /// DynamoDB's write units for each debit that was done.
    pub fn write_units(&self) -> f64 {
        self.costs.write_units / self.debits()
    }

    /// DynamoDB's read units for each debit that was done.
    pub fn read_units(&self) -> f64 {
        self.costs.read_units / self.debits()
    }

    /// Round trips to the store for each debit that was done.
    pub fn round_trips(&self) -> f64 {
        self.costs.round_trips as f64 / self.debits()
    }

    /// The debits that were done, which all costs are divided by.
    pub fn debits(&self) -> f64 {
        self.verdict.debits as f64
    }
}

/// A new id for a debit: a UUIDv7 of now.
pub fn new_id() -> String {
    Entropy::system().mint(Clock::system().now()).to_string()
}

/// Opens the accounts of a workload, plays it with so many callers at once, and judges it. With
/// `loses`, replies are lost by that seed.
///
/// # Errors
/// If the contender breaks, or a debit is never answered.
pub async fn play(
    contender: &Arc<dyn Contender>,
    workload: &Arc<Workload>,
    callers: usize,
    loses: Option<u64>,
) -> Result<Played, Error> {
    for account in &workload.accounts {
        contender.open(&account.name, account.granted).await?;
    }
    let before = contender.logged().await?;
    contender.meter().count(loses);
    let answers = answers(contender, workload, callers).await;
    let costs = contender.meter().stop();
    let after = contender.logged().await?;
    let mut left = Vec::new();
    for account in &workload.accounts {
        left.push(contender.left(&account.name).await?);
    }
    let logged = before.zip(after).map(|(before, after)| Logged {
        bytes: after.bytes - before.bytes,
        fsyncs: after.fsyncs.zip(before.fsyncs).map(|(after, before)| after - before),
    });
    Ok(Played { verdict: judge(workload, &answers?, &left), costs, logged })
}

/// The answers to each step.
async fn answers(
    contender: &Arc<dyn Contender>,
    workload: &Arc<Workload>,
    callers: usize,
) -> Result<Vec<Vec<Outcome>>, Error> {
    let (next, mut tasks) = (Arc::<AtomicUsize>::default(), JoinSet::new());
    let answers = Arc::new(Mutex::new(vec![Vec::new(); workload.steps.len()]));
    for _ in 0..callers {
        let (contender, workload) = (contender.clone(), workload.clone());
        let (next, answers) = (next.clone(), answers.clone());
        tasks.spawn(async move {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(step) = workload.steps.get(place) else { return Ok::<_, Error>(()) };
                let account = &workload.accounts[step.account].name;
                let answer = deliver(&*contender, account, step).await?;
                answers.lock().expect("no one panics with the lock")[place] = answer;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let answers = std::mem::take(&mut *answers.lock().expect("no one panics with the lock"));
    Ok(answers)
}

async fn deliver(
    contender: &dyn Contender,
    account: &str,
    step: &Step,
) -> Result<Vec<Outcome>, Error> {
    let id = new_id();
    let send = || insist(contender, account, &id, step.credits);
    Ok(match step.delivery {
        Delivery::Once => vec![send().await?],
        Delivery::Again => vec![send().await?, send().await?],
        Delivery::Twice => {
            let (one, other) = tokio::join!(send(), send());
            vec![one?, other?]
        }
    })
}

/// Sends a debit until it is answered.
///
/// # Errors
/// If the contender breaks, or answers none of [`TRIES`] attempts.
pub(crate) async fn insist(
    contender: &dyn Contender,
    account: &str,
    id: &str,
    credits: u64,
) -> Result<Outcome, Error> {
    for _ in 0..TRIES {
        match contender.debit(account, id, credits).await? {
            Outcome::Unknown => tokio::time::sleep(BETWEEN_TRIES).await,
            known => return Ok(known),
        }
    }
    Err(format!("{}: {id} was sent {TRIES} times and never answered", contender.name()).into())
}
