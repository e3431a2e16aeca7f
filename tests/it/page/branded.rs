//! The page as the product's own: its brand, its names, and whom its customers talk to.

use serde_json::json;
use shared::domain::Catalog;
use shared::http::routes::ROUTES;

use super::browser::{assert_accessible, keep_picture, session};
use super::html::{page, words};
use crate::support::browser::Browser;
use crate::support::catalogs::publish;
use crate::support::door::value_of;
use crate::support::{Stack, request};

/// A logo that does harm wherever a script of it runs.
const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 96 32\" \
                    onload=\"ran()\">\
                    <script>document.documentElement.setAttribute('ran', '')</script>\
                    <rect width=\"96\" height=\"32\" rx=\"8\" fill=\"#5b21b6\"/></svg>";

/// The default catalog as version 2, with this brand and other names.
fn catalog(brand: &str) -> String {
    let plan = "[plans.pro]\nname = \"Professional\"\nabout = \"For whole teams.\"\n\
                contact = { label = \"Ask Grace\", url = \"https://example.com/grace\" }\n";
    let video = "name = { en = \"Dynamic video\", de = \"Dynamisches Video\" }";
    let chat = "[actions.chat]\nabout = \"Answers in sentences.\"\n";
    let named = Catalog::DEFAULT
        .replacen("version = 1", "version = 2", 1)
        .replacen("[plans.pro]\n", plan, 1)
        .replacen(video, "name = \"Film <b>\"\ngroup = \"Pictures\"", 1)
        .replacen("other = { en = \"videos\", de = \"Videos\" }", "other = \"films\"", 1)
        .replacen("[packs.starter]\n", "[packs.starter]\nname = \"A handful\"\n", 1)
        .replacen("[actions.chat]\n", chat, 1);
    format!("{named}\n[brand]\n{brand}\n")
}

fn whole(logo: &str) -> String {
    catalog(&format!(
        "name = \"Acme & Sons\"\nlogo = '''{logo}'''\nradius = 2\n\
         accent = {{ light = \"#5b21b6\", dark = \"#c4b5fd\" }}\n\
         font = \"Avenir Next, Inter,serif\"\n\
         support_url = \"https://example.com/help\"\nterms_url = \"https://example.com/terms\""
    ))
}

/// Opens the account with a name.
async fn named(stack: &Stack, account: &str, plan: &str, name: &str) {
    let body = json!({ "plan": plan, "name": name }).to_string();
    let put = request("PUT", &format!("/v1/accounts/{account}"), Some("named"), &body);
    assert_eq!(stack.send(put).await.status, 201);
}

#[tokio::test]
async fn a_page_without_a_brand_is_headed_by_the_accounts_name_or_its_id() {
    let stack = Stack::noon().await;
    named(&stack, "org-7", "pro", "Müller & Söhne").await;
    stack.open("acme", "pro").await;
    let (_, html) = page(&stack, "org-7", "").await;
    assert!(html.contains("<bdi title=\"org-7\">Müller &amp; Söhne</bdi>"), "{html}");
    assert!(words(&html).contains("Account org-7."), "the id is at the foot");
    let (_, html) = page(&stack, "acme", "").await;
    assert!(html.contains("<bdi title=\"acme\">acme</bdi>"));
    assert!(!words(&html).contains("Account acme."), "it is at the head already");
    assert!(!html.contains("<img") && html.contains("<title>Credits</title>"));
    let body = r#"{"subject":"ada","return_url":"https://app.example.com/"}"#;
    let made = stack.session("org-7", body).await;
    let link = made.text("/url").split("t=").nth(1).expect("a link");
    let door = stack.get(&format!("/enter?t={link}")).await;
    assert!(words(door.body.as_str().expect("a page")).contains("Credits of Müller &amp; Söhne"));
}

#[tokio::test]
async fn every_page_has_the_brand_of_the_catalog() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    publish(&stack, &whole(LOGO)).await;
    let (answer, html) = page(&stack, "acme", "").await;
    let policy = answer.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("img-src 'self';"), "{policy}");
    let style = "--accent:light-dark(#5b21b6,#c4b5fd);--on-accent:light-dark(#ffffff,#151517);";
    assert!(html.contains(style), "{html}");
    assert!(html.contains("--radius:2px;--font:\"Avenir Next\",\"Inter\",serif;"), "{html}");
    assert!(html.contains("<title>Credits · Acme &amp; Sons</title>"));
    for (address, text) in [("help", "Help"), ("terms", "Terms")] {
        let link = format!("<a href=\"https://example.com/{address}\">{text}</a>");
        assert!(html.replace("&#x2f;", "/").contains(&link), "{link}");
    }
    let ended = stack.get("/").await;
    assert_eq!(ended.status, 401);
    let body = r#"{"subject":"ada","return_url":"https://app.example.com/"}"#;
    let made = stack.session("acme", body).await;
    let link = made.text("/url").split("t=").nth(1).expect("a link");
    let door = stack.get(&format!("/enter?t={link}")).await;
    for html in [&html, ended.body.as_str().expect("a page"), door.body.as_str().expect("a page")] {
        let html = html.replace("&#x2f;", "/");
        assert!(html.contains("alt=\"Acme &amp; Sons\""), "{html}");
        assert!(html.contains(style) && html.contains("· Acme &amp; Sons</title>"));
        assert!(!html.contains("<svg xmlns"), "the logo is an image, and never part of the page");
    }
}

