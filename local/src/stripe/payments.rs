//! Lists the payments of the local Stripe for a person: their state, their possible effects, and
//! the webhook's answers to their events.

use serde_json::{Value, json};
use shared::domain::Instant;
use shared::stripe::object::ACCOUNT;

use super::act::possible;
use super::local_stripe::LocalStripe;
use super::memory::Memory;
use super::wire::{money, place, text};

/// The effects that are possible for an object now, as buttons: each with its label and its body.
pub(super) fn buttons(memory: &Memory, id: &str, now: Instant) -> Vec<Value> {
    let lists = [&memory.sessions, &memory.intents, &memory.invoices, &memory.subscriptions];
    let mut found = lists.into_iter().filter_map(|list| Some(&list[place(list, &json!(id))?]));
    // A customer has no currency, and no button that shows one.
    let currency = found.next().map_or("usd", |object| text(object, "currency"));
    let currency = currency.parse().expect("it was made in a known currency");
    let effects = possible(memory, id, now).into_iter();
    effects.map(|effect| json!({ "label": effect.label(currency), "effect": effect })).collect()
}

/// Buttons by their subject, in the order of their first ones: those without a subject have the
/// name "".
pub(super) fn grouped(buttons: Vec<Value>) -> Vec<(&'static str, Vec<Value>)> {
    let mut groups: Vec<(&str, Vec<Value>)> = Vec::new();
    for button in buttons {
        let subject = match text(&button["effect"], "do") {
            "refund" | "fail_refund" | "dispute" | "win" | "lose" => "Payment",
            "change" | "keep_price" => "Change the plan",
            "seats" => "Seats",
            "card" | "without_card" => "Card",
            "country" => "Country",
            _ => "",
        };
        match groups.iter_mut().find(|(known, _)| *known == subject) {
            Some((_, group)) => group.push(button),
            None => groups.push((subject, vec![button])),
        }
    }
    groups.sort_by_key(|(subject, _)| !subject.is_empty());
    groups
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
        "effects": buttons(memory, text(session, "id"), now), "answers": answers,
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
