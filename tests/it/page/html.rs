//! The page without a browser: its size, the files it may load, its texts and their escaping.

use std::collections::BTreeSet;
use std::path::Path;

use ::page::{FILES, File};
use regex::Regex;
use serde_json::Value;
use shared::domain::meters::Meter;
use shared::domain::viewer::Viewer;
use shared::query::ledger::KINDS;

use crate::support::catalogs::files;
use crate::support::{Answer, Stack, request};

/// Names and texts of the files in a folder of the page's package, and below it.
fn sources(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/page").join(folder);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(sources(path.to_str().expect("text"))),
            false => {
                let text = std::fs::read_to_string(&path).expect("a file");
                let name = path.file_name().expect("a file").to_string_lossy().into_owned();
                found.push((name, text));
            }
        }
    }
    found
}

/// The page of an account, with a session of its own.
pub(crate) async fn page(stack: &Stack, account: &str, query: &str) -> (Answer, String) {
    let visitor = stack.visitor(account).await;
    let answer = stack.ask("GET", &format!("/{query}"), &[("cookie", &visitor.cookie)]).await;
    let html = answer.body.as_str().unwrap_or_default().to_owned();
    (answer, html)
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a regex")
}

/// An address as a browser reads it from an attribute.
fn address(attribute: &str) -> String {
    attribute.replace("&#x2f;", "/").replace("&amp;", "&")
}

/// The words of a page: the text between its tags.
pub(super) fn words(html: &str) -> String {
    let tags = regex(r"(?s)<[^>]*>");
    let spaces = regex(r"\s+");
    spaces.replace_all(&tags.replace_all(html, " "), " ").into_owned()
}

/// The English texts by key, of all parts.
fn texts() -> serde_json::Map<String, Value> {
    let (_, table) =
        sources("texts").into_iter().find(|(name, _)| name == "en.json").expect("English");
    let table: Value = serde_json::from_str(&table).expect("JSON");
    let parts = ["element", "script", "page"].map(|part| table[part].as_object().expect("a part"));
    parts.into_iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect()
}

#[tokio::test]
async fn the_page_loads_nothing_but_our_own_files_and_runs_nothing_inline() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (shown, html) = page(&stack, "acme", "").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let policy = shown.headers["content-security-policy"].to_str().expect("text");
    for directive in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(shown.headers[name], value);
    }
    let (_, style) = html.split_once("<style>").expect("a style");
    // A browser refuses a style with another hash: the tests in Chromium would see a bare page.
    assert!(policy.contains("style-src 'sha256-"), "{policy}");
    assert!(!style.contains("<style"), "one style");
    for inline in [r"\sstyle=", r"\son[a-z]+=", r"javascript:", r"<script>"] {
        assert!(!regex(inline).is_match(&html), "{inline}");
    }
    let loads = regex(r#"<(?:script|link|img|iframe|source)[^>]*(?:src|href)="([^"]*)""#);
    let mut loaded = 0;
    for found in loads.captures_iter(&html) {
        let answer = stack.get(&address(&found[1])).await;
        assert_eq!(answer.status, 200, "{}", &found[1]);
        assert_eq!(answer.headers["cache-control"], "public, max-age=31536000, immutable");
        loaded += 1;
    }
    assert_eq!(loaded, 2, "icon and module");
    // No file names another host, except for the namespace of SVG, which no browser loads.
    for File { name, text, .. } in FILES {
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://"), "{name} names a host");
        assert!(!text.contains("eval(") && !text.contains("innerHTML"), "{name}");
    }
}

