//! The simulation that tries to lose a credit: the real handlers, operations and store run over the
//! embedded table, on one thread, from one seed, while the wire loses, doubles, delays, cuts and
//! refuses requests, handlers crash at any call, clocks differ by seconds and weeks pass.

pub mod auditor;
mod chaos;
pub mod client;
pub mod each;
pub mod exchange;
pub mod limits;
pub mod mutants;
pub mod naive;
pub mod named;
pub mod rates;
pub mod usage;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_dynamodb::config::{Builder, SharedHttpClient};
use local::routes::Functions;
use local::{context, tables};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared::clock::{Clock, Entropy};
use shared::command::{self, Receipted, order, payment};
use shared::config::Config;
use shared::context::{Context, call_retry};
use shared::decide::own_limit::LimitRequest;
use shared::decide::{MAX_CLOCK_AHEAD, catalog_version};
use shared::domain::payment::{CheckoutRequest, PaymentNotice};
use shared::domain::{Catalog, Instant, Key, KeySpace, OperationId};
use shared::failure::Failure;

use crate::support::{answer, instant, ledger, request};
use auditor::Answered;
use chaos::{Chaos, Fault};
use client::{Clients, Deal, Operation};
use each::Batches;
use mutants::{Deceit, Mutant};
use rates::Flaw;
use usage::Forms;

/// Operations of one seed: each has a new table, since the
/// embedded one keeps the token of every transaction.
pub const PER_SEED: u64 = 1_008;
const ACCOUNTS: usize = 4;
/// The account that buys packs.
const BUYER: usize = 3;
/// Clients of one account.
const CLIENTS: usize = 3;
/// A client gives up waiting for an answer after this: the handler crashed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often an operation is sent before the faults end.
const SENDS: usize = 4;
/// One request in this many fails, in the worst of seeds.
const FAULTY: u32 = 8;

/// The result of one seed.
#[derive(Clone, Debug)]
pub struct Played {
    pub seed: u64,
    pub operations: u64,
    /// Requests, including the clients' retries.
    pub sent: usize,
    /// Requests to DynamoDB, including the SDK's own retries.
    pub calls: usize,
    pub entries: usize,
    /// Operations whose outcome was unknown while the wire failed; their key resolved it later.
    pub unknown: usize,
    faults: BTreeMap<Fault, usize>,
}

impl Played {
    /// How many requests failed.
    pub fn faults(&self) -> usize {
        self.faults.values().sum()
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Played { seed, operations, sent, calls, entries, unknown, faults } = self;
        write!(f, "SEED={seed}: {operations} operations, {sent} sent, {calls} calls, ")?;
        write!(f, "{entries} entries, {unknown} unknown outcomes resolved, 0 credits off;")?;
        faults.iter().try_for_each(|(fault, count)| write!(f, " {fault:?} {count}"))
    }
}

/// Plays one seed on one thread, on simulated time only.
///
/// # Errors
/// The auditor's finding: a credit is off.
pub fn play(seed: u64, operations: u64, mutant: Option<Mutant>) -> Result<Played, String> {
    let simulated = || run_on_one_thread(Simulation::play(seed, operations, mutant));
    let played = std::panic::catch_unwind(simulated);
    played.unwrap_or_else(|_| Err("a handler panicked".to_owned()))
}

/// Plays `seeds`, `threads` of them at a time, and reports each as it ends.
///
/// # Errors
/// The first finding, with its seed. The other threads stop after their current seed.
pub fn play_all(
    seeds: std::ops::Range<u64>,
    threads: usize,
    tell: impl Fn(&Played) + Sync,
) -> Result<(), String> {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match play(seed, PER_SEED, None) {
                        Ok(played) => tell(&played),
                        Err(wrong) => {
                            next.store(seeds.end, Ordering::Relaxed);
                            let mut found = found.lock().expect("no one panics with the lock");
                            found.get_or_insert(format!("SEED={seed}: {wrong}"));
                        }
                    }
                }
            });
        }
    });
    match found.into_inner().expect("no one panics with the lock") {
        None => Ok(()),
        Some(wrong) => Err(wrong),
    }
}

