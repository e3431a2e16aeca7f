//! kill -9 at any moment: what was acknowledged is there, what was not is settled by sending its id
//! again, and no credit is off.
//!
//! The process is the one that `cargo run` starts, its tables in a folder. `KILLS=n` says how often it
//! is killed, `SEED=n` plays other operations.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::proof::{self, KILLS};
use tests::simulation::auditor::{self, Answered};
use tests::simulation::client::{Clients, Operation};
use tests::support::instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};

/// Accounts, and two clients of each.
const ACCOUNTS: usize = 4;
const CLIENTS: usize = 8;
/// The account that buys packs, over and over.
const BUYER: &str = "buyer";
/// What a starter pack brings, and what the account has by itself.
const PACK: i64 = 500;
const WEEKLY: i64 = 25;
/// The stack begins ten seconds before a Monday.
const BEGINS: &str = "2026-11-22T23:59:50Z";
/// How often an operation is sent before the client goes on to the next.
const SENDS: usize = 4;

/// The program that `cargo run` starts, as it is built from this source.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| programs().join("local"))
}

/// The folder of the programs `local` and `scrip`, which are built once in a run of the tests.
pub(crate) fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build)
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let folder = test.ancestors().nth(2).expect("the folder of the profile");
    let mut build = Command::new(env!("CARGO"));
    // Beside the tests of the workspace: with the features that they ask for, nothing is built twice.
    let programs = ["--bin", "local", "--bin", "scrip", "--test", "it"];
    build.args(["build", "--quiet", "--workspace"]).args(programs);
    // What cargo says to a test of the crate it is in, the script that builds `ring` would hear too,
    // and everything with TLS would be built again.
    let said = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|of| name.starts_with(of));
    for (name, _) in std::env::vars().filter(|(name, _)| said(name)) {
        build.env_remove(name);
    }
    build.arg("--target-dir").arg(folder.parent().expect("the target folder"));
    let profile = folder.file_name().and_then(|name| name.to_str()).expect("a profile");
    build.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo");
    assert!(built.success(), "cargo build --bin local --bin scrip");
    folder.to_owned()
}

/// A folder of the test's own, gone when the test is.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        Folder(std::env::temp_dir().join(format!("scrip-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The stack in a process of its own; killed when it is dropped.
struct Stack {
    process: Child,
    addr: String,
    /// What its clock said when it began to listen, in ms.
    began_ms: i64,
}

impl Stack {
    /// Starts the stack on the tables in `folder`, at `now` or where its clock was left.
    fn start(program: &Path, folder: &Path, now: Option<&str>) -> Stack {
        let mut command = Command::new(program);
        command.args(["--addr", "127.0.0.1:0", "--data"]).arg(folder);
        for name in ["DYNAMODB_ENDPOINT_URL", "STRIPE_SECRET_KEY", "SCRIP_ADDR"] {
            command.env_remove(name);
        }
        if let Some(now) = now {
            command.args(["--now", now]);
        }
        let mut process = command.stdout(Stdio::piped()).spawn().expect("a process");
        let output = process.stdout.take().expect("its output");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let told = lines.find_map(|line| {
            let (addr, rest) = line.strip_prefix("Scrip on http://")?.split_once(", ")?;
            Some((addr.to_owned(), instant(rest.split_once(',')?.0).ms()))
        });
        // Whatever else it says is read, so that it can say it.
        std::thread::spawn(move || lines.for_each(drop));
        let (addr, began_ms) = told.expect("the stack says where it listens");
        Stack { process, addr, began_ms }
    }
}

impl Drop for Stack {
    /// SIGKILL: no chance to write anything.
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
}

/// Sends a request to `addr`. None: the connection broke before the answer was whole.
async fn ask(addr: &str, method: &str, path: &str, headers: &str, body: &str) -> Option<Answered> {
    let mut stream = TcpStream::connect(addr).await.ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\n{headers}content-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?;
    if length.parse() != Ok(body.len()) {
        return None;
    }
    Some(Answered {
        status: head.split(' ').nth(1)?.parse().ok()?,
        replayed: head.contains("idempotent-replayed: true"),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    })
}

