//! Usage on the customer's page: whatever is asked, the chart adds up to the route's answer, and
//! each question is an address.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use regex::Regex;
use serde_json::{Value, json};
use shared::domain::period::Day;

use crate::page::browser::{assert_accessible, keep_picture, session};
use crate::page::html::{page, words};
use crate::support::browser::{Browser, Tab};
use crate::support::{Stack, of, request};

/// Micro-credits.
fn micro(credits: &str) -> i64 {
    let (sign, unsigned) = match credits.strip_prefix('-') {
        Some(unsigned) => (-1, unsigned),
        None => (1, credits),
    };
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole: i64 = whole.parse().expect("a number");
    let decimals: i64 = format!("{decimals:0<6}").parse().expect("decimals");
    sign * (whole * 1_000_000 + decimals)
}

/// The sums that a page shows: by series, and by the first day of each bar.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    series: BTreeMap<String, i64>,
    bars: BTreeMap<String, i64>,
    all: i64,
}

impl Sums {
    /// Those of the usage section. Bars without consumption are left out, as on the page.
    fn shown(html: &str) -> Sums {
        let (_, section) = html.split_once("<section id=\"usage\"").expect("a section");
        let (section, _) = section.split_once("</section>").expect("its end");
        let regex = |pattern: &str| Regex::new(pattern).expect("a regex");
        let row =
            r#"(?s)<svg class="dot".*?</svg>(.*?)</th>.*?<td class="n" data-value="([^"]*)">"#;
        let bar = r#"<p><time datetime="([0-9-]*)[^<]*</time>.*?<strong><data value="([^"]*)""#;
        let all = r#"(?s)<tfoot>.*?<data value="([^"]*)""#;
        let pairs = |pattern: &str| {
            let pattern = regex(pattern);
            let found = pattern.captures_iter(section);
            let found = found.map(|of| (words(&of[1]).trim().to_owned(), micro(&of[2])));
            found.collect::<BTreeMap<_, _>>()
        };
        let all = regex(all).captures(section).map_or(0, |of| micro(&of[1]));
        Sums { series: pairs(row), bars: pairs(bar), all }
    }

    /// The same sums of an answer of the route.
    fn answered(usage: &Value, by: &str) -> Sums {
        let mut sums = Sums { all: credits(usage), ..Sums::default() };
        let days = usage["days"].as_array().expect("days");
        for day in days {
            *sums.bars.entry(day["day"].as_str().expect("a day").to_owned()).or_default() +=
                credits(day);
            let mut rest = credits(day);
            for part in day[format!("{by}s")].as_array().expect("a list") {
                let name = match (part[by].as_str(), by) {
                    (Some(name), "action") => name.replace('_', " "),
                    (Some(name), _) => name.to_owned(),
                    (None, "action") => "By amount".to_owned(),
                    (None, _) => "No user named".to_owned(),
                };
                rest -= credits(part);
                *sums.series.entry(name).or_default() += credits(part);
            }
            if by == "model" {
                *sums.series.entry("Without a model".to_owned()).or_default() += rest;
            }
        }
        sums.bars.retain(|_, sum| *sum != 0);
        sums
    }
}

fn credits(of: &Value) -> i64 {
    micro(of["credits"].as_str().expect("credits"))
}

/// A ledger of three weeks: debits by action, by amount and by calls of models, for some users and
/// for none, and refunds of days before.
async fn random_weeks(stack: &Stack, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    stack.open("acme", "pro").await;
    stack.grant("acme", "much", "100000").await;
    let users = ["ann", "bob", "cyd", "<dan>"];
    let mut debits: Vec<(String, String)> = Vec::new();
    for day in 0..21 {
        let day = Day::parse("2026-11-18").expect("a day").plus(day);
        stack.set_clock(&format!("{day}T12:00:00Z"));
        for n in 0..random.random_range(0..6) {
            let mut body = match random.random_range(0..5) {
                0 => json!({ "action": "custom_image", "quantity": random.random_range(1..9) }),
                1 => json!({ "action": "dynamic_video", "quantity": random.random_range(1..9) }),
                2 => json!({ "credits": format!("0.{:06}", random.random_range(1..999_999)) }),
                model => json!({
                    "action": "chat",
                    "model": if model == 3 { "gpt-5-mini" } else { "gpt-5.6-luna" },
                    "meters": { "input": random.random_range(1..99_999), "output": 7 },
                }),
            };
            if let Some(user) = users.get(random.random_range(0..6)) {
                body["user"] = json!(user);
            }
            let (path, key) = (of("acme", "/debits"), format!("{day} {n}"));
            let done = stack.post(&path, &key, &body.to_string()).await;
            assert_eq!(done.status, 201, "{done:?}");
            debits.push((done.text("/id").to_owned(), done.text("/credits").to_owned()));
        }
        if !debits.is_empty() && random.random_range(0..2) == 0 {
            let (debit, credits) = debits.swap_remove(random.random_range(0..debits.len()));
            let refund = of("acme", &format!("/debits/{debit}/refund"));
            let body = json!({ "credits": credits, "reason": "test" }).to_string();
            let done = stack.post(&refund, &format!("refund {day}"), &body).await;
            assert_eq!(done.status, 201, "{done:?}");
        }
    }
}

