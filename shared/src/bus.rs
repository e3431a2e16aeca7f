//! The bus: events for the rest of the company. The only place that knows EventBridge.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::{Map, Value, json};

use crate::config::{self, ConfigError};
use crate::decide::announce::{About, AutoNews, Event};
use crate::domain::catalog::ActionNumber;
use crate::domain::limit::Counted;
use crate::domain::{Catalog, Credits, Instant, NextPlan, PlanTerms};

/// The source of our events on the bus.
pub const SOURCE: &str = "scrip";
/// How many events EventBridge takes in one call.
const MOST: usize = 10;
/// How often an event is sent if the bus does not take it.
const TRIES: u32 = 4;
/// The wait after the first try, doubled after each.
const WAIT: Duration = Duration::from_millis(50);

/// One EventBridge bus.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    name: String,
}

/// Why the bus did not take an event.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotTaken(String);

impl Bus {
    pub fn new(client: Client, name: String) -> Bus {
        Bus { client, name }
    }

    /// The bus `name` at `endpoint`, without credentials: of the local stack.
    pub fn at(client: SharedHttpClient, endpoint: &str, name: String) -> Bus {
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(endpoint)
            .http_client(client)
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new());
        Bus::new(Client::from_conf(config.build()), name)
    }

    /// The bus of a deployed function: named by `BUS_NAME`.
    ///
    /// # Errors
    /// [`ConfigError`] if `BUS_NAME` is not set.
    pub fn from_env(aws: &SdkConfig) -> Result<Bus, ConfigError> {
        Ok(Bus::deployed(aws, config::required("BUS_NAME")?))
    }

    /// The bus `name` of a deployed stack, whose AWS services `aws` reaches.
    pub fn deployed(aws: &SdkConfig, name: String) -> Bus {
        Bus::new(Client::new(aws), name)
    }

    /// Puts events on the bus, each at least once. Returns the indices of those that were not
    /// taken.
    ///
    /// One call holds several events of one account, and the bus may take a later one first:
    /// their order is in `seq`. So events of a busy account are as fast as any.
    pub async fn announce(&self, events: &[Event], catalog: &Catalog) -> Vec<usize> {
        let mut waiting: Vec<usize> = (0..events.len()).collect();
        for tried in 0..TRIES {
            let mut refused = Vec::new();
            for places in waiting.chunks(MOST) {
                let call: Vec<&Event> = places.iter().map(|place| &events[*place]).collect();
                let taken = self.put(&call, catalog).await;
                for (place, taken) in places.iter().zip(taken) {
                    if let Err(error) = taken {
                        let account = events[*place].account.as_str();
                        tracing::warn!(account, %error, "the bus did not accept an event");
                        refused.push(*place);
                    }
                }
            }
            waiting = refused;
            if waiting.is_empty() || tried + 1 == TRIES {
                break;
            }
            tokio::time::sleep(WAIT * (1 << tried)).await;
        }
        waiting
    }

    /// Puts at most [`MOST`] events on the bus. Returns for each whether it was taken.
    ///
    /// An event without an answer may have been taken: it is sent again with the same id.
    async fn put(&self, events: &[&Event], catalog: &Catalog) -> Vec<Result<(), NotTaken>> {
        let entries = events.iter().map(|event| {
            PutEventsRequestEntry::builder()
                .event_bus_name(&self.name)
                .source(SOURCE)
                .detail_type(event.about.name())
                .detail(detail(event, catalog).to_string())
                .time(DateTime::from_millis(event.at.ms()))
                .build()
        });
        let put = self.client.put_events().set_entries(Some(entries.collect()));
        match put.send().await {
            Err(error) => {
                let error = aws_sdk_eventbridge::error::DisplayErrorContext(&error).to_string();
                events.iter().map(|_| Err(NotTaken(error.clone()))).collect()
            }
            Ok(done) => {
                let answers = done.entries();
                let taken = (0..events.len()).map(|place| match answers.get(place) {
                    Some(answer) => match answer.error_code() {
                        None => Ok(()),
                        Some(code) => Err(NotTaken(code.to_owned())),
                    },
                    None => Err(NotTaken("no answer".to_owned())),
                });
                taken.collect()
            }
        }
    }
}

