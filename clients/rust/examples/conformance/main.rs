//! Plays the cases of `clients/conformance` with the Rust client: reads a case a line, and writes
//! what came of it a line. Its README describes both.

mod game;
mod work;

use std::cell::{Cell, RefCell};
use std::error::Error as StdError;
use std::future::Future;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use scrip_client::{BatchDebit, Options, Part, Passed, Unpaid};
use serde_json::{Value, json};

use game::{Failed, Game, ok, read, shown};

fn main() -> Result<(), Box<dyn StdError>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let played = tokio::task::LocalSet::new().block_on(&runtime, play(&case))?;
        writeln!(std::io::stdout(), "{played}")?;
    }
    Ok(())
}

async fn play(case: &Value) -> Result<Value, Box<dyn StdError>> {
    let text = |field: &str| case[field].as_str().unwrap_or_default().to_owned();
    let client = &case["client"];
    let ms = |field: &str| client[field].as_u64().map(Duration::from_millis);
    let ahead_ms = client["clock_offset_ms"].as_i64().unwrap_or_default();
    let unpaid: Arc<Mutex<Vec<Unpaid>>> = Arc::default();
    let takes = unpaid.clone();
    let mut options = Options::new(text("url"))
        .clock(move || {
            let by = Duration::from_millis(ahead_ms.unsigned_abs());
            let now = SystemTime::now();
            if ahead_ms < 0 { now - by } else { now + by }
        })
        .on_unpaid(move |charge, _| {
            takes.lock().unwrap_or_else(PoisonError::into_inner).push(charge);
            std::future::ready(())
        });
    if let Some(deadline) = ms("deadline_ms") {
        options = options.deadline(deadline);
    }
    if let Some(timeout) = ms("attempt_timeout_ms") {
        options = options.attempt_timeout(timeout);
    }
    if let Some(coalesce) = ms("coalesce_ms") {
        options = options.coalesce(coalesce);
    }
    if let Some(key) = client["key"].as_str() {
        options = options.key(key);
    }
    let game = Rc::new(Game {
        scrip: options.build()?,
        account: text("account"),
        address: text("url").trim_start_matches("http://").to_owned(),
        unpaid,
        ids: RefCell::default(),
        began: Cell::default(),
        charged: Arc::default(),
    });
    let mut results = Vec::new();
    for step in case["steps"].as_array().into_iter().flatten() {
        results.push(result(game.clone(), step.clone()).await);
    }
    game.scrip.finish().await;
    let unpaid = game.unpaid.lock().unwrap_or_else(PoisonError::into_inner);
    let charged = game.charged.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(json!({
        "results": results,
        "unpaid": *unpaid,
        "began": game.began.get(),
        "charged": *charged,
    }))
}

/// What came of a step.
fn result(game: Rc<Game>, step: Value) -> Pin<Box<dyn Future<Output = Value>>> {
    Box::pin(async move {
        match step["do"].as_str() {
            Some("all") => {
                let steps = step["steps"].as_array().into_iter().flatten();
                let begin =
                    |step: &Value| tokio::task::spawn_local(result(game.clone(), step.clone()));
                let tasks: Vec<_> = steps.map(begin).collect();
                let mut results = Vec::new();
                for task in tasks {
                    results.push(task.await.unwrap_or_else(|error| json!(error.to_string())));
                }
                json!({ "all": results })
            }
            Some("pay_unpaid") => {
                let all = game.unpaid.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let mut results = Vec::new();
                for unpaid in all {
                    let paid = game.scrip.pay(&unpaid).await;
                    results.push(match paid {
                        Ok(receipt) => json!({ "ok": receipt }),
                        Err(error) => shown(Failed::By(error)),
                    });
                }
                json!({ "all": results })
            }
            _ => match act(game.clone(), &step).await {
                Ok(answer) => {
                    if let (Some(name), Some(id)) = (step["as"].as_str(), answer["id"].as_str()) {
                        game.ids.borrow_mut().insert(name.to_owned(), id.to_owned());
                    }
                    json!({ "ok": answer })
                }
                Err(failed) => shown(failed),
            },
        }
    })
}