fn keyed(key: &str) -> String {
    format!("idempotency-key: {key}\r\n")
}

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn a_killed_stack_comes_back_with_every_receipt() {
    let (program, folder) = (program(), Folder::new("receipts"));
    let debit = async |stack: &Stack, key: &str| {
        let path = "/v1/accounts/acme/debits";
        let answer = ask(&stack.addr, "POST", path, &keyed(key), r#"{"credits":"1"}"#).await;
        answer.expect("an answer")
    };
    let balance = async |stack: &Stack| {
        ask(&stack.addr, "GET", "/v1/accounts/acme/balance", "", "").await.expect("an answer").body
    };
    let stack = Stack::start(program, &folder.0, None);
    let mut receipts = Vec::new();
    for n in 0..40 {
        let key = format!("job-{n}");
        let receipt = debit(&stack, &key).await;
        assert_eq!(receipt.status, 201, "{receipt:?}");
        receipts.push((key, receipt.body));
    }
    let before = balance(&stack).await;
    drop(stack);

    let stack = Stack::start(program, &folder.0, None);
    assert_eq!(balance(&stack).await, before);
    assert_eq!(before["available"], "2460");
    for (key, receipt) in receipts {
        let again = debit(&stack, &key).await;
        assert!(again.replayed, "{again:?}");
        assert_eq!(again.body, receipt);
    }
}

/// What the clients and the one who kills share.
struct Load {
    clients: Clients,
    addr: RefCell<String>,
    began: Instant,
    began_ms: i64,
    over: Cell<bool>,
    operations: Cell<usize>,
    sent: Cell<usize>,
    unanswered: Cell<usize>,
}

impl Load {
    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).expect("a short run")
    }

    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Option<Answered> {
        let addr = self.addr.borrow().clone();
        self.sent.update(|sent| sent + 1);
        let answer = ask(&addr, method, path, headers, body).await;
        if answer.is_none() {
            self.unanswered.update(|unanswered| unanswered + 1);
        }
        answer
    }

    /// Sends an operation, and notes what came of it: its status, if it is known.
    async fn send(&self, operation: &Operation) -> Option<u16> {
        let Operation { method, path, key, body, .. } = operation;
        let sent_ms = self.elapsed_ms();
        let answer = self.ask(method, path, &keyed(key), body).await;
        let status = answer.as_ref().map(|answer| answer.status);
        self.clients.note(operation, (sent_ms, self.elapsed_ms()), answer);
        status.filter(|status| *status != 503)
    }

    /// One client. Returns the operations whose outcome it does not know.
    async fn client(self: Rc<Self>, account: usize) -> Vec<Operation> {
        let (mut sent, mut open) = (Vec::new(), Vec::new());
        while !self.over.get() {
            let now_ms = self.began_ms + self.elapsed_ms();
            let operation = self.clients.next(account, sent.len(), &sent, now_ms);
            self.operations.update(|operations| operations + 1);
            let mut known = false;
            for _ in 0..SENDS {
                known = self.send(&operation).await.is_some();
                if known {
                    break;
                }
                pause(self.clients.pick(&[1, 20, 100])).await;
            }
            if !known {
                open.push(operation.clone());
            }
            sent.push(operation);
        }
        open
    }

    /// The one who buys: orders, and pays on the page of the local Stripe. Returns what was paid.
    async fn buyer(self: Rc<Self>) -> Vec<String> {
        let mut paid = Vec::new();
        while !self.over.get() {
            let key = keyed(&format!("order {}", paid.len()));
            // The keys of sessions end with the process: another token for each attempt.
            let (order, page) = loop {
                let Some(token) = self.token().await else { continue };
                let headers = format!("{key}authorization: Bearer {token}\r\n");
                let path = "/v1/me/checkouts";
                let ordered = self.ask("POST", path, &headers, r#"{"pack":"starter"}"#).await;
                if let Some(Answered { status: 201, body, .. }) = ordered {
                    let [id, url] = ["id", "url"].map(|name| body[name].as_str().expect("text"));
                    let page = url.splitn(4, '/').nth(3).expect("a path");
                    break (id.to_owned(), format!("/{page}"));
                }
            };
            // Refused is: it was paid before.
            while !matches!(
                self.ask("POST", &page, JSON, r#"{"do":"pay"}"#).await,
                Some(Answered { status: 200 | 409, .. })
            ) {
                pause(10).await;
            }
            paid.push(order);
            pause(100).await;
        }
        paid
    }

    async fn token(&self) -> Option<String> {
        let addr = self.addr.borrow().clone();
        let asked =
            json!({ "subject": "ada", "scopes": ["buy"], "return_url": format!("http://{addr}/") });
        let path = format!("/v1/accounts/{BUYER}/sessions");
        let made = self.ask("POST", &path, "", &asked.to_string()).await;
        pause(10).await;
        Some(made?.body["token"].as_str()?.to_owned())
    }

    async fn get(&self, path: &str) -> Value {
        let got = self.ask("GET", path, "", "").await.expect("nobody kills any more");
        assert_eq!(got.status, 200, "{path}: {got:?}");
        got.body
    }

    async fn advance(&self, seconds: i64) {
        let body = json!({ "advance_s": seconds }).to_string();
        let moved = self.ask("POST", "/_local/clock", JSON, &body).await;
        assert_eq!(moved.expect("an answer").status, 200);
    }

    /// The ledger of an account, the first entry first, without what is pending.
    async fn ledger(&self, account: &str) -> Vec<Value> {
        let (mut entries, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/accounts/{account}/ledger?limit=200{cursor}");
            let page = self.get(&path).await;
            let listed = page["entries"].as_array().cloned().expect("entries").into_iter();
            entries.extend(listed.filter(|entry| entry.get("pending").is_none()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        entries.reverse();
        entries
    }

    /// Audits the accounts of the clients; the number of their entries.
    async fn audit(&self) -> usize {
        let mut entries = 0;
        for account in 0..ACCOUNTS {
            let ledger = self.ledger(&format!("a{account}")).await;
            let balance = self.get(&format!("/v1/accounts/a{account}/balance")).await;
            let audited = auditor::audit(&ledger, &self.clients.take(account), &balance);
            entries += audited.unwrap_or_else(|wrong| panic!("account a{account}: {wrong}"));
        }
        entries
    }

    /// Each order that was paid is credited once, and nothing else is.
    async fn audit_payments(&self, paid: &[String]) {
        let ledger = self.ledger(BUYER).await;
        let credited = ledger.iter().filter(|entry| entry["kind"] == "topped_up");
        let orders: Vec<&str> =
            credited.map(|entry| entry["order"].as_str().expect("an order")).collect();
        let once: BTreeSet<&str> = orders.iter().copied().collect();
        assert_eq!(once, paid.iter().map(String::as_str).collect());
        assert_eq!(orders.len(), once.len(), "an order was credited twice");
        let available = WEEKLY + PACK * i64::try_from(paid.len()).expect("a few");
        let balance = self.get(&format!("/v1/accounts/{BUYER}/balance")).await;
        assert_eq!(balance["available"], available.to_string());
    }
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

#[tokio::test]
async fn killed_at_any_moment_under_load_no_credit_is_off() {
    let (kills, seed) = (KILLS.get(), proof::seed(9));
    println!("SEED={seed}");
    LocalSet::new().run_until(kill(kills, seed)).await;
}

async fn kill(kills: u64, seed: u64) {
    let (program, folder) = (program(), Folder::new("kills"));
    let mut stack = Stack::start(program, &folder.0, Some(BEGINS));
    let load = Rc::new(Load {
        clients: Clients::new(seed, ACCOUNTS),
        addr: RefCell::new(stack.addr.clone()),
        began: Instant::now(),
        began_ms: stack.began_ms,
        over: Cell::default(),
        operations: Cell::default(),
        sent: Cell::default(),
        unanswered: Cell::default(),
    });
    for account in 0..ACCOUNTS {
        assert_eq!(load.send(&Clients::opening(account)).await, Some(201));
    }
    let path = format!("/v1/accounts/{BUYER}");
    let opened = load.ask("PUT", &path, &keyed("open"), r#"{"plan":"free"}"#).await;
    assert_eq!(opened.map(|opened| opened.status), Some(201));
    let clients: Vec<_> =
        (0..CLIENTS).map(|n| spawn_local(load.clone().client(n % ACCOUNTS))).collect();
    let buyer = spawn_local(load.clone().buyer());
    let bar = KILLS.bar(kills);
    for _ in 0..kills {
        bar.inc(1);
        pause(20 + load.clients.below(1_500)).await;
        drop(stack);
        stack = Stack::start(program, &folder.0, None);
        load.addr.replace(stack.addr.clone());
    }
    pause(500).await;
    load.over.set(true);
    let paid = buyer.await.expect("the buyer does not panic");
    let mut open = Vec::new();
    for client in clients {
        open.extend(client.await.expect("a client does not panic"));
    }
    // No id is in the doubtful minutes any more: each has its outcome now.
    load.advance(200).await;
    for operation in &open {
        let status = load.send(operation).await;
        let known = matches!(status, Some(201 | 400 | 402 | 403 | 404 | 409 | 422));
        assert!(known, "{operation:?} ends in {status:?}");
    }
    // What Stripe had to say when it was killed is asked for.
    let path = "/_local/schedule/reconcile";
    let reconciled = load.ask("POST", path, JSON, "{}").await.expect("an answer");
    assert_eq!(reconciled.status, 200, "{reconciled:?}");
    load.advance(600).await;
    let entries = load.audit().await;
    load.audit_payments(&paid).await;
    bar.finish_and_clear();
    KILLS.say(format_args!(
        "{kills} kills in {} s: {} operations of {CLIENTS} clients, {} requests, {} without an \
         answer, {} operations without an outcome until the end, {entries} entries, {} packs paid: \
         0 credits off",
        load.began.elapsed().as_secs(),
        load.operations.get(),
        load.sent.get(),
        load.unanswered.get(),
        open.len(),
        paid.len(),
    ));
}
