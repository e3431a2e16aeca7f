//! Support for the test stories: a stack in memory, a wire that can fail, and helpers for HTTP.

mod answer;
pub mod browser;
pub mod canary;
pub mod catalogs;
mod clocks;
pub mod contract;
pub mod door;
pub mod emulator;
pub mod items;
pub mod lambda;
pub mod log;
mod operator;
pub mod secrets_manager;
pub mod service_keys;
pub mod shop;
pub mod wire;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use lambda_http::Body;
use local::clock::LocalClock;
use local::mappings::Mappings;
use local::messaging::Messaging;
use local::request_log::RequestLog;
use local::roles::Roles;
use local::routes::Functions;
use local::start::Start;
use local::streams::Streams;
use local::stripe::{self, LocalStripe};
use local::template::Template;
use local::{context, server, tables};
use serde_json::Value;
use shared::clock::{Clock, Entropy};
use shared::config::Config;
use shared::context::Context;
use shared::domain::{Instant, OperationId};
use shared::http::path;
use shared::secrets::Secret;
use shared::stripe::Stripe;
use tokio::net::TcpListener;

pub use answer::{Answer, answer};
use wire::Wire;

/// The address of the customers' page on this stack.
pub const PUBLIC_URL: &str = "https://credits.example.com";
/// The origin of a product, whose screens may request a customer's balance.
pub const PRODUCT: &str = "https://app.example.com";
/// The address that the documents' curl commands call.
pub const LOCAL: &str = "http://127.0.0.1:3000";
/// The keys that sign the stack's sessions: with [`canary::SESSION_KEY`].
pub const KEYS: &str = r#"{"id":"test","key":"a key of a test, as long as it has to be"}"#;

/// Randomness that counts from `first` on: every id is the same in every run.
pub fn counting(first: u64) -> Entropy {
    let count = AtomicU64::new(first);
    Entropy::new(move || {
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes
    })
}

/// The stack in memory, its clock and its wire to the table.
#[derive(Clone)]
pub struct Stack {
    pub functions: Functions,
    pub clock: LocalClock,
    pub wire: Wire,
    /// In every test each function's requests to AWS run under its role.
    pub roles: Roles,
    pub streams: Streams,
    pub mappings: Mappings,
    /// The metric documents that were emitted.
    pub emitted: Arc<Mutex<Vec<Value>>>,
    /// How far a clock that ticks has gone, in ms: see [`Stack::ticking`].
    pub ticks: Arc<AtomicI64>,
}

impl Stack {
    /// A stack whose clock starts at `now` and runs.
    pub async fn at(now: &str) -> Stack {
        let clock = LocalClock::starting_at(instant(now));
        Stack::with(clock.clone(), clock.clock(), Entropy::system(), false).await
    }

    /// A stack at a Wednesday noon that records its streams: [`Stack::relay`] delivers them.
    pub async fn streamed() -> Stack {
        let clock = LocalClock::starting_at(instant("2026-11-18T12:00:00Z"));
        Stack::with(clock.clone(), clock.clock(), Entropy::system(), true).await
    }

    /// A stack at a Wednesday noon: no boundary is near.
    pub async fn noon() -> Stack {
        Stack::at("2026-11-18T12:00:00Z").await
    }

    /// Another handler on the same tables, with a clock of its own.
    pub async fn beside(&self, clock: Clock) -> Stack {
        let Context { entropy, config, .. } = self.context().clone();
        let sdk = context::sdk(self.roles.client(self.wire.client()), "http://embedded");
        let context = context::assemble(sdk, clock.clone(), clock, entropy, config).await;
        Stack { functions: Functions::new(context.expect("it starts")), ..self.clone() }
    }