#[tokio::test]
async fn a_logo_is_served_as_an_image_that_runs_nothing() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    assert_eq!(stack.get("/brand/0.svg").await.status, 404, "there is no logo");
    publish(&stack, &whole(LOGO)).await;
    let (_, html) = page(&stack, "acme", "").await;
    let address = value_of(&html.replace("&#x2f;", "/"), r#"src="(/brand/[0-9a-f]{32}\.svg)""#);
    let logo = stack.get(&address).await;
    for (header, value) in [
        ("content-type", "image/svg+xml"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "public, max-age=31536000, immutable"),
    ] {
        assert_eq!(logo.headers[header], value);
    }
    assert_eq!(logo.body.as_str(), Some(LOGO));
    let other = stack.get("/brand/00000000000000000000000000000000.svg").await;
    assert_eq!((other.status, other.body), (200, logo.body), "a page of a moment ago");
    assert_eq!(other.headers["cache-control"], "no-store");
    assert_eq!(stack.get("/brand/logo.png").await.status, 404);
    assert!(ROUTES.contains(&("/brand/{file}", "GET")));
}

#[tokio::test]
async fn the_origin_of_a_logo_elsewhere_joins_the_policy() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    publish(&stack, &whole("https://cdn.example.com:8443/a/logo.png?v=2")).await;
    let (answer, html) = page(&stack, "acme", "").await;
    let policy = answer.headers["content-security-policy"].to_str().expect("text");
    assert!(
        policy.contains("img-src 'self' https://cdn.example.com:8443; connect-src"),
        "{policy}"
    );
    let html = html.replace("&#x2f;", "/");
    assert!(html.contains("src=\"https://cdn.example.com:8443/a/logo.png?v=2\""), "{html}");
    assert_eq!(stack.get("/brand/0.svg").await.status, 404, "it is not ours to serve");
}

#[tokio::test]
async fn the_page_calls_things_by_their_names_and_leads_to_the_plans_contact() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.action("acme", "a", "dynamic_video", 2).await;
    publish(&stack, &catalog("")).await;
    let (_, html) = page(&stack, "acme", "").await;
    let words = words(&html);
    for text in [
        "Plan: Professional",
        "Film &lt;b&gt;",
        "more films",
        "Pictures",
        "A handful",
        "Answers in sentences.",
    ] {
        assert!(words.contains(text), "{text}: {words}");
    }
    assert!(!words.contains("Dynamic video") && !words.contains("dynamic_video"), "{words}");
    let html = html.replace("&#x2f;", "/");
    assert!(html.contains("<a href=\"https://example.com/grace\">Ask Grace</a>"), "{html}");
    assert!(!html.contains("https://example.com/contact"));
    stack.open("other", "free").await;
    let (_, html) = page(&stack, "other", "").await;
    let contact = "<a href=\"https://example.com/contact\">Talk to your account executive</a>";
    assert!(html.replace("&#x2f;", "/").contains(contact));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branded_page_is_accessible_and_no_script_of_its_logo_runs() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(Some("2026-11-22T23:40:00Z"), &[]).await;
    named(&stack, "acme", "pro", "Müller & Söhne").await;
    stack.action("acme", "a", "dynamic_video", 2).await;
    publish(&stack, &whole(LOGO)).await;
    let (link, _) = session(&stack, "acme", &base).await;
    let mut tab = browser.tab(1280, 900);
    tab.open(&link);
    keep_picture(&mut tab, "branded-door");
    assert_accessible(&mut tab, "branded-door");
    tab.enter(&link);
    let logo = "document.querySelector('.logo')";
    tab.until(&format!("{logo}.complete && {logo}.naturalWidth > 0"));
    assert_eq!(tab.eval(&format!("{logo}.height")), json!(32));
    let button = "getComputedStyle(document.querySelector('[data-pack]')).backgroundColor";
    assert_eq!(tab.text(button), "rgb(91, 33, 182)", "the style with the brand is allowed");
    let radius = "getComputedStyle(document.querySelector('[data-pack]')).borderRadius";
    assert_eq!(tab.text(radius), "2px");
    assert_accessible(&mut tab, "branded");
    assert_eq!(tab.take_errors(), Vec::<String>::new());
    // Opened by its own address, the logo is a document, and its scripts do not run.
    let address = tab.text(&format!("{logo}.src"));
    tab.open(&address);
    assert_eq!(tab.eval("document.documentElement.hasAttribute('ran')"), json!(false));
}
