//! The pages of the local Stripe: the hosted page of a session and the customer portal. On the left
//! is what is bought, on the right buttons for the possible effects, in place of card fields.

use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::domain::Instant;

use super::customer::Card;
use super::effect::Effect;
use super::local_stripe::LocalStripe;
use super::memory::Memory;
use super::payments::{buttons, grouped};
use super::prices;
use super::subscription::{item, lives, of_invoice};
use super::wire::{instant, money, place, second, text};
use crate::routes::Functions;

/// The start of its pages.
const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8>\
    <meta name=viewport content='width=device-width'><link rel=icon href=data:,><style>\
    body{font:16px/1.5 system-ui;margin:0;color-scheme:light dark}\
    main{display:flex;flex-wrap:wrap;max-width:64rem;margin:0 auto}\
    section{flex:1 1 20rem;min-width:0;box-sizing:border-box;padding:1.5rem;\
    overflow-wrap:anywhere}section+section{border-left:1px solid #8884}\
    h1{font-size:1.75rem}h2{font-size:1rem;margin:1.5rem 0 .25rem}ul{padding:0;list-style:none}\
    li{padding:.25rem 0;border-bottom:1px solid #8884}small{opacity:.75}\
    button{display:block;width:100%;margin:.4rem 0;padding:.6rem;font:inherit;text-align:left;\
    border:1px solid #8888;border-radius:.4rem;background:none;color:inherit;cursor:pointer}\
    button:hover{background:#8882}</style>";

/// Sends the effect of a button, and then shows the page as it is.
const SCRIPT: &str = "<script>const at=(id)=>document.getElementById(id);\
    const show=()=>{for(const group of document.querySelectorAll('[data-effects]'))\
    group.replaceChildren(...JSON.parse(group.dataset.effects).map(({label,effect})=>{\
    const b=document.createElement('button');b.textContent=label;b.onclick=async()=>{\
    const r=await fetch('/_local/stripe/'+group.dataset.at,{method:'POST',\
    headers:{'content-type':'application/json'},\
    body:JSON.stringify({...effect,twice:at('twice').checked})});\
    const a=await r.json();at('said').textContent=r.ok?label+': done':a.detail;\
    if(!r.ok)return;if(a.back){location.href=a.back;return;}\
    const page=await(await fetch(location.href)).text();\
    const next=new DOMParser().parseFromString(page,'text/html');\
    for(const id of ['bought','effects'])at(id).replaceWith(next.getElementById(id));show();};\
    return b;}));};show();</script>";

/// The parts of a page, as HTML.
struct Page {
    title: String,
    bought: String,
    effects: String,
    /// The address of the way back, and its label.
    back: (String, &'static str),
}

/// The page of a session, of the portal or of a subscription. None: there is none with this id.
pub fn show(stripe: &LocalStripe, id: &str) -> Option<Response<Body>> {
    let now = stripe.now();
    let Page { title, bought, effects, back: (address, label) } = stripe.read(|memory| {
        let found = |objects: &[Value]| place(objects, &json!(id)).map(|at| objects[at].clone());
        let session = found(&memory.sessions).map(|session| of_session(memory, &session, now));
        session
            .or_else(|| found(&memory.portals).map(|portal| of_portal(memory, &portal, now)))
            .or_else(|| {
                let subscription = found(&memory.subscriptions)?;
                Some(of_portal(memory, &json!({ "customer": subscription["customer"] }), now))
            })
    })?;
    Some(html(format!(
        "{HEAD}<title>Local Stripe</title><main><section><p><a href='{}'>{label}</a></p>\
         <div id=bought><h1>{title}</h1>{bought}</div>\
         <p><small>A Stripe on this machine: no money moves.</small></p></section>\
         <section><div id=effects>{effects}</div>\
         <label><input type=checkbox id=twice> send every event twice</label>\
         <p role=status id=said></p></section></main>{SCRIPT}</html>",
        escaped(&address),
    )))
}

fn of_session(memory: &Memory, session: &Value, now: Instant) -> Page {
    let back = match text(session, "status") {
        "open" => (text(session, "cancel_url").to_owned(), "Go back without paying"),
        _ => (text(session, "success_url").to_owned(), "Back to where you came from"),
    };
    let title = match text(session, "mode") {
        "setup" => "Save a card".to_owned(),
        _ => money(session, "amount_total").to_string(),
    };
    let mut bought = format!("<p>{}</p>", escaped(text(session, "local_product")));
    if session["local_quantity"].as_u64() > Some(1) {
        bought += &format!("<p>Quantity: {}</p>", session["local_quantity"]);
    }
    if let Some(days) = session["local_trial_days"].as_u64() {
        bought += &format!("<p>{days} days free</p>");
    }
    if session["automatic_tax"]["enabled"] == true {
        let country = session["local_country"].as_str().unwrap_or("not known yet");
        let tax = &session["total_details"]["amount_tax"];
        let tax = money(&json!({ "currency": session["currency"], "tax": tax }), "tax");
        bought += &format!("<p>Tax: {tax}, country: {}</p>", escaped(country));
    }
    bought += &format!(
        "<p>Session {}: {}, {}.</p>",
        escaped(text(session, "id")),
        escaped(text(session, "status")),
        escaped(text(session, "payment_status")),
    );
    let effects = groups(memory, text(session, "id"), "Pay", now);
    Page { title: escaped(&title), bought, effects, back }
}

/// All subscriptions of a customer, those that live first, with their invoices.
fn of_portal(memory: &Memory, portal: &Value, now: Instant) -> Page {
    let customer = &portal["customer"];
    let own = memory.subscriptions.iter().rev().filter(|one| one["customer"] == *customer);
    let mut own: Vec<&Value> = own.collect();
    own.sort_by_key(|one| !lives(one));
    let (mut bought, mut effects) = (String::new(), String::new());
    for subscription in &own {
        let id = text(subscription, "id");
        let name = prices::words(&item(subscription)["price"]);
        bought += &format!("<h2>{}</h2>{}", escaped(&name), state(memory, subscription));
        effects += &groups(memory, id, &name, now);
    }
    if own.is_empty() {
        bought += "<p>There is no subscription.</p>";
        effects += &groups(memory, customer.as_str().unwrap_or_default(), "Customer", now);
    }
    let back = text(portal, "return_url").to_owned();
    Page { title: "Your plan".to_owned(), bought, effects, back: (back, "Back") }
}

/// The state of a subscription: its period, its end, its seats and its invoices.
fn state(memory: &Memory, subscription: &Value) -> String {
    let day = |of: &Value, field: &str| {
        instant(second(of, field)).utc().format("%Y-%m-%d %H:%M UTC").to_string()
    };
    let mut lines = vec![text(subscription, "status").replace('_', " ")];
    let ends = subscription["cancel_at_period_end"] == true;
    match text(subscription, "status") {
        "canceled" => lines.push(format!("ended on {}", day(subscription, "ended_at"))),
        "paused" => {}
        _ => {
            let end = day(item(subscription), "current_period_end");
            lines.push(format!("{} on {end}", if ends { "ends" } else { "renews" }));
        }
    }
    if let Some(at) = place(&memory.schedules, &subscription["schedule"]) {
        let next = prices::words(&memory.schedules[at]["local_price"]);
        lines.push(format!("changes to {next}"));
    }
    lines.push(format!("quantity {}", item(subscription)["quantity"]));
    let card = Card::of(memory, &subscription["customer"]);
    lines.push(card.label().to_lowercase());
    let invoices = memory.invoices.iter().rev();
    let invoices = invoices.filter(|one| of_invoice(one) == &subscription["id"]).map(|invoice| {
        let (day, total) = (day(invoice, "created"), money(invoice, "total"));
        let status = escaped(text(invoice, "status"));
        format!("<li>{day}<br>{total}, {status}</li>")
    });
    let invoices: String = invoices.collect();
    format!("<p>{}</p><h2>Invoices</h2><ul>{invoices}</ul>", escaped(&lines.join(", ")))
}

/// The buttons of an object, by subject. `name`: of the object, over the first of them.
fn groups(memory: &Memory, id: &str, name: &str, now: Instant) -> String {
    let groups = grouped(buttons(memory, id, now));
    let html = groups.into_iter().map(|(heading, buttons)| {
        let heading = if heading.is_empty() { name } else { heading };
        let buttons = escaped(&Value::Array(buttons).to_string());
        let id = escaped(id);
        format!("<h2>{}</h2><div data-at='{id}' data-effects='{buttons}'></div>", escaped(heading))
    });
    html.collect()
}

fn html(html: String) -> Response<Body> {
    let response = Response::builder()
        .status(200)
        .header("content-type", "text/html; charset=utf-8")
        .header("cache-control", "no-store");
    response.body(Body::Text(html)).expect("status and headers are valid")
}

/// The receipt of a charge. None: it does not exist.
pub fn receipt(stripe: &LocalStripe, charge: &str) -> Option<Response<Body>> {
    let charge = stripe.object("charges", charge)?;
    Some(html(format!(
        "{HEAD}<title>Receipt</title><main><section><h1>Receipt</h1><p>{}, of which {} was \
         refunded. Charge {}. A Stripe on this machine: no money moved.</p></section></main></html>",
        money(&charge, "amount"),
        money(&charge, "amount_refunded"),
        escaped(text(&charge, "id")),
    )))
}

/// Applies a button's effect, delivers its events to the webhook, and returns the browser's next
/// address.
pub async fn press(
    stripe: &LocalStripe,
    functions: &Functions,
    id: &str,
    request: &Request,
) -> (u16, Value) {
    let body: &[u8] = request.body();
    let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
        return (400, json!({ "detail": "the body is not JSON" }));
    };
    let twice = body.as_object_mut().and_then(|fields| fields.remove("twice"));
    let Ok(effect) = serde_json::from_value::<Effect>(body) else {
        return (400, json!({ "detail": "there is no such action" }));
    };
    if let Err(detail) = stripe.act(id, effect) {
        return (409, json!({ "detail": detail }));
    }
    if twice == Some(Value::Bool(true)) {
        for event in stripe.take_events() {
            stripe.resend(&event);
            stripe.resend(&event);
        }
    }
    stripe.deliver(functions).await;
    let pays = matches!(effect, Effect::Pay | Effect::PayLater);
    let now = stripe.now();
    stripe.read(|memory| {
        let session = place(&memory.sessions, &json!(id)).filter(|_| pays);
        let back = session.map(|at| memory.sessions[at]["success_url"].clone());
        (200, json!({ "back": back, "effects": buttons(memory, id, now) }))
    })
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&#39;").replace('"', "&quot;")
}
