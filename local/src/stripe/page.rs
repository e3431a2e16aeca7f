//! The hosted page of the local Stripe: buttons for the possible effects, in place of card fields.

use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};

use super::effect::Effect;
use super::local_stripe::LocalStripe;
use super::payments::buttons;
use super::wire::money;
use crate::routes::Functions;

/// The start of its pages.
const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8>\
                    <meta name=viewport content='width=device-width'><link rel=icon href=data:,>\
                    <style>body{font:16px/1.5 system-ui;max-width:36rem;margin:2rem auto;\
                    padding:0 1rem;color-scheme:light dark}button{display:block;width:100%;\
                    margin:.4rem 0;padding:.6rem;font:inherit;text-align:left}</style>";

/// The page of a session. None: it does not exist.
pub fn show(stripe: &LocalStripe, session: &str) -> Option<Response<Body>> {
    let now = stripe.now();
    let (session, effects) = stripe.read(|memory| {
        let session = memory.sessions.iter().find(|known| known["id"] == session)?;
        Some((session.clone(), buttons(memory, session, now)))
    })?;
    let text = |field: &str| match &session[field] {
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    };
    let effects = escaped(&effects.to_string());
    let (way_back, label) = match session["status"].as_str() {
        Some("open") => ("cancel_url", "Go back without paying"),
        _ => ("success_url", "Back to where you came from"),
    };
    Some(html(format!(
        "{HEAD}<title>Local Stripe</title>\
         <h1>{}</h1><p>{}</p><p>A Stripe on this machine: no money moves. Session {}: {}, {}.</p>\
         <div id=effects data-effects='{effects}'></div>\
         <label><input type=checkbox id=twice> send every event twice</label>\
         <p role=status id=said></p><p><a href='{}'>{}</a></p>\
         <script>const at=(id)=>document.getElementById(id);\
         const show=(effects)=>at('effects').replaceChildren(...effects.map(({{label,effect}})=>{{\
         const b=document.createElement('button');b.textContent=label;b.onclick=async()=>{{\
         const r=await fetch(location.pathname,{{method:'POST',\
         headers:{{'content-type':'application/json'}},\
         body:JSON.stringify({{...effect,twice:at('twice').checked}})}});\
         const a=await r.json();at('said').textContent=r.ok?label+': done':a.detail;\
         if(r.ok)show(a.effects);if(r.ok&&a.back)location.href=a.back;}};return b;}}));\
         show(JSON.parse(at('effects').dataset.effects));</script></html>",
        money(&session, "amount_total"),
        text("local_product"),
        text("id"),
        text("status"),
        text("payment_status"),
        text(way_back),
        label,
    )))
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
    let text = |field: &str| escaped(charge[field].to_string().trim_matches('"'));
    Some(html(format!(
        "{HEAD}<title>Receipt</title><h1>Receipt</h1><p>{}, of which {} was refunded. Charge {}. \
         A Stripe on this machine: no money moved.</p></html>",
        money(&charge, "amount"),
        money(&charge, "amount_refunded"),
        text("id"),
    )))
}

/// Applies a button's effect, delivers its events to the webhook, and returns the browser's next
/// address.
pub async fn press(
    stripe: &LocalStripe,
    functions: &Functions,
    session: &str,
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
    if let Err(detail) = stripe.act(session, effect) {
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
        let session = memory.sessions.iter().find(|known| known["id"] == session);
        let effects = session.map(|session| buttons(memory, session, now));
        let back = session.filter(|_| pays).map(|session| session["success_url"].clone());
        (200, json!({ "back": back, "effects": effects }))
    })
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&#39;").replace('"', "&quot;")
}
