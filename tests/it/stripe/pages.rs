//! The pages of the local Stripe, as HTML.

use lambda_http::Body;
use local::stripe::{ChangeAt, Effect, PriceId, page};

use super::{ACME, Local, text};

/// The page of an object.
fn shown(local: &Local, id: &str) -> String {
    let answer = page::show(&local.stripe, id).expect("a page");
    let Body::Text(html) = answer.into_body() else { panic!("a page is text") };
    html
}

fn portal(local: &Local, subscription: &str) -> String {
    let customer = text(&local.subscription(subscription), "customer");
    let form = format!("customer={customer}&return_url=https://product.example/credits?a=1%26b=2");
    text(&local.post("billing_portal/sessions", &form), "id")
}

#[test]
fn the_portal_shows_the_plan_its_buttons_and_the_way_back() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let id = local.subscribe("price_local_team_seat", "line_items[0][quantity]=7");
    let portal = portal(&local, &id);
    let html = shown(&local, &portal);
    for part in [
        "<h2>Team, a seat, 12.00 USD a month</h2>",
        "active, renews on 2026-02-28 14:23 UTC, quantity 7, the card works",
        "<li>2026-01-31 14:23 UTC<br>84.00 USD, paid</li>",
        "<a href='https://product.example/credits?a=1&amp;b=2'>Back</a>",
        "Cancel at the end of the period",
        "Set seats to 8",
        "Change to Pro, 49.00 USD a month at the end of the period",
        "<h2>Card</h2>",
        &format!("data-at='{id}'"),
    ] {
        assert!(html.contains(part), "{part:?} is not in {html}");
    }
    // Nothing comes from elsewhere.
    assert!(!html.contains("src=") && !html.contains("@import"), "{html}");
    local.act(&id, Effect::CancelAtPeriodEnd);
    assert!(shown(&local, &portal).contains("ends on 2026-02-28"), "it ends");
    local.act(&id, Effect::Resume);
    let price = PriceId::try_from("price_local_pro_month".to_owned()).expect("a price");
    local.act(&id, Effect::Change { price, at: ChangeAt::PeriodEnd });
    assert!(shown(&local, &portal).contains("changes to Pro, 49.00 USD a month"), "scheduled");
    local.act(&id, Effect::Cancel);
    let html = shown(&local, &id);
    assert!(html.contains("canceled, ended on 2026-01-31"), "{html}");
}

#[test]
fn a_session_shows_what_is_bought_and_with_a_tax_the_countries() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let form = format!(
        "mode=subscription&line_items[0][price]=price_local_pro_month_eur&{ACME}&\
         automatic_tax[enabled]=true&cancel_url=https://product.example"
    );
    let session = local.session(&form);
    let html = shown(&local, &session);
    for part in ["<h1>45.00 EUR</h1>", "not known yet", "The customer lives in DE", "Go back"] {
        assert!(html.contains(part), "{part:?} is not in {html}");
    }
    let body = serde_json::json!({ "do": "country", "country": "FR" });
    let effect: Effect = serde_json::from_value(body).expect("an effect");
    local.act(&session, effect);
    let html = shown(&local, &session);
    assert!(html.contains("<h1>54.00 EUR</h1>") && html.contains("Tax: 9.00 EUR"), "{html}");
}

#[test]
fn a_name_with_markup_is_shown_as_text() {
    let local = Local::at("2026-01-31T14:23:00Z");
    let form = "mode=payment&line_items[0][price_data][unit_amount]=4900&\
                line_items[0][price_data][currency]=usd&\
                line_items[0][price_data][product_data][name]=<b>'\"&cancel_url='>";
    let html = shown(&local, &local.session(form));
    assert!(html.contains("&lt;b&gt;&#39;&quot;") && !html.contains("<b>"), "{html}");
    assert!(page::show(&local.stripe, "sub_unknown").is_none());
}
