//! The payments of the local Stripe for a person to read: their state, what can become of them, and
//! what the webhook answered to what was told of them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::domain::Instant;
use shared::stripe::object::ACCOUNT;

use super::objects::possible;
use super::{Deed, LocalStripe, Memory};

/// What the webhook answered to one event.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WebhookAnswer {
    #[serde(rename = "type")]
    kind: String,
    /// The session that the event is of, or the payment of that.
    of: String,
    status: u16,
    at_ms: i64,
}

impl WebhookAnswer {
    /// None: the event is of no session and no payment.
    pub(super) fn new(event: &str, status: u16, now: Instant) -> Option<WebhookAnswer> {
        let event: Value = serde_json::from_str(event).ok()?;
        let object = &event["data"]["object"];
        let own = match object["object"].as_str()? {
            "checkout.session" | "payment_intent" => &object["id"],
            _ => &object["payment_intent"],
        };
        let (kind, of) = (event["type"].as_str()?.to_owned(), own.as_str()?.to_owned());
        Some(WebhookAnswer { kind, of, status, at_ms: now.ms() })
    }
}

impl Deed {
    /// All of them, in the order of a life. A part that is refunded is ten units.
    pub const ALL: [Deed; 12] = [
        Deed::Pay,
        Deed::Decline,
        Deed::PayLater,
        Deed::Arrive,
        Deed::Fail,
        Deed::Expire,
        Deed::Refund { minor: Some(1000) },
        Deed::Refund { minor: None },
        Deed::FailRefund,
        Deed::Dispute,
        Deed::Win,
        Deed::Lose,
    ];

    /// What its button says.
    pub fn label(self) -> &'static str {
        match self {
            Deed::Pay => "Pay",
            Deed::Decline => "Decline the card",
            Deed::PayLater => "Pay by a method that takes days",
            Deed::Arrive => "The late money arrives",
            Deed::Fail => "The late money fails",
            Deed::Expire => "Expire the session",
            Deed::Refund { minor: Some(_) } => "Refund ten units",
            Deed::Refund { minor: None } => "Refund the rest",
            Deed::FailRefund => "The refund fails",
            Deed::Dispute => "Dispute",
            Deed::Win => "Win the dispute",
            Deed::Lose => "Lose the dispute",
        }
    }
}

/// Deeds as buttons: what each says, and what it sends.
pub(super) fn buttons(deeds: &[Deed]) -> Value {
    deeds.iter().map(|deed| json!({ "label": deed.label(), "deed": deed })).collect()
}

impl LocalStripe {
    /// All payments, the latest first. Amounts are in the smallest unit of their currency.
    pub fn payments(&self) -> Vec<Value> {
        let memory = self.memory.lock().expect("no one panics with the lock");
        memory.sessions.iter().rev().map(|session| shown(&memory, session)).collect()
    }

    /// The latest session of an account.
    pub fn latest_of(&self, account: &str) -> Option<String> {
        let memory = self.memory.lock().expect("no one panics with the lock");
        let mut sessions = memory.sessions.iter().rev();
        let found = sessions.find(|session| session["metadata"][ACCOUNT] == account)?;
        found["id"].as_str().map(str::to_owned)
    }
}

fn shown(memory: &Memory, session: &Value) -> Value {
    let (id, intent) = (&session["id"], &session["local_intent"]);
    let deeds = possible(memory, id.as_str().unwrap_or_default());
    let answers = memory.answers.iter().rev();
    let answers = answers.filter(|answer| *id == *answer.of || *intent == *answer.of);
    let answers: Vec<Value> = answers
        .map(|answer| {
            let at = Instant::from_ms(answer.at_ms);
            json!({ "type": answer.kind, "status": answer.status, "at": at })
        })
        .collect();
    json!({
        "session": id, "account": session["metadata"][ACCOUNT],
        "order": session["client_reference_id"], "minor": session["amount_total"],
        "currency": session["currency"], "state": state(memory, session),
        "deeds": buttons(&deeds), "answers": answers,
    })
}

/// In the words of Stripe, as far as it has one word for it.
fn state(memory: &Memory, session: &Value) -> String {
    let intent = &session["local_intent"];
    let of = |objects: &[Value]| {
        objects.iter().rev().find(|object| object["payment_intent"] == *intent).cloned()
    };
    let charge = of(&memory.charges).filter(|_| !intent.is_null());
    let Some(charge) = charge else {
        let found = memory.intents.iter().find(|known| known["id"] == *intent);
        let status = found.map(|intent| &intent["status"]);
        return match (session["status"].as_str(), status.and_then(Value::as_str)) {
            (Some("complete"), Some("processing")) => "processing".to_owned(),
            (Some("complete"), _) => "failed".to_owned(),
            (Some("open"), Some(_)) => "open, declined".to_owned(),
            (status, _) => status.unwrap_or_default().to_owned(),
        };
    };
    let refunded = match (charge["refunded"] == true, charge["amount_refunded"] == 0) {
        (true, _) => "refunded",
        (false, true) => "paid",
        (false, false) => "paid, partly refunded",
    };
    let dispute = of(&memory.disputes);
    match dispute.as_ref().and_then(|dispute| dispute["status"].as_str()) {
        None => refunded.to_owned(),
        Some("needs_response") => format!("{refunded}, disputed"),
        Some(decided) => format!("{refunded}, dispute {decided}"),
    }
}