fn run_on_one_thread<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Makes clocks of the simulated time that are off by this many ms. The time begins on a Sunday
/// evening: Monday comes early in the run.
fn simulated_clock() -> impl Fn(i64) -> Clock {
    let began = tokio::time::Instant::now();
    move |skew_ms| {
        Clock::new(move || {
            let ms = began.elapsed().as_millis();
            Instant::from_ms(began_ms() + i64::try_from(ms).expect("a short run") + skew_ms)
        })
    }
}

/// The instant at which the simulated time begins, in ms.
fn began_ms() -> i64 {
    instant("2026-11-22T23:50:00Z").ms()
}

/// The SDK over a wire, set up to repeat exactly. Its default draws waits from the system, and all
/// clients of a process share the tokens that its retries cost.
pub fn repeatable(wire: SharedHttpClient, tokens: TokenBucket) -> Builder {
    let retry = call_retry().with_use_static_exponential_base(true);
    let partition = RetryPartition::custom("one client").token_bucket(tokens).build();
    context::sdk(wire, "http://embedded").retry_config(retry).retry_partition(partition)
}

fn sdk(chaos: &Chaos) -> Builder {
    repeatable(chaos.client(), TokenBucket::default())
}

/// Whether requests have subjects and limits in a seed. In the others everything is as if there
/// were none.
fn has_limits(seed: u64) -> bool {
    seed % 6 > 3
}

/// The grant of each week, as the simulation publishes it.
fn weekly(start_ms: i64) -> i64 {
    if start_ms < instant("2026-11-30T00:00:00Z").ms() { 25_000_000 } else { 40_000_000 }
}

/// One simulated deployment: four handlers with clocks of their own over one table.
struct Simulation {
    handlers: Vec<Functions>,
    chaos: Chaos,
    clients: Clients,
    forms: Forms,
    began: tokio::time::Instant,
    deceit: Option<Deceit>,
    flaw: Option<Flaw>,
    /// The limits of the plans.
    defaults: named::Limits,
    /// The first body that each key was sent with, for the mutant that compares none.
    bodies: RefCell<BTreeMap<(String, String), String>>,
    /// The keys that a mutant sends in place of the clients' keys, and the originals.
    renamed: RefCell<BTreeMap<String, String>>,
    batches: Batches,
}