#[tokio::test]
async fn whatever_is_asked_the_chart_adds_up_to_the_route() {
    for seed in [1, 2, 3] {
        let stack = Stack::noon().await;
        random_weeks(&stack, seed).await;
        for (from, last) in [
            ("2026-11-18", "2026-12-17"),
            ("2026-11-20", "2026-12-02"),
            ("2025-12-09", "2026-12-09"),
        ] {
            let to = Day::parse(last).expect("a day").plus(1);
            for by in ["action", "model", "user"] {
                for per in ["day", "week", "sum"] {
                    let route_per = if per == "week" { "week" } else { "day" };
                    let asked = format!("from={from}&to={to}&per={route_per}");
                    let usage = stack.get(&of("acme", &format!("/usage?{asked}"))).await;
                    let mut expected = Sums::answered(&usage.body, by);
                    let series = std::mem::take(&mut expected.series).into_iter();
                    expected.series = series
                        .map(|(name, sum)| (name.to_lowercase(), sum))
                        .filter(|(_, sum)| *sum != 0)
                        .collect();
                    let query =
                        format!("?usage_by={by}&usage_per={per}&usage_from={from}&usage_to={last}");
                    let (answer, html) = page(&stack, "acme", &query).await;
                    assert_eq!(answer.status, 200);
                    let mut shown = Sums::shown(&html);
                    let series = std::mem::take(&mut shown.series).into_iter();
                    shown.series = series
                        .map(|(name, sum)| (name.to_lowercase().replace("&lt;", "<"), sum))
                        .map(|(name, sum)| (name.replace("&gt;", ">"), sum))
                        .filter(|(_, sum)| *sum != 0)
                        .collect();
                    let context = format!("{seed} {query}");
                    assert_eq!(shown.series, expected.series, "{context}");
                    assert_eq!(shown.all, expected.all, "{context}");
                    match per {
                        // The last running sum is that of all days.
                        "sum" => assert_eq!(
                            shown.bars.values().next_back().copied().unwrap_or_default(),
                            expected.all,
                            "{context}"
                        ),
                        _ => assert_eq!(shown.bars, expected.bars, "{context}"),
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_shows_the_period() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.action("acme", "a", "dynamic_video", 3).await;
    let period = "Consumed from 2026-11-18 to 2026-12-17";
    for query in [
        "",
        "?usage_from=2025-11-17&usage_to=2026-11-18",
        "?usage_from=x&usage_to=%00",
        "?usage_by=%3Cscript%3E&usage_per=-1",
        "?usage_to=2026-11-17&usage_from=2026-11-18",
    ] {
        let (answer, html) = page(&stack, "acme", query).await;
        assert_eq!(answer.status, 200, "{query}");
        assert!(words(&html).contains(period), "{query}");
        assert!(!html.contains("<script>"), "{query}");
    }
    let (_, html) = page(&stack, "acme", "?usage_from=2025-11-18&usage_to=2026-11-18").await;
    assert!(words(&html).contains("Consumed from 2025-11-18 to 2026-11-18"), "366 days");
    assert!(html.len() < 90_000, "{} bytes", html.len());
}

#[tokio::test]
async fn the_links_of_the_page_keep_the_other_questions() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.action("acme", "a", "dynamic_video", 3).await;
    let query = "?kind=debit&currency=usd&usage_by=user&checkout=gone";
    let (_, html) = page(&stack, "acme", query).await;
    let link = "/?kind=debit&amp;currency=usd&amp;usage_by=user&amp;usage_per=week#usage";
    let plain = html.replace("&#x2f;", "/");
    assert!(plain.contains(link), "{plain}");
    let hidden = |name: &str, value: &str| {
        let field = format!(r#"<input type="hidden" name="{name}" value="{value}">"#);
        html.matches(&field).count()
    };
    // The form of usage and the two of the ledger keep what they have no field for.
    assert_eq!(hidden("usage_by", "user"), 3);
    assert_eq!((hidden("kind", "debit"), hidden("currency", "usd")), (1, 3));
    assert_eq!(hidden("checkout", "gone"), 0);
    let (_, found) = page(&stack, "acme", "?usage_find=VIDEO").await;
    assert_eq!(Sums::shown(&found).all, 3_000_000);
    let (_, none) = page(&stack, "acme", "?usage_find=nothing").await;
    assert!(words(&none).contains("Nothing that was consumed has this name."), "{none}");
}

#[tokio::test]
async fn credits_left_are_the_allowance_and_the_extra_ones() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.grant_until("acme", "late", "3000", "2027-06-01T00:00:00Z").await;
    stack.grant_until("acme", "early", "150", "2026-12-31T00:00:00Z").await;
    for day in 18..25 {
        stack.set_clock(&format!("2026-11-{day}T12:00:00Z"));
        stack.action("acme", &format!("video {day}"), "dynamic_video", 67).await;
        stack.debit("acme", &format!("amount {day}"), "0.16593").await;
    }
    stack.set_clock("2026-11-25T09:00:00Z");
    let said = |html: &str| words(html).replace("&#x27;", "'");
    let (_, html) = page(&stack, "acme", "").await;
    let shown = said(&html);
    for part in [
        "5,179.83 credits available",
        "This period's allowance 2,029.83 of 2,500 left Renews 2026-12-18",
        "Extra credits 3,150 The first 150 end 2026-12-30",
        "At this pace they last beyond the next renewal.",
    ] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    assert!(html.contains(r#"<data value="2029.83849" data-about title="2,029.83849">"#), "{html}");
    assert!(!shown.contains("ends soon") && !shown.contains("Few credits"), "{shown}");
}

#[tokio::test]
async fn few_credits_and_those_that_end_soon_are_named() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.grant_until("acme", "gift", "50", "2026-11-30T00:00:00Z").await;
    stack.debit("acme", "much", "2350").await;
    for day in 19..25 {
        stack.set_clock(&format!("2026-11-{day}T12:00:00Z"));
        stack.debit("acme", &format!("amount {day}"), "25").await;
    }
    stack.grant_until("acme", "other", "40", "2026-11-30T00:00:00Z").await;
    stack.set_clock("2026-11-25T09:00:00Z");
    let (_, html) = page(&stack, "acme", "").await;
    let shown = words(&html);
    // 2,500 in seven days.
    for part in [
        "90 credits available Few credits are left.",
        "allowance 50 of 2,500 left Renews 2026-12-18",
        "Extra credits 40 The first 40 end 2026-11-29 ends soon",
        "At this pace they last until 2026-11-25 .",
    ] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
    assert_eq!(shown.matches("ends soon").count(), 1, "the allowance is renewed");
}

/// A pro account with use of two weeks by three people, one of them with a limit.
async fn two_weeks(stack: &Stack) {
    stack.open("acme", "pro").await;
    let limit = json!({ "at_most": "150", "per": "month" }).to_string();
    let path = of("acme", "/limits/user:ada");
    assert_eq!(stack.send(request("PUT", &path, Some("limit"), &limit)).await.status, 201);
    for day in 18..29 {
        stack.set_clock(&format!("2026-11-{day}T12:00:00Z"));
        for (n, user) in ["ada", "bob", "cyd"].iter().enumerate() {
            let quantity = 1 + (day * 7 + n * 5) % 11;
            let action = ["dynamic_video", "custom_image"][n % 2];
            let body = json!({ "action": action, "quantity": quantity, "user": user }).to_string();
            let done = stack.post(&of("acme", "/debits"), &format!("{day} {n}"), &body).await;
            assert_eq!(done.status, 201, "{done:?}");
        }
    }
}

const FOCUS: &str = "document.activeElement.textContent";

/// Whether the numbers of the bar with the focus are seen.
fn reads_bar(tab: &mut Tab<'_>) -> bool {
    let seen = "getComputedStyle(document.activeElement.querySelector('p')).clipPath === 'none'";
    tab.eval(seen) == json!(true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_questioned_by_keyboard_and_each_state_is_an_address() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    two_weeks(&stack).await;
    let (link, _) = session(&stack, "acme", &base).await;
    let mut tab = browser.tab(1280, 900);
    tab.lives_in("Europe/Berlin", "en-US");
    tab.enter(&link);
    tab.until("document.querySelectorAll('.bars [tabindex=\"0\"]').length === 1");
    tab.eval("document.querySelector('#usage').scrollIntoView()");
    keep_picture(&mut tab, "usage");
    assert_accessible(&mut tab, "usage");
    // One stop of the keyboard: the latest day. Arrows go on from it.
    tab.eval("document.querySelector('.bars [tabindex=\"0\"]').focus()");
    assert!(tab.text(FOCUS).contains("Nov 28, 2026: "), "{}", tab.text(FOCUS));
    assert!(reads_bar(&mut tab));
    tab.press("ArrowLeft");
    assert!(tab.text(FOCUS).contains("Nov 27, 2026: "));
    tab.press("Home");
    assert!(tab.text(FOCUS).contains("Nov 18, 2026: ") && reads_bar(&mut tab));
    tab.press("ArrowLeft");
    assert!(tab.text(FOCUS).contains("Nov 18, 2026: "), "there is no bar before the first");
    // A tap gives a bar the focus, and so shows its numbers.
    tab.eval("document.querySelectorAll('.bars [tabindex]')[3].click()");
    assert!(tab.text(FOCUS).contains("Nov 21, 2026: ") && reads_bar(&mut tab));
    // Another breakdown, without another page.
    tab.eval("window.mark = 'the same page'");
    let chip = |text: &str| {
        format!(
            "[...document.querySelectorAll('.chips a')].find((a) => a.textContent === '{text}')"
        )
    };
    tab.eval(&format!("{}.focus()", chip("User")));
    tab.press("Enter");
    tab.until("document.querySelector('#usage tbody').textContent.includes('of 150 per month')");
    assert_eq!(tab.text("location.search"), "?usage_by=user");
    assert_eq!(tab.text("window.mark"), "the same page");
    assert_eq!(tab.text(FOCUS), "User", "the focus stays");
    assert_accessible(&mut tab, "usage by user");
    tab.eval(&format!("{}.click()", chip("Running sum")));
    tab.until("document.querySelector('.grid .given')");
    assert_accessible(&mut tab, "usage, running sum");
    // A search, and back.
    tab.eval("document.querySelector('#usage-more').focus()");
    tab.press("Enter");
    tab.eval("document.querySelector('#usage-find').focus()");
    tab.insert("AD");
    tab.press("Enter");
    tab.until("document.querySelectorAll('#usage tbody tr').length === 1");
    assert!(tab.text("location.search").contains("usage_find=AD"));
    assert_eq!(tab.text("document.querySelector('#usage tbody bdi').textContent"), "ada");
    tab.eval("history.back()");
    tab.until("document.querySelectorAll('#usage tbody tr').length === 3");
    // The address alone brings the same state.
    let state = "document.querySelector('#usage table').innerText";
    let before = tab.text(state);
    let address = tab.text("location.href");
    tab.open(&address);
    tab.until("document.querySelectorAll('.bars [tabindex=\"0\"]').length === 1");
    assert_eq!(tab.text(state), before);
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_questioned_without_scripts() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    two_weeks(&stack).await;
    let (link, _) = session(&stack, "acme", &base).await;
    let mut tab = browser.tab(375, 900);
    tab.without_scripts();
    tab.enter(&link);
    // Each bar with consumption is a stop, and shows its numbers.
    assert_eq!(tab.eval("document.querySelectorAll('.bars [tabindex=\"0\"]').length"), json!(11));
    tab.eval("document.querySelector('.bars [tabindex=\"0\"]').focus()");
    assert!(tab.text(FOCUS).contains("2026-11-18: ") && reads_bar(&mut tab));
    tab.eval(
        "[...document.querySelectorAll('.chips a')].find((a) => a.textContent === 'Week').click()",
    );
    tab.until("document.querySelectorAll('.bars li').length === 5");
    tab.eval("document.querySelector('#usage details').open = true");
    tab.eval("document.querySelector('#usage-find').value = 'image'");
    tab.eval("document.querySelector('#usage-show').click()");
    tab.until("document.querySelectorAll('#usage tbody tr').length === 1");
    let search = tab.text("location.search");
    assert!(search.contains("usage_per=week") && search.contains("usage_find=image"), "{search}");
    keep_picture(&mut tab, "usage-without-scripts");
}