#[tokio::test]
async fn the_widget_has_a_stable_address_and_a_cacheable_one() {
    let stack = Stack::noon().await;
    let widget = stack.get("/scrip.js").await;
    assert_eq!(widget.headers["cache-control"], "public, max-age=300");
    assert_eq!(widget.headers["access-control-allow-origin"], "*");
    stack.open("acme", "pro").await;
    let (_, html) = page(&stack, "acme", "").await;
    let folder = regex(r#"href="([^"]*)/icon.svg""#);
    let folder = address(&folder.captures(&html).expect("an icon")[1]);
    let file = stack.get(&format!("{folder}/scrip.js")).await;
    assert_eq!(file.headers["access-control-allow-origin"], "*");
    assert!(file.body.as_str().is_some_and(|text| text.contains("customElements.define")));
    assert_eq!(file.body, widget.body, "one request brings all");
    let of_another = stack.get("/assets/0000000000000000/scrip.js").await;
    assert_eq!(of_another.status, 200, "a page of another version");
    assert_eq!(of_another.headers["cache-control"], "no-store", "kept, it would stay for a year");
    for missing in ["page.html", "page.css", "secret", "..%2f..%2fCargo.toml"] {
        assert_eq!(stack.get(&format!("{folder}/{missing}")).await.status, 404, "{missing}");
    }
}

/// Another language takes one file only if every text comes from the table.
#[test]
fn every_text_is_in_the_table_and_every_text_of_the_table_is_used() {
    let table = texts();
    let mut used = BTreeSet::new();
    let tags = regex(r"(?s)\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}|<[^>]*>");
    let templates = sources("templates").into_iter().filter(|(name, _)| name.ends_with(".html"));
    for (name, text) in templates {
        let text = &text;
        let literal = tags.replace_all(text, "").replace(['/', '.'], "");
        assert!(!literal.chars().any(char::is_alphabetic), "{name} says {literal}");
        let labels = regex(r#"(?:aria-label|title|placeholder|alt)="[^"{]"#);
        assert!(!labels.is_match(text), "{name} has a label of its own");
        let keys = regex(r#"\bt\.(\w+)|(?:say|plain)\("(\w+)"|message\("(\w+)""#);
        for found in keys.captures_iter(text) {
            let key = found.get(1).or(found.get(2));
            used.extend(key.map(|key| key.as_str().to_owned()));
            if let Some(message) = found.get(3) {
                used.extend(["title", "text"].map(|part| format!("{}_{part}", message.as_str())));
            }
        }
    }
    for (name, text) in sources("script").into_iter().filter(|(name, _)| name.ends_with(".js")) {
        let text = &text;
        let keys = regex(r"\bt\.(\w+)|(?:say|counted)\('(\w+)'|message\('(\w+)'");
        for found in keys.captures_iter(text) {
            let key = found.get(1).or(found.get(2));
            used.extend(key.map(|key| key.as_str().to_owned()));
            if let Some(message) = found.get(3) {
                used.extend(["title", "text"].map(|part| format!("{}_{part}", message.as_str())));
            }
        }
        // A quoted sentence would be a text of the module's own.
        let sentence = regex(r#"['`"][A-Z][a-z]+ [a-z]+"#);
        assert!(!sentence.is_match(text), "{name} has a text of its own");
    }
    used.retain(|key| !["lang", "dir"].contains(&key.as_str()));
    for key in &used {
        assert!(table.contains_key(key), "en.json has no {key}");
    }
    // By prefix: kinds, meters, grants, the states of a payment and windows of limits, why auto
    // top-up does not buy, and questions about usage.
    let families = [
        "kind_",
        "did_",
        "count_",
        "grant_",
        "paid_",
        "payment_",
        "door_",
        "per_",
        "auto_failed_",
        "auto_off_",
        "group_",
        "usage_by_",
        "usage_per_",
        "usage_range_",
        "usage_find_",
        "usage_without_",
    ];
    let named = ["meter", "meter_kept", "statement_lapsed", "statement_used"];
    for key in table.keys() {
        let family = families.iter().any(|family| key.starts_with(family));
        assert!(used.contains(key) || family || named.contains(&key.as_str()), "{key} is unused");
    }
    for meter in Meter::ALL {
        let key = format!("count_{}", meter.name());
        assert!(table.contains_key(&key), "en.json has no {key}");
    }
    let seen = |kind: &&str| !Viewer::UNSEEN.contains(kind);
    for kind in KINDS.into_iter().filter(seen) {
        assert!(table.contains_key(&format!("kind_{kind}")), "en.json has no name for {kind}");
    }
}

#[tokio::test]
async fn texts_of_callers_are_escaped() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let evil = [
        ("user", "<script>alert(1)</script>"),
        ("reference", r#""><img src=x onerror=alert(2)>"#),
        ("user", "\u{202e}\u{5d0}\u{5d1}\u{5d2} {{ 7 * 7 }}"),
        ("reference", "&lt;b&gt; 'quoted' \\u003c"),
    ];
    for (n, (field, text)) in evil.iter().enumerate() {
        let body = serde_json::json!({ "credits": "1", *field: text }).to_string();
        let path = "/v1/accounts/acme/debits";
        assert_eq!(stack.post(path, &format!("evil-{n}"), &body).await.status, 201);
    }
    let body = r#"{"credits":"1","reason":"r","message":"</td></table><h1>owned"}"#;
    stack.post("/v1/accounts/acme/grants", "evil", body).await;
    let (_, html) = page(&stack, "acme", "").await;
    for markup in ["<script>alert", "<img", "<b>", "<h1>owned", "49"] {
        let shown =
            if markup == "49" { words(&html).contains(" 49 ") } else { html.contains(markup) };
        assert!(!shown, "{markup} is markup");
    }
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    assert!(html.contains("&lt;h1&gt;owned"), "{html}");
    // A right-to-left name does not reverse its neighbours.
    assert!(html.contains("<bdi>\u{202e}"));
    // The address is not trusted either.
    let (shown, html) = page(&stack, "acme", "?kind=%22%3E%3Cscript%3E&from=x&cursor=y").await;
    assert_eq!(shown.status, 200);
    assert!(!html.contains("\"><script>"));
}

#[tokio::test]
async fn the_page_says_what_the_account_has() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.open("basic", "standard").await;
    stack.open("open", "free").await;
    stack.grant("acme", "gift", "0.000001").await;
    stack.action("acme", "a", "dynamic_video", 700).await;
    stack.action("acme", "b", "custom_image", 3).await;
    let hold = r#"{"credits":"10","expires_in_s":3600}"#;
    stack.post("/v1/accounts/acme/holds", "hold", hold).await;
    let (_, html) = page(&stack, "acme", "").await;
    let said = words(&html);
    for part in [
        "1,788.5 credits available",
        "allowance 1,788.5 of 2,500 left Renews 2026-12-18",
        "Extra credits 0.000001 Consumed 701.5 Set aside 10 ",
        "Enough for about 1,788 more videos",
        "2,500 credits come back 2026-12-18 00:00 UTC",
        "Dynamic video 1 700 ",
        "Custom image 1 1.5 ",
        "Consumed from 2026-11-18 to 2026-12-17 . Days are in UTC.",
        "Plan credits 2026-12-17 UTC 1,798.5 / 2,500",
        "USD 49.00 USD 0.0980 each",
        "Valid for 12 months",
        "1 per 2 images",
        "5,000 product fields",
        "Custom image × 3",
        "\u{2212}1.5",
        "Account opened",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    // The exact number is behind the short one.
    let exact = r#"<data value="1788.500001" data-about title="1,788.500001">1,788.5</data>"#;
    assert!(html.contains(exact), "{html}");
    assert!(html.contains(r#"role="meter""#) && html.contains(r#"aria-valuenow="1788.5""#));
    stack.debit("open", "all", "25").await;
    let (_, empty) = page(&stack, "open", "").await;
    let said = words(&empty);
    for part in ["You are out of credits", "Everything else keeps working", "25 credits come back"]
    {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let (_, none) = page(&stack, "basic", "").await;
    assert!(words(&none).contains("You have no plan that includes AI"));
    assert!(!none.contains("data-pack"), "nothing is sold to a plan without AI");
    let body = r#"{"reason":"abuse"}"#;
    stack.post("/v1/accounts/open/freeze", "freeze", body).await;
    let (_, frozen) = page(&stack, "open", "").await;
    assert!(words(&frozen).contains("This account is frozen"));
    let put =
        request("PUT", "/v1/accounts/acme", Some("late"), r#"{"plan":"pro","status":"past_due"}"#);
    assert_eq!(stack.send(put).await.status, 201);
    let (_, past_due) = page(&stack, "acme", "").await;
    assert!(words(&past_due).contains("A payment for your plan failed You can spend the credits"));
}

#[tokio::test]
async fn without_a_session_the_page_says_what_to_do() {
    let stack = Stack::noon().await;
    for path in ["/", "/enter", "/enter?t=used"] {
        let ended = stack.get(path).await;
        assert_eq!(ended.status, 401, "{path}");
        assert!(words(ended.body.as_str().expect("a page")).contains("This session has ended"));
    }
    let mut request = request("GET", "/", None, "");
    request.headers_mut().insert("cookie", "__Host-scrip=a.b".parse().expect("a cookie"));
    assert_eq!(stack.send(request).await.status, 401);
}

#[tokio::test]
async fn ten_thousand_entries_are_shown_a_page_at_a_time() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let (_, html) = page(&stack, "acme", "").await;
    assert!(!html.contains("Older"), "one entry has no older ones");
    let (_, html) = page(&stack, "acme", "?kind=frozen").await;
    assert!(words(&html).contains("No changes match."));
    for batch in 0..417 {
        let debits = (0..24).map(|n| {
            serde_json::json!({ "id": stack.id(0).to_string(), "credits": "0.000001",
                "user": format!("user {}", n % 3) })
        });
        let body = serde_json::json!({
            "mode": "all_or_nothing", "debits": debits.collect::<Vec<_>>(),
        });
        let post = request("POST", "/v1/accounts/acme/debits/batch", None, &body.to_string());
        assert_eq!(stack.send(post).await.status, 201, "batch {batch}");
    }
    let (_, html) = page(&stack, "acme", "").await;
    let rows = |html: &str| html.matches("<tr><td><time").count();
    assert_eq!(rows(&html), 20);
    assert!(html.len() < 60_000, "{} bytes", html.len());
    // Two pages of the listing further back, then the first again.
    let older = |html: &str| {
        let link = regex(r#"href="([^"]*)#ledger" rel="next""#);
        address(&link.captures(html).expect("older ones")[1])[1..].to_owned()
    };
    let (_, second) = page(&stack, "acme", &older(&html)).await;
    let (_, third) = page(&stack, "acme", &older(&second)).await;
    assert_eq!((rows(&second), rows(&third)), (20, 20));
    assert!(second != third && words(&third).contains("Back to the latest"));
}

#[tokio::test]
async fn forty_actions_and_six_decimals_are_shown() {
    let stack = Stack::noon().await;
    let mut catalog = shared::domain::Catalog::DEFAULT.replace("version = 1", "version = 2");
    for n in 0..40 {
        catalog += &format!(
            "\n[actions.style_{n}]\nnumber = {}\ncredits = \"0.000007\"\nper = 1\nunit = \
             \"draft <{n}>\"\nlimit = 1000\n",
            100 + n
        );
    }
    let change = shared::decide::catalog_version::publish(
        &*stack.context().catalog().await,
        &files(catalog),
        shared::domain::Instant::EPOCH,
    );
    stack.context().store.commit(&change.expect("a catalog")).await.expect("published");
    stack.open("acme", "pro").await;
    stack.set_clock("2026-11-18T12:02:00Z");
    for n in 0..40 {
        let spent = stack.action("acme", &format!("a{n}"), &format!("style_{n}"), 1 + n).await;
        assert_eq!(spent.status, 201, "{spent:?}");
    }
    let (_, html) = page(&stack, "acme", "").await;
    let said = words(&html);
    for part in [
        "2,499.99 credits available",
        "Style 39 1 0.00028 ",
        "Others 30 0.003255 ",
        "Total 0.00574",
        "draft &lt;39&gt;",
        "14,285,714",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[tokio::test]
async fn the_ledger_can_be_downloaded_by_a_link() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.action("acme", "a", "custom_image", 3).await;
    let cookie = stack.visitor("acme").await.cookie;
    let shown = stack.ask("GET", "/?kind=debit", &[("cookie", &cookie)]).await;
    let html = shown.body.as_str().expect("a page");
    let link = regex(r#"href="([^"]*)" id="csv""#);
    let link = address(&link.captures(html).expect("a link")[1]);
    // The header of a browser that follows a link: it accepts no CSV.
    let headers = [("cookie", &*cookie), ("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let csv = stack.ask("GET", &link, &headers).await;
    assert_eq!(
        (csv.status, &csv.headers["content-type"]),
        (200, &"text/csv; charset=utf-8".parse().expect("one"))
    );
    assert_eq!(csv.body.as_str().expect("text").lines().count(), 2, "a header and a debit");
}