impl Simulation {
    async fn start(seed: u64, mutant: Option<Mutant>) -> Simulation {
        let clock = simulated_clock();
        let chaos = Chaos::new(clock(0), seed, mutant);
        let mut handlers = Vec::new();
        for (number, skew_ms) in Mutant::skews_ms(mutant).into_iter().enumerate() {
            let random = Mutex::new(StdRng::seed_from_u64(seed ^ (number as u64 + 1)));
            let entropy = Entropy::new(move || random.lock().expect("one thread").random());
            let config = Config {
                tables: tables::names(),
                allows_unsigned: true,
                sells: true,
                ..Config::default()
            };
            let clock = clock(skew_ms);
            let context =
                context::assemble(sdk(&chaos), clock.clone(), clock, entropy, config).await;
            handlers.push(Functions::new(context.expect("the stack starts")));
        }
        let deceit = mutant.and_then(|mutant| mutant.deceit());
        Simulation {
            handlers,
            chaos,
            clients: Clients::new(seed, ACCOUNTS, Some(BUYER), (true, has_limits(seed))),
            defaults: match has_limits(seed) {
                true => named::defaults(seed),
                false => named::Limits::new(),
            },
            forms: Forms::new(seed),
            began: tokio::time::Instant::now(),
            deceit,
            flaw: mutant.and_then(|mutant| mutant.flaw()),
            batches: Batches::new(deceit),
            bodies: RefCell::default(),
            renamed: RefCell::default(),
        }
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).expect("a short run")
    }

    /// Sends an operation to one of the handlers, and records its outcome.
    async fn send(&self, operation: &Operation) -> Option<u16> {
        let handler = self.clients.pick(&[0, 1, 2, 3]);
        let sent_ms = self.now_ms();
        match &operation.money {
            Some(Deal::Limit(limit)) => {
                let asked = self.limit(self.handlers[handler].context(), operation, limit);
                let answer = tokio::time::timeout(PATIENCE, asked).await.ok();
                let status = answer.as_ref().map(|answer| answer.status);
                self.clients.note(operation, (sent_ms, self.now_ms()), answer);
                return status;
            }
            Some(money) => {
                let dealt = self.deal(self.handlers[handler].context(), operation, money);
                return tokio::time::timeout(PATIENCE, dealt).await.ok();
            }
            None => {}
        }
        let (path, key, body) = self.front(operation);
        let places = self.batches.places(&path, &body);
        let (sent, body) = ((&path[..], &body[..]), each::picked(&body, places.as_deref()));
        let request = request(operation.method, &path, Some(&key), &body);
        let asked = self.handlers[handler].answer(request);
        let answer = tokio::time::timeout(PATIENCE, asked).await.ok().map(answer);
        let answer = answer.map(|answer| Answered {
            status: answer.status,
            replayed: answer.replayed,
            body: self.batches.answered(sent, places.as_deref(), answer.body),
        });
        let status = answer.as_ref().map(|answer| answer.status);
        self.clients.note(operation, (sent_ms, self.now_ms()), answer);
        status
    }

    /// Sets or removes a limit. Returns an answer as if it had been asked for over HTTP.
    async fn limit(
        &self,
        context: &Context,
        operation: &Operation,
        limit: &LimitRequest,
    ) -> Answered {
        let catalog = context.catalog().await;
        let account = format!("a{}", operation.account).parse().expect("an account");
        let key = operation.key.parse().expect("a key");
        let (key, by) = ((KeySpace::Operators, &key), command::limit::Changer::default());
        let set = command::limit::set(context, &catalog, &account, key, limit, by).await;
        match set {
            Ok(Receipted { found, replayed }) => {
                let (available, held) = (found.available, found.held);
                let body = json!({
                    "seq": found.seq,
                    "id": found.entry.id,
                    "at": found.entry.at,
                    "balance": { "available": available, "held": held },
                });
                Answered { status: 201, replayed, body }
            }
            Err(Failure::Refusal(refusal)) => {
                Answered { status: 409, replayed: false, body: json!(format!("{refusal:?}")) }
            }
            Err(_) => Answered { status: 503, replayed: false, body: Value::Null },
        }
    }

    /// Runs an action about money. Returns a status as if it had been asked for over HTTP.
    async fn deal(&self, context: &Context, operation: &Operation, money: &Deal) -> u16 {
        let catalog = context.catalog().await;
        let account = format!("a{}", operation.account).parse().expect("an account");
        let done = match money {
            Deal::Order => {
                let (pack, return_url) = ("starter".to_owned(), "https://example.com".to_owned());
                let request = CheckoutRequest { pack, user: None, return_url, live: false };
                let key = operation.key.parse().expect("a key");
                let ordered = order::place(context, &catalog, &account, &key, &request).await;
                ordered.map(|order| self.clients.ordered(order.id))
            }
            Deal::Limit(_) => unreachable!("it is about no money"),
            Deal::Says(order, facts) => {
                let intent = format!("pi_{order}").replace('-', "").parse().expect("an intent");
                let said = PaymentNotice::Payment { intent, facts: (**facts).clone() };
                payment::take_notice(context, &said, false).await.map(drop)
            }
        };
        match done {
            Ok(()) => 201,
            Err(Failure::Refusal(_)) => 409,
            Err(Failure::Store(_) | Failure::Sessions(_) | Failure::KeysUnread(_)) => 503,
            Err(Failure::Stripe(_)) => 503,
        }
    }

    /// The request as it reaches the handler: as it was sent, its calls in the forms of this sending,
    /// unless a mutant changes it.
    fn front(&self, operation: &Operation) -> (String, String, String) {
        let Operation { path, key, .. } = operation;
        let body = &self.forms.spelled(&operation.body);
        let (path, body) = match self.deceit {
            None
            | Some(
                Deceit::RefusesFromBefore | Deceit::PassesOutOfOrder | Deceit::RemembersRefusals,
            ) => (path.clone(), body.clone()),
            Some(Deceit::NamesWhatIsAhead) => return (path.clone(), self.named(key), body.clone()),
            Some(Deceit::CountsCachedTwice) => (path.clone(), usage::cached_counted_twice(body)),
            Some(Deceit::ComparesNoContent) => {
                let mut bodies = self.bodies.borrow_mut();
                let first = bodies.entry((path.clone(), key.clone())).or_insert(body.clone());
                (path.clone(), first.clone())
            }
            Some(Deceit::BelievesTheBody) => {
                let mut fields: Value = serde_json::from_str(body).unwrap_or_default();
                let named = fields.as_object_mut().and_then(|f| f.shift_remove("account"));
                match named.as_ref().and_then(Value::as_str) {
                    Some(other) => (format!("/v1/accounts/{other}/debits"), fields.to_string()),
                    None => (path.clone(), body.clone()),
                }
            }
        };
        (path, key.clone(), body)
    }

    /// The key, or a key that is no id in its place if it is an id that lies ahead.
    fn named(&self, key: &str) -> String {
        let id = key.parse::<Key>().ok().and_then(|key| key.id());
        let now = self.handlers[0].context().clock.now();
        if id.is_none_or(|id| id.time() <= now + MAX_CLOCK_AHEAD) {
            return key.to_owned();
        }
        let name = format!("named {key}");
        self.renamed.borrow_mut().insert(name.clone(), key.to_owned());
        name
    }

    /// The ledger of an account, each key as its client knows it.
    async fn ledger(&self, account: usize) -> Result<Vec<Value>, String> {
        let mut entries = ledger(&self.handlers[0], &format!("a{account}")).await?;
        for entry in &mut entries {
            let theirs = entry["key"].as_str().and_then(|k| self.renamed.borrow().get(k).cloned());
            if let Some(theirs) = theirs {
                entry["key"] = theirs.into();
            }
        }
        Ok(entries)
    }

    /// As a key: an id that the ledger of an account shows and no client chose.
    async fn shown(&self, account: usize) -> Option<String> {
        let path = format!("/v1/accounts/a{account}/ledger?limit=8");
        let listing = self.get(&path).await.ok()?;
        let kinds = ["time_passed", "granted", "refunded", "topped_up", "reversed"];
        let listed = listing["entries"].as_array()?.iter();
        let listed = listed.filter(|entry| kinds.iter().any(|kind| entry["kind"] == *kind));
        let ids: Vec<&str> = listed.filter_map(|entry| entry["id"].as_str()).collect();
        let id = ids.get(self.clients.below(ids.len().max(1) as u64) as usize)?;
        Some(match self.clients.below(2) {
            0 => (*id).to_owned(),
            _ => ulid::Ulid::from_bytes(*OperationId::parse(id)?.bytes()).to_string(),
        })
    }

    /// Sends an operation until its outcome is known, or until the client gives up.
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
        let about = self.clients.pick(about_ms);
        let ms = about / 2 + self.clients.below(about.max(1));
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Publishes this version of the catalog, which is the next.
    async fn publish(&self, version: u32) {
        let context = self.handlers[0].context();
        let current = Catalog::parse(&rates::files(version - 1, self.flaw, &self.defaults))
            .expect("a catalog");
        let files = rates::files(version, self.flaw, &self.defaults);
        let change = catalog_version::publish(&current, &files, context.clock.now());
        let change = change.expect("it may follow");
        // Where its outcome is not known it is sent again: it happens once.
        for _ in 0..SENDS {
            let sent = tokio::time::timeout(PATIENCE, context.store.commit(&change)).await;
            if matches!(sent, Ok(Ok(_))) {
                return;
            }
            self.sleep(&[1, 20, 500]).await;
        }
    }

    /// Publishes other rates again and again, while clients ask for calls.
    async fn publisher(self: Rc<Self>) {
        for version in rates::VERSIONS.skip(1) {
            self.sleep(&[60_000, 600_000, 7_200_000]).await;
            self.publish(version).await;
        }
    }

    /// One client. Returns the operations whose outcome it does not know.
    async fn client(self: Rc<Self>, account: usize, operations: u64) -> Vec<Operation> {
        let mut sent: Vec<Operation> = Vec::new();
        let mut open = Vec::new();
        for number in 0..operations {
            let now_ms = self.handlers[0].context().clock.now().ms();
            let shown = match self.clients.below(40) {
                0 => self.shown(account).await,
                _ => None,
            };
            let operation = match shown {
                Some(key) => self.clients.debit(account, key),
                None => self.clients.next(account, number as usize, &sent, now_ms),
            };
            let known = match self.clients.beside(&operation, number as usize, now_ms) {
                Some(other) => {
                    let others = self.insist(&other);
                    let (known, others) = tokio::join!(self.insist(&operation), others);
                    if !others {
                        open.push(other);
                    }
                    known
                }
                None if self.clients.below(20) > 0 => self.insist(&operation).await,
                // Twice at once, through any handlers.
                None => {
                    let twin = self.insist(&operation);
                    let (one, two) = tokio::join!(self.insist(&operation), twin);
                    one && two
                }
            };
            if !known {
                open.push(operation.clone());
            }
            sent.push(operation);
            if let Some(limit) = self.clients.limit(account)
                && !self.insist(&limit).await
            {
                open.push(limit);
            }
            match self.clients.below(1000) {
                0..900 => self.sleep(&[1, 4, 20]).await,
                900..980 => self.sleep(&[1_000, 60_000, 130_000]).await,
                980..998 => self.sleep(&[3_600_000]).await,
                _ => self.sleep(&[3 * 86_400_000, 8 * 86_400_000]).await,
            }
        }
        open
    }

    /// Plays one seed, resolves unknown outcomes, and audits every account.
    async fn play(seed: u64, operations: u64, mutant: Option<Mutant>) -> Result<Played, String> {
        let simulation = Rc::new(Simulation::start(seed, mutant).await);
        for account in 0..ACCOUNTS {
            let opening = Clients::opening(account);
            assert_eq!(simulation.send(&opening).await, Some(201));
        }
        simulation.publish(*rates::VERSIONS.start()).await;
        simulation.chaos.set_rate(simulation.clients.pick(&[FAULTY, 25, 100]));
        let each = operations / (ACCOUNTS * CLIENTS) as u64;
        let clients: Vec<_> = (0..ACCOUNTS * CLIENTS)
            .map(|n| tokio::task::spawn_local(simulation.clone().client(n % ACCOUNTS, each)))
            .collect();
        let publisher = tokio::task::spawn_local(simulation.clone().publisher());
        let mut open = Vec::new();
        for client in clients {
            open.extend(client.await.map_err(|error| format!("a handler panicked: {error}"))?);
        }
        publisher.abort();
        simulation.chaos.set_rate(0);
        // Delayed requests arrive, and no id is in the doubtful minutes any more.
        tokio::time::sleep(Duration::from_secs(200)).await;
        for operation in &open {
            let status = simulation.send(operation).await;
            if !matches!(status, Some(200 | 201 | 400 | 402 | 403 | 404 | 409 | 422)) {
                return Err(format!("{operation:?} ends in {status:?}"));
            }
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
        let (mut entries, mut sent) = (0, 0);
        for account in 0..ACCOUNTS {
            let exchanges = simulation.clients.take(account);
            let ledger = simulation.ledger(account).await?;
            let balance = simulation.get(&format!("/v1/accounts/a{account}/balance")).await?;
            let batches = simulation.clients.take_batches(account);
            let kept = match has_limits(seed) {
                true => Some(simulation.kept(account).await?),
                false => None,
            };
            let defaults = simulation.defaults.clone();
            let known = limits::Known { defaults, kept, began_ms: Some(began_ms()) };
            let audited = auditor::audit(&ledger, &exchanges, &balance, (weekly, known))
                .and_then(|entries| each::check(&ledger, &batches, began_ms()).map(|()| entries));
            entries += audited.map_err(|wrong| format!("account a{account}: {wrong}"))?;
            sent += exchanges.len();
        }
        let operations = each * (ACCOUNTS * CLIENTS) as u64;
        let (calls, faults) = (simulation.chaos.calls(), simulation.chaos.faults());
        Ok(Played { seed, operations, sent, calls, entries, unknown: open.len(), faults })
    }

    /// What an account's item counts for limits, and when it was read.
    async fn kept(&self, account: usize) -> Result<limits::Kept, String> {
        let context = self.handlers[0].context();
        let account = format!("a{account}").parse().expect("an account");
        let loaded = context.store.account(&account).await.map_err(|error| error.to_string())?;
        let used = loaded.map(|loaded| loaded.account.used).unwrap_or_default();
        let kept = used.into_iter().map(|(counter, credits)| {
            let window = counter.window;
            (counter.of, window.per.name().to_owned(), window.from.ms(), credits.micro())
        });
        Ok((kept.collect(), context.clock.now().ms()))
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let answer = answer(self.handlers[0].answer(request("GET", path, None, "")).await);
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(format!("GET {path}: {answer:?}")),
        }
    }
}