    /// A stack that a browser can visit, with the Stripe inside it; also returns its address.
    /// `origins` are the product's.
    pub async fn served(now: Option<&str>, origins: &[&str]) -> (Stack, LocalStripe, String) {
        let local =
            now.map_or_else(LocalClock::default, |now| LocalClock::starting_at(instant(now)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let mut origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
        origins.push(base.clone());
        let config = Config {
            top_up_url: Some(format!("{base}/")),
            public_url: Some(base.clone()),
            origins,
            ..selling()
        };
        let stack =
            Stack::configured(local.clone(), local.clock(), Entropy::system(), config, true).await;
        let stripe = LocalStripe::new(local.clock(), &base);
        let client = Stripe::new(stripe::KEY, Some(&format!("{base}/_local/stripe/")));
        let secret = Secret::fixed(stripe::WEBHOOK_SECRET);
        let functions = stack.functions.with_stripe(client.expect("a client"), secret);
        let mappings = stack.mappings.clone();
        let served = local::stack::Stack {
            functions: functions.clone(),
            clock: local,
            stripe: Some(stripe.clone()),
            mappings,
            table: Some(stack.wire.table().clone()),
            log: RequestLog::Off,
            start: Start::default(),
            key: None,
        };
        tokio::spawn(async move { server::serve(listener, served).await });
        (Stack { functions, ..stack }, stripe, base)
    }

    /// A stack at a Wednesday noon that was deployed without Stripe; it records its streams.
    pub async fn without_stripe() -> Stack {
        let clock = LocalClock::starting_at(instant("2026-11-18T12:00:00Z"));
        let config = Config { sells: false, ..selling() };
        Stack::configured(clock.clone(), clock.clock(), Entropy::system(), config, true).await
    }

    async fn with(local: LocalClock, clock: Clock, entropy: Entropy, streamed: bool) -> Stack {
        Stack::configured(local, clock, entropy, selling(), streamed).await
    }

    async fn configured(
        local: LocalClock,
        clock: Clock,
        entropy: Entropy,
        config: Config,
        streamed: bool,
    ) -> Stack {
        let table = emulator::table(clock.clone());
        let template = Template::of(config.sells);
        let roles = Roles::of(&template);
        let streams = Streams::of(&template, &tables::names());
        let table = if streamed { table.streamed(streams.clone()) } else { table };
        let wire = Wire::new(table);
        let client = wire.client();
        let sdk = context::sdk(roles.client(client), "http://embedded");
        let context = context::assemble(sdk, clock.clone(), clock, entropy, config).await;
        canary::watch();
        let emitted = Arc::<Mutex<Vec<Value>>>::default();
        let kept = emitted.clone();
        let metrics = canary::metrics(move |line| {
            let document = serde_json::from_str(line).expect("a document is a line of JSON");
            kept.lock().expect("no one panics with the lock").push(document);
        });
        let context = context.expect("the stack starts").with_session_keys(Secret::fixed(KEYS));
        let context = context.with_metrics(metrics).with_service_keys(canary::service_keys());
        let exchange = Messaging::default();
        let client = roles.client(exchange.client());
        let queues = Messaging::queues(&client);
        let bus = Messaging::bus(client);
        let mappings =
            Mappings::new(&template, context.clone(), streams.clone(), exchange, bus, queues);
        let functions = Functions::new(context);
        let ticks = Arc::default();
        Stack { functions, clock: local, wire, roles, streams, mappings, emitted, ticks }
    }

    /// The same stack with other keys for its sessions.
    pub fn with_keys(&self, secret: &str) -> Stack {
        let context = self.context().clone().with_session_keys(Secret::fixed(secret));
        Stack { functions: Functions::new(context), ..self.clone() }
    }

    /// The same stack with other roles for its functions.
    pub async fn with_roles(&self, roles: Roles) -> Stack {
        let sdk = context::sdk(roles.client(self.wire.client()), "http://embedded");
        let Context { clock, entropy, config, .. } = self.context().clone();
        let context = context::assemble(sdk, clock.clone(), clock, entropy, config).await;
        let functions = Functions::new(context.expect("the stack starts"));
        Stack { functions, roles, ..self.clone() }
    }

    pub fn context(&self) -> &Context {
        self.functions.context()
    }

    /// Delivers all records of the streams; every one can be delivered.
    pub async fn relay(&self) {
        assert_eq!(self.relay_what_can_be().await, Vec::<Value>::new());
    }

    /// Delivers all records of the streams. Returns those that could not be delivered.
    pub async fn relay_what_can_be(&self) -> Vec<Value> {
        self.mappings.drain().await;
        self.mappings.dead_letters()
    }

    /// The announced events, in the order of the bus.
    pub fn announced(&self) -> Vec<Value> {
        let events = self.mappings.exchange().events(0).into_iter();
        events.map(|mut numbered| numbered["event"].take()).collect()
    }

    /// The tables, past the store: tests break its items with this.
    pub fn tables(&self) -> Client {
        Client::from_conf(context::sdk(self.wire.client(), "http://embedded").build())
    }

    pub fn set_clock(&self, now: &str) {
        self.clock.set(instant(now));
    }

    /// Sends a request. Every answer in every test is checked against the contract.
    pub async fn send(&self, mut request: http::Request<Body>) -> Answer {
        request.headers_mut().insert("user-agent", canary::CARD.parse().expect("a header"));
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let answer = answer(self.functions.answer(request).await);
        contract::check_served(&method, &path, &answer);
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, None, "")).await
    }

