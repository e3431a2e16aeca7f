//! The statement of a month: its opening balance and its lines sum to its closing balance.

use ::page::statement::Statement;
use proptest::prelude::*;
use regex::Regex;
use serde_json::{Value, json};
use shared::decide::STAMP_MARGIN;
use shared::domain::entry::Quantity;
use shared::domain::grant::BurnOrder;
use shared::domain::ledger::PostedEntry;
use shared::domain::period::month;
use shared::domain::{
    Credits, Entry, EntryKind, GrantId, GrantKind, Instant, Movement, OperationId,
};

use crate::page::browser::{assert_accessible, keep_picture, session};
use crate::page::html::words;
use crate::support::browser::Browser;
use crate::support::{Answer, Stack, instant, ledger, request};

/// A change of a random account: its sort, its credits, the time since the one before it, and how
/// late its stamp is.
type Step = (u8, i64, i64, i64);

/// Entries of random kinds from the 20th of November on. Two stamps are out of order by the margin
/// at most.
fn entries(steps: &[Step]) -> Vec<PostedEntry> {
    let (mut clock, mut available, mut held) =
        (instant("2026-11-20T00:00:00Z").ms(), Credits::ZERO, Credits::ZERO);
    let posted = steps.iter().zip(1..).map(|((sort, micro, passed, late), seq)| {
        clock += passed;
        let at = Instant::from_ms(clock + late);
        let credits = Credits::from_micro(*micro);
        let id = OperationId::mint(at, [0; 10]);
        let hold = OperationId::mint(at, [1; 10]);
        let (action, quantity) = (Some(1 + u16::from(*sort) % 2), Quantity::Units(1));
        let (kind, change) = match sort {
            0 | 1 => (EntryKind::Debit { action, quantity }, (-credits, Credits::ZERO)),
            2 => {
                let expires_at = at;
                (EntryKind::Held { action, quantity, expires_at }, (-credits, credits))
            }
            // It gives back less than it held: the rest expired meanwhile.
            3 => {
                let (lapsed, uncharged) = (Credits::ZERO, Credits::ZERO);
                let kind = EntryKind::Captured {
                    hold,
                    action,
                    quantity,
                    credits,
                    lapsed,
                    ends: true,
                    uncharged,
                };
                (kind, (Credits::from_micro(3), -credits - Credits::from_micro(5)))
            }
            4 => (EntryKind::Released { hold }, (credits, -credits)),
            5 => {
                let moved = vec![
                    Movement {
                        grant: GrantId::Operation(id),
                        kind: GrantKind::Weekly,
                        credits,
                        expires_at: None,
                    },
                    Movement {
                        grant: GrantId::Operation(hold),
                        kind: GrantKind::Plan,
                        credits: Credits::from_micro(-7),
                        expires_at: None,
                    },
                ];
                let kind = EntryKind::TimePassed {
                    moved,
                    lapsed: vec![hold],
                    before: (1, at),
                    burnt: BurnOrder::new(Vec::new()),
                    debts: Vec::new(),
                };
                (kind, (credits - Credits::from_micro(5), Credits::from_micro(-4)))
            }
            6 => (EntryKind::Frozen, (Credits::ZERO, Credits::ZERO)),
            _ => {
                let kind = EntryKind::Granted { kind: GrantKind::Manual, expires_at: None };
                (kind, (credits, Credits::ZERO))
            }
        };
        (available, held) = (available + change.0, held + change.1);
        let entry = Entry { available: change.0, held: change.1, ..Entry::new(id, at, 1, kind) };
        PostedEntry { seq, entry, available, held }
    });
    let mut posted: Vec<PostedEntry> = posted.collect();
    posted.reverse();
    posted
}

fn sum<'a>(entries: impl Iterator<Item = &'a PostedEntry>) -> Credits {
    entries.map(|posted| posted.entry.available + posted.entry.held).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn opening_and_lines_are_the_closing_balance_and_the_next_opening(
        steps in prop::collection::vec(
            (0..8_u8, 1..1_000_000_i64, prop_oneof![
                0..2_000_i64, 0..86_400_000_i64, 0..900_000_000_i64,
            ], 0..STAMP_MARGIN.ms()),
            0..60,
        ),
        cut in 0..60_usize,
    ) {
        let all = entries(&steps);
        let mut closed = None;
        for at in ["2026-11-20T00:00:00Z", "2026-12-20T00:00:00Z", "2027-01-20T00:00:00Z"] {
            let period = month(instant(at));
            let near = period.start - STAMP_MARGIN..period.end + STAMP_MARGIN;
            let near: Vec<PostedEntry> =
                all.iter().filter(|posted| near.contains(&posted.entry.at)).cloned().collect();
            let before = all.iter().find(|posted| posted.entry.at < period.end);
            let whole = Statement::new(&near, period, before);
            let until = |end| sum(all.iter().filter(move |posted| posted.entry.at < end));
            prop_assert_eq!(whole.opening, until(period.start));
            prop_assert_eq!(whole.closing, until(period.end));
            prop_assert!(closed.is_none_or(|closed| closed == whole.opening));
            closed = Some(whole.closing);
            let of_lines: Credits = whole.lines.iter().map(|line| line.change).sum();
            prop_assert_eq!(whole.opening + of_lines, whole.closing);
            prop_assert!(whole.lines.is_sorted_by_key(|line| line.day));
            // In two parts: each is exact, and the earlier one closes where the later one opens.
            let (later, earlier) = near.split_at(cut.min(near.len()));
            let is_own = |posted: &PostedEntry| posted.entry.at >= period.start;
            let is_clear = later.iter().all(is_own)
                && earlier.first().is_some_and(|posted| posted.entry.at < period.end)
                && earlier.iter().all(|posted| posted.entry.at < period.end);
            if is_clear && later.iter().any(|posted| posted.entry.at < period.end) {
                let [later, earlier] =
                    [later, earlier].map(|part| Statement::new(part, period, None));
                prop_assert_eq!(earlier.closing, later.opening);
                prop_assert_eq!(earlier.opening, whole.opening);
            }
        }
    }
}

