//! Clients of a killed stack: they send each operation until it is answered, then check the
//! account.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::simulation::auditor::{self, Answered};
use tests::simulation::client::{Clients, Operation};
use tests::simulation::limits::Known;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Accounts, and two clients of each.
pub(super) const ACCOUNTS: usize = 4;
pub(super) const CLIENTS: usize = 8;
/// The account that buys packs repeatedly.
pub(super) const BUYER: &str = "buyer";
/// The credits of a starter pack; the account's own credits.
pub(super) const PACK: i64 = 500;
pub(super) const WEEKLY: i64 = 25;
/// How often an operation is sent before the client goes on to the next.
pub(super) const SENDS: usize = 4;

/// Sends a request to `addr`. None: the connection broke before the answer was whole.
pub(super) async fn ask(
    addr: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Option<Answered> {
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

pub(super) fn keyed(key: &str) -> String {
    format!("idempotency-key: {key}\r\n")
}

pub(super) const JSON: &str = "content-type: application/json\r\n";

/// The state that the clients and the killer share.
pub(super) struct Load {
    pub(super) clients: Clients,
    pub(super) addr: RefCell<String>,
    pub(super) began: Instant,
    pub(super) began_ms: i64,
    pub(super) over: Cell<bool>,
    pub(super) operations: Cell<usize>,
    pub(super) sent: Cell<usize>,
    pub(super) unanswered: Cell<usize>,
}

impl Load {
    pub(super) fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).expect("a short run")
    }

    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Option<Answered> {
        let addr = self.addr.borrow().clone();
        self.sent.update(|sent| sent + 1);
        let answer = ask(&addr, method, path, headers, body).await;
        if answer.is_none() {
            self.unanswered.update(|unanswered| unanswered + 1);
        }
        answer
    }

    /// Sends an operation, and records its outcome: its status, if it is known.
    pub(super) async fn send(&self, operation: &Operation) -> Option<u16> {
        let Operation { method, path, key, body, .. } = operation;
        let sent_ms = self.elapsed_ms();
        let answer = self.ask(method, path, &keyed(key), body).await;
        let status = answer.as_ref().map(|answer| answer.status);
        self.clients.note(operation, (sent_ms, self.elapsed_ms()), answer);
        status.filter(|status| *status != 503)
    }

    /// One client. Returns the operations whose outcome it does not know.
    pub(super) async fn client(self: Rc<Self>, account: usize) -> Vec<Operation> {
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

    /// The buyer: orders, and pays on the page of the local Stripe. Returns the paid orders.
    pub(super) async fn buyer(self: Rc<Self>) -> Vec<String> {
        let mut paid = Vec::new();
        while !self.over.get() {
            let key = keyed(&format!("order {}", paid.len()));
            // The keys of sessions end with the process: each attempt needs a new token.
            let (order, page) = loop {
                let Some(token) = self.token().await else { continue };
                let headers = format!("{key}authorization: Bearer {token}\r\n");
                let path = "/v1/me/checkouts";
                let ordered = self.ask("POST", path, &headers, r#"{"pack":"starter"}"#).await;
                // Ninety packs still have credits left: no more can be bought.
                if let Some(Answered { status: 409, .. }) = ordered {
                    return paid;
                }
                if let Some(Answered { status: 201, body, .. }) = ordered {
                    let [id, url] = ["id", "url"].map(|name| body[name].as_str().expect("text"));
                    let page = url.splitn(4, '/').nth(3).expect("a path");
                    break (id.to_owned(), format!("/{page}"));
                }
            };
            // A refusal says that it was paid before.
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

    pub(super) async fn token(&self) -> Option<String> {
        let addr = self.addr.borrow().clone();
        let asked =
            json!({ "subject": "ada", "scopes": ["buy"], "return_url": format!("http://{addr}/") });
        let path = format!("/v1/accounts/{BUYER}/sessions");
        let made = self.ask("POST", &path, "", &asked.to_string()).await;
        pause(10).await;
        Some(made?.body["token"].as_str()?.to_owned())
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let got = self.ask("GET", path, "", "").await.expect("nobody kills any more");
        assert_eq!(got.status, 200, "{path}: {got:?}");
        got.body
    }

    pub(super) async fn advance(&self, seconds: i64) {
        let body = json!({ "advance_s": seconds }).to_string();
        let moved = self.ask("POST", "/_local/clock", JSON, &body).await;
        assert_eq!(moved.expect("an answer").status, 200);
    }

    /// The ledger of an account, the first entry first, without pending changes.
    pub(super) async fn ledger(&self, account: &str) -> Vec<Value> {
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

    /// Audits the clients' accounts. Returns the number of their entries.
    pub(super) async fn audit(&self) -> usize {
        let mut entries = 0;
        for account in 0..ACCOUNTS {
            let ledger = self.ledger(&format!("a{account}")).await;
            let balance = self.get(&format!("/v1/accounts/a{account}/balance")).await;
            let (exchanges, known) = (self.clients.take(account), Known::default());
            let audited = auditor::audit(&ledger, &exchanges, &balance, (|_| 25_000_000, known));
            entries += audited.unwrap_or_else(|wrong| panic!("account a{account}: {wrong}"));
        }
        entries
    }

    /// Each order that was paid is credited once, and nothing else is.
    pub(super) async fn audit_payments(&self, paid: &[String]) {
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

pub(super) async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
