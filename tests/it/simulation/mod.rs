//! The machine that tries to lose a credit: the real handlers, operations and store over the embedded
//! table, on one thread, from one seed, while the wire loses, doubles, delays and refuses requests,
//! handlers crash at any call, clocks differ by seconds and weeks go by.
//!
//! `SEED=n` plays one seed; `OPERATIONS=n` says how many operations are played in all.

mod auditor;
mod chaos;
mod mutants;

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use dynoxide::Database;
use local::embedded::Embedded;
use local::routes::Functions;
use local::{tables, world};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use shared::clock::{Clock, Entropy};
use shared::config::Config;
use shared::domain::{Instant, OperationId};
use shared::world::call_retry;

use crate::support::{answer, instant, request};
use auditor::Exchange;
use chaos::Chaos;
use mutants::{MUTANTS, Mutant};

/// Operations in all at every `cargo test`; each is sent until its outcome is known.
const OPERATIONS: usize = 20_000;
/// Operations of one seed: a fresh table for each, since the embedded one remembers the token of
/// every transaction.
const PER_SEED: usize = 1_000;
const ACCOUNTS: usize = 4;
/// Clients of one account.
const CLIENTS: usize = 3;
/// How far the handlers' clocks are off.
const SKEWS_MS: [i64; 4] = [0, 1_500, -1_500, 400];
/// A client gives up waiting for an answer after this: the handler crashed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many seeds a mutant may survive.
const MOST_RUNS: u64 = 20;
/// How often an operation is sent before the faults end.
const SENDS: usize = 4;

/// One simulated deployment: four handlers with clocks of their own over one table.
struct Simulation {
    handlers: Vec<Functions>,
    chaos: Chaos,
    random: RefCell<StdRng>,
    began: tokio::time::Instant,
    ledgers: Vec<RefCell<Vec<Exchange>>>,
}

/// An operation as a client sends it, as often as it must.
#[derive(Clone, Debug)]
struct Operation {
    account: usize,
    method: &'static str,
    path: String,
    key: String,
    body: String,
    credits: i64,
}

impl Simulation {
    async fn start(seed: u64) -> Simulation {
        let began = tokio::time::Instant::now();
        // A Sunday evening: Monday comes early in the run.
        let epoch_ms = instant("2026-11-22T23:50:00Z").ms();
        let clock = move |skew_ms: i64| {
            Clock::new(move || {
                let ms = began.elapsed().as_millis();
                Instant::from_ms(epoch_ms + i64::try_from(ms).expect("a short run") + skew_ms)
            })
        };
        let database = Database::memory().expect("a database in memory");
        let chaos = Chaos::new(Embedded::new(database, clock(0)), seed);
        let mut handlers = Vec::new();
        for (number, skew_ms) in SKEWS_MS.into_iter().enumerate() {
            let random = std::sync::Mutex::new(StdRng::seed_from_u64(seed ^ (number as u64 + 1)));
            let entropy = Entropy::new(move || random.lock().expect("one thread").random());
            let config = Config { tables: tables::names(), top_up_url: None };
            // The SDK draws its waits from the system; without that a seed repeats exactly.
            let retry = call_retry().with_use_static_exponential_base(true);
            let sdk = world::sdk(chaos.client(), "http://embedded").retry_config(retry);
            let clock = clock(skew_ms);
            let world = world::assemble(sdk, clock.clone(), clock, entropy, config).await;
            handlers.push(Functions::new(world.expect("the stack starts")));
        }
        let ledgers = (0..ACCOUNTS).map(|_| RefCell::default()).collect();
        let random = RefCell::new(StdRng::seed_from_u64(seed));
        Simulation { handlers, chaos, random, began, ledgers }
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.borrow_mut().random_range(0..bound)
    }

    fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).expect("a short run")
    }

    /// Sends an operation to one of the handlers, and notes what came of it.
    async fn send(&self, operation: &Operation) -> Option<u16> {
        let Operation { account, method, path, key, body, credits } = operation;
        let handler = self.pick(&[0, 1, 2, 3]);
        let sent_ms = self.now_ms();
        let request = request(method, path, Some(key), body);
        let sent = self.handlers[handler].answer(request);
        let answer = tokio::time::timeout(PATIENCE, sent).await.ok().map(answer);
        let answer = answer.map(|answer| (answer.status, answer.replayed, answer.body));
        let status = answer.as_ref().map(|(status, ..)| *status);
        self.ledgers[*account].borrow_mut().push(Exchange {
            key: key.clone(),
            credits: *credits,
            sent_ms,
            answered_ms: self.now_ms(),
            answer,
        });
        status
    }

    /// Sends an operation until its outcome is known, or the client has had enough.
    async fn insist(&self, operation: &Operation) -> bool {
        for _ in 0..SENDS {
            match self.send(operation).await {
                Some(503) | None => self.sleep(&[1, 20, 500]).await,
                Some(_) => return true,
            }
        }
        false
    }

    async fn sleep(&self, about_ms: &[u64]) {
        let about = self.pick(about_ms);
        let ms = about / 2 + self.below(about.max(1));
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// What a client thinks of next.
    fn next(&self, account: usize, number: usize, now_ms: i64) -> Operation {
        let base = format!("/v1/accounts/a{account}");
        let operation = |method, path: String, body: String, credits| {
            let key = self.key(number, now_ms);
            Operation { account, method, path, key, body, credits }
        };
        match self.below(100) {
            0..80 => {
                let micro = (self.below(3_000_000) + 1) as i64;
                let credits = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
                let body = format!(r#"{{"credits":"{credits}"}}"#);
                operation("POST", format!("{base}/debits"), body, -micro)
            }
            80..92 => {
                let credits = self.below(40) + 1;
                let days = self.pick(&[1, 5, 9]);
                let expires_at = Instant::from_ms(now_ms + days * 86_400_000 + 7);
                let body = format!(
                    r#"{{"credits":"{credits}","reason":"sim","expires_at":"{expires_at}"}}"#
                );
                operation("POST", format!("{base}/grants"), body, credits as i64 * 1_000_000)
            }
            92..96 => {
                let word = self.pick(&["freeze", "unfreeze", "unfreeze"]);
                operation("POST", format!("{base}/{word}"), r#"{"reason":"sim"}"#.to_owned(), 0)
            }
            _ => {
                let plan = self.pick(&["free", "free", "pro", "standard"]);
                let status = self.pick(&["active", "active", "past_due", "canceled"]);
                let body = format!(r#"{{"plan":"{plan}","status":"{status}"}}"#);
                operation("PUT", base.clone(), body, 0)
            }
        }
    }

    /// A fresh id, an id that is old or ahead already, or a name.
    fn key(&self, number: usize, now_ms: i64) -> String {
        let age_ms = match self.below(10) {
            0..6 => self.below(50) as i64 - 10,
            6 => self.below(150_000) as i64,
            7 => self.below(3_000_000) as i64,
            _ => return format!("job {number} {}", self.below(1 << 40)),
        };
        let random = self.random.borrow_mut().random();
        OperationId::mint(Instant::from_ms(now_ms - age_ms), random).to_string()
    }

    async fn client(self: Rc<Self>, account: usize, operations: usize) -> Vec<Operation> {
        let mut sent: Vec<Operation> = Vec::new();
        let mut open = Vec::new();
        for number in 0..operations {
            let now_ms = self.handlers[0].world().clock.now().ms();
            let again = !sent.is_empty() && self.below(10) == 0;
            let operation = match again {
                true => sent[self.below(sent.len() as u64) as usize].clone(),
                false => self.next(account, number, now_ms),
            };
            let known = match self.below(20) {
                // Twice at once, through whichever handlers.
                0 => {
                    let twin = self.insist(&operation);
                    let (one, two) = tokio::join!(self.insist(&operation), twin);
                    one && two
                }
                _ => self.insist(&operation).await,
            };
            if !known {
                open.push(operation.clone());
            }
            sent.push(operation);
            match self.below(1000) {
                0..900 => self.sleep(&[1, 4, 20]).await,
                900..980 => self.sleep(&[1_000, 60_000, 130_000]).await,
                980..998 => self.sleep(&[3_600_000]).await,
                _ => self.sleep(&[3 * 86_400_000, 8 * 86_400_000]).await,
            }
        }
        open
    }

    /// The whole ledger of an account, the first entry first.
    async fn ledger(&self, account: usize) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/accounts/a{account}/ledger?limit=200{cursor}");
            let listing = answer(self.handlers[0].answer(request("GET", &path, None, "")).await);
            let listed = listing.body["entries"].as_array().expect("entries").clone();
            entries.extend(listed.into_iter().filter(|entry| entry.get("pending").is_none()));
            match listing.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        entries.reverse();
        entries
    }
}

/// Plays one seed, settles what is unknown, and has every account audited.
async fn play(seed: u64, mutant: Option<Mutant>) -> String {
    let simulation = Rc::new(Simulation::start(seed).await);
    simulation.chaos.mutate(mutant);
    for account in 0..ACCOUNTS {
        let operation = Operation {
            account,
            method: "PUT",
            path: format!("/v1/accounts/a{account}"),
            key: "open".to_owned(),
            body: r#"{"plan":"free"}"#.to_owned(),
            credits: 25_000_000,
        };
        assert_eq!(simulation.send(&operation).await, Some(201));
    }
    simulation.chaos.set_rate(simulation.pick(&[8, 25, 100]));
    let each = PER_SEED / ACCOUNTS / CLIENTS;
    let clients = (0..ACCOUNTS * CLIENTS)
        .map(|n| tokio::task::spawn_local(simulation.clone().client(n % ACCOUNTS, each)));
    let clients: Vec<_> = clients.collect();
    let mut open = Vec::new();
    for client in clients {
        open.extend(client.await.expect("no client panics"));
    }
    simulation.chaos.set_rate(0);
    // What is still on its way arrives, and no id is in the doubtful minutes any more.
    tokio::time::sleep(Duration::from_secs(200)).await;
    for operation in &open {
        let status = simulation.send(operation).await;
        assert!(matches!(status, Some(201 | 402 | 403 | 422)), "{operation:?}: {status:?}");
    }
    let (mut entries, mut exchanges) = (0, 0);
    for account in 0..ACCOUNTS {
        let ledger = simulation.ledger(account).await;
        let path = format!("/v1/accounts/a{account}/balance");
        let balance = simulation.handlers[0].answer(request("GET", &path, None, "")).await;
        let seen = simulation.ledgers[account].borrow();
        exchanges += seen.len();
        let name = format!("SEED={seed} account a{account}");
        entries += auditor::audit(&name, &ledger, &seen, &answer(balance).body);
    }
    let faults = simulation.chaos.faults();
    let (unknown, operations) = (open.len(), each * ACCOUNTS * CLIENTS);
    format!(
        "SEED={seed}: {operations} operations, {exchanges} sent, {entries} entries, {unknown} \
         unknowns settled, 0 credits off; {faults}"
    )
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

#[test]
fn no_credit_is_lost_doubled_or_spent_twice() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let operations = number("OPERATIONS").unwrap_or(OPERATIONS as u64);
            1..1 + operations.div_ceil(PER_SEED as u64)
        }
    };
    for seed in seeds {
        println!("SEED={seed}");
        println!("{}", run(seed, None));
    }
}

/// Each condition of the protocol is needed: without it, the auditor finds something.
#[test]
fn every_mutant_dies() {
    let mut alive = Vec::new();
    for mutant in MUTANTS {
        let dies = |seed: &u64| {
            let played = AssertUnwindSafe(|| run(*seed, Some(mutant)));
            std::panic::catch_unwind(played).is_err()
        };
        match (1..=MOST_RUNS).find(dies) {
            Some(runs) => println!("{}: dies in run {runs}", mutant.name),
            None => alive.push(mutant.name),
        }
    }
    assert!(alive.is_empty(), "these survive {MOST_RUNS} runs: {alive:?}");
}

/// Plays a seed on one thread, where only the simulation's own time goes by.
fn run(seed: u64, mutant: Option<Mutant>) -> String {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, play(seed, mutant))
}