async fn act(game: Rc<Game>, step: &Value) -> Result<Value, Failed> {
    let scrip = &game.scrip;
    let text = |field: &str| step[field].as_str();
    let account = text("account").unwrap_or(&game.account);
    let id = |field: &str| {
        let id = text(field).unwrap_or_default();
        let ids = game.ids.borrow();
        id.strip_prefix('$').and_then(|name| ids.get(name)).map_or(id, |id| id).to_owned()
    };
    let expires_in_s = step["expires_in_s"].as_u64().and_then(|life| u32::try_from(life).ok());
    macro_rules! sent {
        ($operation:expr) => {{
            let operation = $operation;
            ok(match text("key") {
                Some(key) => operation.key(key).await?,
                None => operation.await?,
            })
        }};
    }
    match text("do").unwrap_or_default() {
        "debit" => {
            let mut debit = scrip.debit(account, read(step)?);
            if let Some(key) = text("key") {
                debit = debit.key(key);
            }
            match text("on_unreachable") {
                Some(_) => ok(debit.allow_unreachable().await?),
                None => ok(debit.await?),
            }
        }
        "batch" => {
            let debits = step["debits"].as_array().into_iter().flatten();
            let debits: Result<Vec<BatchDebit>, Failed> = debits
                .map(|one| {
                    let id = one["id"].as_str().map(str::to_owned);
                    Ok(BatchDebit { id, spend: read(one)? })
                })
                .collect();
            if text("mode") != Some("each") {
                return ok(scrip.batch(account, debits?).await?);
            }
            let results = scrip.batch_each(account, debits?).await?;
            let results = results.into_iter().map(|result| match result {
                Ok(Passed { replayed, receipt }) => {
                    json!({ "status": 201, "replayed": replayed, "receipt": receipt })
                }
                Err(problem) => json!({ "status": problem.status, "problem": problem }),
            });
            Ok(json!({ "results": results.collect::<Vec<_>>() }))
        }
        "hold" => {
            let hold = scrip.hold(account, read(step)?);
            sent!(match expires_in_s {
                Some(life) => hold.expires_in_s(life),
                None => hold,
            })
        }
        "capture" => {
            let part = if let Some(credits) = text("credits") {
                Part::Credits(credits.to_owned())
            } else if step["meters"].is_object() {
                Part::Meters(read(&step["meters"])?)
            } else if step["usage"].is_object() {
                Part::Usage(read(&step["usage_format"])?, step["usage"].clone())
            } else {
                Part::Quantity(step["quantity"].as_u64().unwrap_or_default())
            };
            let mut capture = scrip.capture(account, &id("hold"), part);
            if step["final"] == false {
                capture = capture.keep_rest();
            }
            if step["beyond"] == true {
                capture = capture.beyond();
            }
            if let Some(user) = text("user") {
                capture = capture.user(user);
            }
            sent!(capture)
        }
        "release" => sent!(scrip.release(account, &id("hold"))),
        "extend" => sent!(scrip.extend(account, &id("hold"), expires_in_s.unwrap_or_default())),
        "refund" => {
            let (credits, reason) = (text("credits"), text("reason"));
            let [credits, reason] = [credits, reason].map(Option::unwrap_or_default);
            let refund = scrip.refund(account, &id("debit"), credits, reason);
            sent!(match text("message") {
                Some(message) => refund.message(message),
                None => refund,
            })
        }
        "set_limit" => {
            let limit = scrip.set_limit(account, &id("subject"), text("at_most"));
            sent!(match text("per") {
                Some(per) => limit.per(per),
                None => limit,
            })
        }
        "limits" => ok(scrip.limits(account).await?),
        "quote" => ok(scrip.quote(account, read(step)?).await?),
        "balance" => ok(scrip.balance(account).await?),
        "usage" => ok(scrip.usage(account, read(step)?).await?),
        "session" => ok(scrip.create_session(account, read(step)?).await?),
        "ledger" => {
            let mut ledger = scrip.ledger(account, read(step)?);
            let mut entries = Vec::new();
            while let Some(entry) = ledger.next().await? {
                entries.push(entry);
            }
            ok(entries)
        }
        "charge" => work::charge(game.clone(), account.to_owned(), step.clone()).await,
        "stream" => work::stream(&game, account, step).await,
        "wait" => {
            let wait = Duration::from_millis(step["ms"].as_u64().unwrap_or_default());
            tokio::time::sleep(wait).await;
            Ok(Value::Null)
        }
        "reach" => {
            reach(&game.address).map_err(|error| Failed::Thrown(error.to_string()))?;
            Ok(Value::Null)
        }
        other => Err(Failed::Thrown(format!("no step {other}"))),
    }
}

/// From now on every request goes through.
fn reach(address: &str) -> std::io::Result<()> {
    let mut proxy = TcpStream::connect(address)?;
    let request = format!("DELETE /_proxy/faults HTTP/1.1\r\nHost: {address}\r\n");
    proxy.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes())?;
    proxy.read_to_end(&mut Vec::new())?;
    Ok(())
}
