//! What a customer consents to, and who may switch it off.

use local::stripe::Effect;
use serde_json::Value;

use super::{PATH, card_page, charged, debit, on, set, setting, shop, state, token, words};

#[tokio::test]
async fn other_words_than_those_of_the_setting_are_refused() {
    let shop = shop().await;
    let words = words(&shop, &setting("50", 20_000)).await;
    assert!(words.contains("fewer than 50 credits") && words.contains("200.00 usd"), "{words}");
    let mut other = setting("50", 30_000);
    other["consent"] = words.into();
    let refused = shop.ask(&token(&shop).await, "PUT", PATH, None, &other.to_string()).await;
    assert_eq!((refused.status, refused.text("/fields/0/field")), (400, "consent"));
    assert_eq!(state(&shop).await.body["consent"], Value::Null);
}

#[tokio::test]
async fn a_setting_that_does_not_fit_its_pack_is_refused_field_by_field() {
    let shop = shop().await;
    let query = "below=501&pack=starter&currency=eur&at_most_minor=4899";
    let refused = shop.ask(&token(&shop).await, "GET", &format!("{PATH}?{query}"), None, "").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let fields = [refused.text("/fields/0/field"), refused.text("/fields/1/field")];
    assert_eq!(fields, ["below", "currency"]);
    let query = "below=50&pack=starter&currency=usd&at_most_minor=4899";
    let refused = shop.ask(&token(&shop).await, "GET", &format!("{PATH}?{query}"), None, "").await;
    assert_eq!(refused.text("/fields/0/field"), "at_most_minor");
    let query = "below=50&pack=startr&currency=usd&at_most_minor=9999";
    let refused = shop.ask(&token(&shop).await, "GET", &format!("{PATH}?{query}"), None, "").await;
    assert_eq!((refused.status, refused.text("/did_you_mean")), (422, "starter"));
    let refused = shop.ask(&token(&shop).await, "PUT", PATH, None, "{}").await;
    let fields = refused.body["fields"].as_array().expect("fields").len();
    assert_eq!((refused.status, fields), (400, 5), "{refused:?}");
}

#[tokio::test]
async fn the_page_that_saves_a_card_says_what_for() {
    let shop = shop().await;
    let answer = set(&shop, &setting("50", 20_000)).await;
    assert_eq!(answer.text("/state"), "needs_card", "{answer:?}");
    assert!(answer.text("/url").starts_with("http"), "{answer:?}");
    // The same again is the same consent and the same page.
    let again = set(&shop, &setting("50", 20_000)).await;
    assert_eq!(again.body, answer.body);
    assert_eq!(shop.stripe.objects("checkout/sessions").len(), 1);
    assert_eq!(answer.text("/consent/by"), "ada");
}

#[tokio::test]
async fn only_the_page_of_the_latest_consent_switches_it_on() {
    let shop = shop().await;
    set(&shop, &setting("50", 20_000)).await;
    let first = card_page(&shop);
    set(&shop, &setting("50", 30_000)).await;
    let second = card_page(&shop);
    assert_ne!(first, second);
    shop.act(&first, Effect::Pay).await;
    assert_eq!(state(&shop).await.text("/state"), "needs_card");
    shop.act(&second, Effect::Pay).await;
    assert_eq!(state(&shop).await.text("/state"), "on");
}

#[tokio::test]
async fn a_page_that_is_done_after_it_was_switched_off_changes_nothing() {
    let shop = shop().await;
    set(&shop, &setting("50", 20_000)).await;
    let off = shop.ask(&token(&shop).await, "DELETE", PATH, None, "").await;
    assert_eq!(off.text("/state"), "off", "{off:?}");
    shop.act(&card_page(&shop), Effect::Pay).await;
    assert_eq!(state(&shop).await.text("/state"), "off");
}

#[tokio::test]
async fn another_setting_of_the_same_person_keeps_the_card_and_another_persons_does_not() {
    let shop = on(20_000).await;
    let answer = set(&shop, &setting("60", 30_000)).await;
    assert_eq!(answer.text("/state"), "on", "{answer:?}");
    let mut body = setting("60", 30_000);
    body["consent"] = words(&shop, &body).await.into();
    let eve = shop.token_of("eve", "acme", r#""buy""#).await;
    let answer = shop.ask(&eve, "PUT", PATH, None, &body.to_string()).await;
    assert_eq!((answer.text("/state"), answer.text("/consent/by")), ("needs_card", "eve"));
}

#[tokio::test]
async fn switched_on_below_its_threshold_it_buys_at_once() {
    let shop = shop().await;
    debit(&shop, "nearly all", "99").await;
    set(&shop, &setting("50", 20_000)).await;
    shop.act(&card_page(&shop), Effect::Pay).await;
    shop.stack.relay().await;
    assert_eq!(charged(&shop), 1);
}

#[tokio::test]
async fn a_session_that_cannot_buy_reads_and_changes_nothing() {
    let shop = on(20_000).await;
    let viewer = shop.token("acme", r#""view""#).await;
    assert_eq!(shop.ask(&viewer, "GET", PATH, None, "").await.text("/state"), "on");
    for method in ["PUT", "DELETE"] {
        let refused = shop.ask(&viewer, method, PATH, None, "{}").await;
        assert_eq!((refused.status, refused.text("/scope")), (403, "buy"), "{method}");
    }
    assert_eq!(state(&shop).await.text("/state"), "on");
}

#[tokio::test]
async fn an_operator_reads_the_consent_and_switches_it_off() {
    let shop = on(20_000).await;
    let path = "/v1/accounts/acme/auto-top-up";
    let shown = shop.stack.get(path).await;
    assert_eq!((shown.text("/state"), shown.text("/consent/by")), ("on", "ada"));
    let off = shop.stack.send(crate::support::request("DELETE", path, None, "")).await;
    assert_eq!((off.text("/state"), off.text("/off_reason")), ("off", "operator"));
    debit(&shop, "below", "60").await;
    shop.stack.relay().await;
    assert_eq!(charged(&shop), 0);
    // Without one an account's is off.
    shop.stack.open("other", "free").await;
    let shown = shop.stack.get("/v1/accounts/other/auto-top-up").await;
    assert_eq!((shown.text("/state"), shown.body["consent"].is_null()), ("off", true));
}