    pub async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        self.send(request("POST", path, Some(key), body)).await
    }

    pub async fn open(&self, account: &str, plan: &str) -> Answer {
        let body = format!(r#"{{"plan":"{plan}"}}"#);
        let path = of(account, "");
        let opened =
            self.send(request("PUT", &path, Some(&format!("open-{account}")), &body)).await;
        assert_eq!(opened.status, 201, "{opened:?}");
        opened
    }

    pub async fn grant(&self, account: &str, key: &str, credits: &str) -> Answer {
        let body = format!(r#"{{"credits":"{credits}","reason":"test"}}"#);
        self.post(&of(account, "/grants"), key, &body).await
    }

    /// Makes a grant that expires at `end`.
    pub async fn grant_until(&self, account: &str, key: &str, credits: &str, end: &str) -> Answer {
        let body = format!(r#"{{"credits":"{credits}","reason":"test","expires_at":"{end}"}}"#);
        self.post(&of(account, "/grants"), key, &body).await
    }

    pub async fn debit(&self, account: &str, key: &str, credits: &str) -> Answer {
        let body = format!(r#"{{"credits":"{credits}"}}"#);
        self.post(&of(account, "/debits"), key, &body).await
    }

    pub async fn action(&self, account: &str, key: &str, action: &str, quantity: u64) -> Answer {
        let body = format!(r#"{{"action":"{action}","quantity":{quantity}}}"#);
        self.post(&of(account, "/debits"), key, &body).await
    }

    pub async fn balance(&self, account: &str) -> Answer {
        self.send(request("GET", &of(account, "/balance"), None, "")).await
    }

    /// A new operation id, dated `age_ms` ago.
    pub fn id(&self, age_ms: i64) -> OperationId {
        self.context().entropy.mint(Instant::from_ms(self.context().clock.now().ms() - age_ms))
    }
}

/// The configuration of a stack with Stripe.
fn selling() -> Config {
    Config {
        tables: tables::names(),
        top_up_url: Some("https://example.com/credits".to_owned()),
        public_url: Some(PUBLIC_URL.to_owned()),
        origins: vec![PRODUCT.to_owned(), LOCAL.to_owned()],
        allows_unsigned: true,
        sells: true,
        ..Config::default()
    }
}

/// The address of a route of an account, for any account name.
pub fn of(account: &str, route: &str) -> String {
    format!("/v1/accounts/{}{route}", path::encoded(account))
}

pub fn request(method: &str, path: &str, key: Option<&str>, body: &str) -> http::Request<Body> {
    let request = http::Request::builder().method(method).uri(path);
    let request = match key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    };
    request.body(Body::from(body)).expect("a request")
}

/// The whole ledger of an account, the first entry first, without pending changes.
///
/// # Errors
/// If an answer is no listing.
pub async fn ledger(functions: &Functions, account: &str) -> Result<Vec<Value>, String> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = of(account, &format!("/ledger?limit=200{cursor}"));
        let listing = answer(functions.answer(request("GET", &path, None, "")).await);
        if listing.status != 200 {
            return Err(format!("GET {path}: {listing:?}"));
        }
        let listed = listing.body["entries"].as_array().cloned().unwrap_or_default();
        entries.extend(listed.into_iter().filter(|entry| entry.get("pending").is_none()));
        match listing.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    entries.reverse();
    Ok(entries)
}

pub fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap_or_else(|| panic!("not a time: {text}"))
}

/// Runs `work` for each of 0..count concurrently, on as many tasks.
pub async fn at_once<T, F>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let gate = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|n| {
            let (gate, work) = (gate.clone(), work(n));
            tokio::spawn(async move {
                gate.wait().await;
                work.await
            })
        })
        .collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.expect("no task panics"));
    }
    done
}