/// The statement that a visitor of the account gets.
async fn statement(stack: &Stack, query: &str) -> (Answer, String) {
    let visitor = stack.visitor("acme").await;
    let path = format!("/statement{query}");
    let answer = stack.ask("GET", &path, &[("cookie", &visitor.cookie)]).await;
    let html = answer.body.as_str().unwrap_or_default().to_owned();
    (answer, html)
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a regex")
}

/// The exact values of a part of the page, in micro-credits.
fn values(html: &str) -> Vec<i64> {
    let value = regex(r#"sum"><data value="(-?)([0-9.]+)""#);
    let values =
        value.captures_iter(html).map(|found| micro(&format!("{}{}", &found[1], &found[2])));
    values.collect()
}

/// An amount or a change in micro-credits.
fn micro(text: &str) -> i64 {
    let digits = text.trim_start_matches('-');
    let micro = if digits == "0" { 0 } else { digits.parse::<Credits>().expect("credits").micro() };
    if text.starts_with('-') { -micro } else { micro }
}

/// Opening, the lines, and closing.
fn balances(html: &str) -> (i64, Vec<i64>, i64) {
    let (_, html) = html.split_once("id=\"opening\"").expect("an opening balance");
    let (opening, html) = html.split_once("id=\"lines\"").expect("lines");
    let (lines, closing) = html.split_once("id=\"closing\"").expect("a closing balance");
    (values(opening)[0], values(lines), values(closing)[0])
}

/// What the whole ledger says was available and held before an instant, in micro-credits.
async fn balance_at(stack: &Stack, end: &str) -> i64 {
    let entries = ledger(&stack.functions, "acme").await.expect("a ledger");
    let before = entries.iter().filter(|entry| entry["at"].as_str() < Some(end));
    let micro = |value: &Value| micro(value.as_str().expect("credits"));
    before.map(|entry| micro(&entry["available"]) + micro(&entry["held"])).sum()
}

/// An account with three months of debits, holds, gifts and renewals.
async fn stage() -> Stack {
    let stack = Stack::at("2026-10-20T12:00:00Z").await;
    stack.open("acme", "pro").await;
    for (day, n) in
        ["2026-10-25", "2026-11-02", "2026-11-02", "2026-11-30", "2026-12-01"].into_iter().zip(0..)
    {
        stack.set_clock(&format!("{day}T1{n}:00:00Z"));
        stack.action("acme", &format!("a{n}"), "dynamic_video", 7 + n).await;
        stack.action("acme", &format!("b{n}"), "custom_image", 3 + n).await;
        stack.grant("acme", &format!("gift {n}"), "2.000001").await;
        let hold = r#"{"credits":"5","expires_in_s":3600}"#;
        let hold = stack.post("/v1/accounts/acme/holds", &format!("hold {n}"), hold).await;
        let capture = format!("/v1/accounts/acme/holds/{}/capture", hold.text("/id"));
        if n % 2 == 0 {
            let done = stack.post(&capture, &format!("c{n}"), r#"{"credits":"1.5"}"#).await;
            assert_eq!(done.status, 201, "{done:?}");
        }
    }
    stack
}

#[tokio::test]
async fn each_months_statement_opens_where_the_one_before_it_closes() {
    let stack = stage().await;
    let mut closed = 0;
    for (month, end) in [
        ("2026-09", "2026-10-01T00:00:00.000Z"),
        ("2026-10", "2026-11-01T00:00:00.000Z"),
        ("2026-11", "2026-12-01T00:00:00.000Z"),
        ("2026-12", "2027-01-01T00:00:00.000Z"),
    ] {
        let (answer, html) = statement(&stack, &format!("?month={month}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (opening, lines, closing) = balances(&html);
        assert_eq!(opening, closed, "{month}: {html}");
        assert_eq!(opening + lines.iter().sum::<i64>(), closing, "{month}");
        assert_eq!(closing, balance_at(&stack, end).await, "{month}");
        closed = closing;
    }
    let (_, html) = statement(&stack, "?month=2026-11").await;
    let said = words(&html);
    for part in [
        "Statement",
        "acme",
        "Opening balance",
        "2026-11-02 Used Dynamic video 2 ",
        "2026-11-02 Credits added",
        "2026-11-30 Monthly credits renewed",
        "Closing balance",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert_eq!(html.matches("Used").count(), 5, "{said}");
    let (_, without) = statement(&stack, "").await;
    let (_, present) = statement(&stack, "?month=2026-12").await;
    assert_eq!(balances(&without), balances(&present));
}

#[tokio::test]
async fn what_is_no_month_that_has_begun_is_refused() {
    let stack = stage().await;
    for (query, field) in [
        ("?month=2027-01", "month"),
        ("?month=2026-13", "month"),
        ("?month=2026-11-01", "month"),
        ("?month=2026-11&month=2026-11", "month"),
        ("?cursor=00", "cursor"),
        ("?kind=debit", "kind"),
    ] {
        let (refused, _) = statement(&stack, query).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{query}");
        assert_eq!(refused.text("/fields/0/field"), field, "{query}");
    }
    let nobody = stack.get("/statement?month=2026-11").await;
    assert_eq!(nobody.status, 401);
    assert!(words(nobody.body.as_str().expect("a page")).contains("This session has ended"));
}

/// A page reads 10 000 entries at most. The earlier ones are behind a link, and sum in the same way.
#[tokio::test]
async fn a_month_of_too_many_entries_is_shown_in_parts_that_follow_each_other() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for batch in 0..418 {
        let debits = (0..24)
            .map(|_| json!({ "id": stack.id(0).to_string(), "credits": "0.000001" }))
            .collect::<Vec<_>>();
        let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
        let post = request("POST", "/v1/accounts/acme/debits/batch", None, &body);
        assert_eq!(stack.send(post).await.status, 201, "batch {batch}");
    }
    let (_, html) = statement(&stack, "").await;
    assert!(words(&html).contains("the latest 10,000 changes of the month"), "{html:.3000}");
    let (opening, lines, closing) = balances(&html);
    assert_eq!(opening + lines.iter().sum::<i64>(), closing);
    let link = regex(r#"href="([^"]*)" rel="prev""#);
    let link = link.captures(&html).expect("earlier ones")[1].to_owned();
    let link = link.replace("&#x2f;", "/").replace("&amp;", "&");
    let (_, earlier) = statement(&stack, link.trim_start_matches("/statement")).await;
    let (first, lines, second) = balances(&earlier);
    assert_eq!(second, opening);
    assert_eq!(first + lines.iter().sum::<i64>(), second);
    assert_eq!((first, lines.len()), (0, 2), "the opening of the account, and debits: {lines:?}");
    assert!(!earlier.contains("rel=\"prev\"") && words(&earlier).contains("Whole month"));
}

#[tokio::test]
async fn an_earlier_part_without_entries_has_the_opening_balance_of_the_month() {
    let stack = Stack::at("2026-10-31T12:00:00Z").await;
    stack.open("acme", "pro").await;
    stack.set_clock("2026-11-18T12:00:00Z");
    for size in std::iter::repeat_n(24, 416).chain([16]) {
        let debits = (0..size)
            .map(|_| json!({ "id": stack.id(0).to_string(), "credits": "0.000001" }))
            .collect::<Vec<_>>();
        let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
        let post = request("POST", "/v1/accounts/acme/debits/batch", None, &body);
        assert_eq!(stack.send(post).await.status, 201);
    }
    let (_, html) = statement(&stack, "?month=2026-11").await;
    let (opening, lines, closing) = balances(&html);
    assert_eq!((opening, closing), (2_500_000_000, 2_499_990_000), "{lines:?}");
    let link = regex(r#"href="([^"]*)" rel="prev""#);
    let link = link.captures(&html).expect("earlier ones")[1].to_owned();
    let link = link.replace("&#x2f;", "/").replace("&amp;", "&");
    let (_, earlier) = statement(&stack, link.trim_start_matches("/statement")).await;
    assert_eq!(balances(&earlier), (opening, vec![], opening));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_found_by_its_month_and_can_be_printed() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(Some("2026-11-18T12:00:00Z"), &[]).await;
    stack.open("acme", "pro").await;
    for n in 0..12 {
        stack.action("acme", &format!("a{n}"), "dynamic_video", 1 + n).await;
    }
    let mut tab = browser.tab(1280, 900);
    tab.enter(&session(&stack, "acme", &base).await.0);
    tab.until("document.querySelector('#statement-show')");
    tab.eval("document.querySelector('#statement-show').click()");
    tab.until("location.pathname === '/statement' && document.readyState === 'complete'");
    assert_eq!(tab.text("location.search"), "?month=2026-11");
    assert_accessible(&mut tab, "statement");
    tab.size(794, 1123);
    tab.media("print", "dark");
    keep_picture(&mut tab, "statement-print");
    assert_eq!(tab.text("getComputedStyle(document.body).color"), "rgb(27, 27, 31)");
    let seen = "[...document.querySelectorAll('nav, .links, .skip, button')]\
                .filter((e) => e.checkVisibility()).length";
    assert_eq!(tab.eval(seen), json!(0));
    assert_eq!(tab.take_errors(), Vec::<String>::new());
}
