//! Lists the payments of the local Stripe for a person: their state, their possible effects, and
//! the webhook's answers to their events.

use serde_json::{Value, json};
use shared::domain::Instant;
use shared::stripe::object::ACCOUNT;

use super::act::possible;
use super::local_stripe::LocalStripe;
use super::memory::Memory;
use super::wire::{money, text};

/// The effects that are possible for a session now, as buttons: each with its label and its body.
pub(super) fn buttons(memory: &Memory, session: &Value, now: Instant) -> Value {
    let currency = money(session, "amount_total").currency;
    let effects = possible(memory, text(session, "id"), now).into_iter();
    effects.map(|effect| json!({ "label": effect.label(currency), "effect": effect })).collect()
}

impl LocalStripe {
    /// All payments, the latest first.
    pub fn payments(&self) -> Vec<Value> {
        let now = self.now();
        self.read(|memory| {
            memory.sessions.iter().rev().map(|session| shown(memory, session, now)).collect()
        })
    }

    /// The latest session of an account.
    pub fn latest_of(&self, account: &str) -> Option<String> {
        self.read(|memory| {
            let mut sessions = memory.sessions.iter().rev();
            let found = sessions.find(|session| session["metadata"][ACCOUNT] == account)?;
            found["id"].as_str().map(str::to_owned)
        })
    }
}

fn shown(memory: &Memory, session: &Value, now: Instant) -> Value {
    let (id, intent) = (&session["id"], &session["local_intent"]);
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
        "order": session["client_reference_id"], "price": money(session, "amount_total").decimal(),
        "currency": session["currency"], "state": state(memory, session),
        "effects": buttons(memory, session, now), "answers": answers,
    })
}

/// The state, in Stripe's words where it has one.
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