/// The detail of an event, as its schema describes it.
pub fn detail(event: &Event, catalog: &Catalog) -> Value {
    let mut detail = Map::new();
    let mut say = |name: &str, value: Value| detail.insert(name.to_owned(), value);
    say("id", json!(event.id));
    say("account", json!(event.account));
    if let Some(seq) = event.seq {
        say("seq", json!(seq));
    }
    say("at", json!(event.at));
    let (available, held) = event.balance;
    say("balance", json!({ "available": available, "held": held }));
    let action = |number: &Option<ActionNumber>| number.and_then(|n| catalog.action_name(n));
    let about = match &event.about {
        About::Debited { credits, action: number, call: _, user } => {
            json!({ "credits": credits, "action": action(number), "user": user })
        }
        About::Held { hold, credits, action: number, call: _, expires_at } => json!({
            "hold": hold, "credits": credits, "action": action(number), "expires_at": expires_at,
        }),
        About::Released { hold, credits, how } => {
            json!({ "hold": hold, "credits": credits, "how": how })
        }
        About::Granted { kind, credits, expires_at } => {
            json!({ "kind": kind.name(), "credits": credits, "expires_at": expires_at })
        }
        About::Revoked { grant, kind, credits } => {
            json!({ "grant": grant, "kind": kind.name(), "credits": credits })
        }
        About::Recharged { grant, kind, credits, expires_at } => json!({
            "grant": grant, "kind": kind.name(), "credits": credits, "expires_at": expires_at,
        }),
        About::Refunded { debit, credits } => json!({ "debit": debit, "credits": credits }),
        About::ToppedUp { order, credits, expires_at } => {
            json!({ "order": order, "credits": credits, "expires_at": expires_at })
        }
        About::Reversed { order, credits } => json!({ "order": order, "credits": credits }),
        About::DebtWaived { credits } => json!({ "credits": credits }),
        About::PlanChanged { terms: PlanTerms { plan, status, anchor, seats }, next } => {
            json!({ "plan": plan, "status": status.name(), "anchor": anchor, "seats": seats,
                "next": next.as_ref().map(next_plan) })
        }
        About::Low { percent, of } => json!({ "percent": percent, "of": of }),
        About::Exhausted => json!({}),
        About::Expiring { grant, kind, credits, expires_at, days } => json!({
            "grant": grant, "kind": kind.name(), "credits": credits, "expires_at": expires_at,
            "days": days,
        }),
        About::LimitLow { limit, used, resets_at } => limited(limit, *used, *resets_at),
        About::LimitReached { limit, used, required, resets_at } => {
            let mut limited = limited(limit, *used, *resets_at);
            limited["required"] = json!(required);
            limited
        }
        About::AutoTopUp(AutoNews::Done { order, pack, credits, price }) => json!({
            "order": order, "pack": pack, "credits": credits, "price_minor": price.minor,
            "currency": price.currency,
        }),
        About::AutoTopUp(AutoNews::Failed { order, reason }) => {
            json!({ "order": order, "reason": reason })
        }
        About::AutoTopUp(AutoNews::Off { reason }) => json!({ "reason": reason }),
    };
    if let Value::Object(about) = about {
        detail.extend(about);
    }
    if let About::Debited { action: Some(action), call: Some((model, meters)), .. }
    | About::Held { action: Some(action), call: Some((model, meters)), .. } = &event.about
    {
        detail.insert("model".to_owned(), json!(catalog.model_name(*action, *model)));
        detail.insert("meters".to_owned(), json!(meters));
    }
    Value::Object(detail)
}

/// A limit in its window, and what was used of it.
fn limited(limit: &Counted, used: Credits, resets_at: Option<Instant>) -> Value {
    json!({
        "of": limit.of, "per": limit.window.per, "at_most": limit.at_most,
        "used": used, "left": limit.left(used), "resets_at": resets_at,
    })
}

/// The change of plan that is due to come.
fn next_plan(next: &NextPlan) -> Value {
    let NextPlan { plan, status, seats, at } = next;
    json!({ "plan": plan, "status": status.name(), "seats": seats, "at": at })
}
