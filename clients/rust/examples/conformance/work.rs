//! The charges of a case: works that do what the case says.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::PoisonError;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use scrip_client::{ChargeError, Charged, Spend, Work};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::game::{Failed, Game, ok, read};

/// Charges work in a task of its own, which the work may abort.
pub(crate) async fn charge(game: Rc<Game>, account: String, step: Value) -> Result<Value, Failed> {
    let (leave, left) = oneshot::channel();
    let task = tokio::task::spawn_local(async move {
        let spend: Spend = read(&step)?;
        let mut charge = game.scrip.charge(&account, spend);
        if let Some(life) = step["expires_in_s"].as_u64().and_then(|life| life.try_into().ok()) {
            charge = charge.expires_in_s(life);
        }
        if step["beyond"] == true {
            charge = charge.beyond();
        }
        if step["on_unreachable"] == "allow" {
            charge = charge.allow_unreachable();
        }
        let charged = game.charged.clone();
        charge = charge.on_charged(move |receipt| {
            charged.lock().unwrap_or_else(PoisonError::into_inner).push(receipt.clone());
        });
        let deeds = step["work"].as_array().cloned().unwrap_or_default();
        let played = game.clone();
        match charge.run(|work| done(played, work, deeds, leave)).await {
            Ok(Charged { value, .. }) => Ok(value),
            Err(ChargeError::NotBegun(error)) => Err(Failed::By(error)),
            Err(ChargeError::Work(text)) => Err(Failed::Thrown(text)),
            Err(ChargeError::Unconfirmed { error, unpaid, .. }) => {
                Err(Failed::Unpaid(error, unpaid))
            }
        }
    });
    let caller = task.abort_handle();
    tokio::task::spawn_local(async move {
        if left.await.is_ok() {
            caller.abort();
        }
    });
    task.await.unwrap_or(Err(Failed::Aborted))
}

/// The work of a charge, which does what the case says.
async fn done(
    game: Rc<Game>,
    work: Work,
    deeds: Vec<Value>,
    leave: oneshot::Sender<()>,
) -> Result<Value, String> {
    game.began.set(game.began.get() + 1);
    let mut leave = Some(leave);
    for deed in deeds {
        let Some((does, value)) = deed.as_object().and_then(|deed| deed.iter().next()) else {
            continue;
        };
        match (does.as_str(), value.as_str()) {
            ("delivered", Some(credits)) => {
                work.delivered_credits(credits).map_err(|error| error.to_string())?;
            }
            ("delivered", None) if value["meters"].is_object() => {
                let meters = serde_json::from_value(value["meters"].clone());
                let meters = meters.map_err(|error| error.to_string())?;
                work.delivered_meters(meters).map_err(|error| error.to_string())?;
            }
            ("delivered", None) if value["usage"].is_object() => {
                let format = serde_json::from_value(value["usage_format"].clone());
                let format = format.map_err(|error| error.to_string())?;
                let reported = work.delivered_usage(format, value["usage"].clone());
                reported.map_err(|error| error.to_string())?;
            }
            ("delivered", None) => work.delivered(value.as_u64().unwrap_or_default()),
            ("wait_ms", _) => {
                let wait = Duration::from_millis(value.as_u64().unwrap_or_default());
                tokio::time::sleep(wait).await;
            }
            ("fail", Some(text)) => return Err(text.to_owned()),
            ("abort", _) => {
                // The caller drops the charge, and with it this work, at its next wait.
                leave.take().map(|leave| leave.send(()));
            }
            ("return", _) => return Ok(value.clone()),
            _ => return Err(format!("no deed {does}")),
        }
    }
    Ok(Value::Null)
}

/// A stream of parts, each of which it reports before it yields it.
struct Parts {
    work: Work,
    parts: std::vec::IntoIter<String>,
    fail: Option<String>,
    yielded: u64,
}

impl Stream for Parts {
    type Item = Result<String, String>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match self.parts.next() {
            Some(part) => {
                self.yielded += 1;
                self.work.delivered(self.yielded);
                Some(Ok(part))
            }
            None => self.fail.take().map(Err),
        })
    }
}

/// Charges work that streams. Its reader takes some parts and leaves, or takes all.
pub(crate) async fn stream(game: &Game, account: &str, step: &Value) -> Result<Value, Failed> {
    let parts: Vec<String> = read(&step["parts"])?;
    let fail = step["fail"].as_str().map(str::to_owned);
    let most = step["read"].as_u64().unwrap_or(u64::MAX);
    let mut charge = game.scrip.charge(account, read(step)?);
    if step["beyond"] == true {
        charge = charge.beyond();
    }
    let work = |work| {
        game.began.set(game.began.get() + 1);
        Parts { work, parts: parts.into_iter(), fail, yielded: 0 }
    };
    let mut taken = Vec::new();
    {
        let mut stream = pin!(charge.stream(work).await?);
        for _ in 0..most {
            let part = poll_fn(|context| stream.as_mut().poll_next(context)).await;
            match part {
                Some(Ok(part)) => taken.push(part),
                Some(Err(text)) => {
                    game.scrip.finish().await;
                    return Err(Failed::Thrown(text));
                }
                None => break,
            }
        }
    }
    game.scrip.finish().await;
    ok(taken)
}
