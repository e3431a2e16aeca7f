//! The audit of limits: random lives whose counts the ledger explains, and each count, charge and
//! limit of the account's own that it does not explain.

use ::audit::Difference;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use cli::repair::Done;
use local::tables::names;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use shared::command::limit::{Changer, set};
use shared::decide::own_limit::LimitRequest;
use shared::decide::{Expect, Row, RowKey, RowWrite, Write};
use shared::domain::limit::{OwnLimits, Per};
use shared::domain::{AccountId, Credits, Instant, KeySpace, OperationId};
use shared::store::packed;
use tests::proof;

use super::audit::{item, put};
use crate::support::{Answer, Stack, answer, of, request};

const NOON: &str = "2026-11-18T12:00:00Z";
/// Lives, and the steps of each.
const LIVES: u64 = 6;
const STEPS: usize = 160;
/// The steps between two audits.
const AUDITED: usize = 8;

fn acme() -> AccountId {
    "acme".parse().expect("an account")
}

async fn audited(stack: &Stack) -> Vec<Difference> {
    ::audit::account(stack.context(), &acme()).await.expect("an audit")
}

fn named(found: &[Difference]) -> Vec<&'static str> {
    found.iter().map(|difference| difference.kind.name()).collect()
}

async fn post(stack: &Stack, route: &str, key: &str, body: &serde_json::Value) -> Answer {
    let request = request("POST", &of("acme", route), Some(key), &body.to_string());
    answer(stack.functions.answer(request).await)
}

/// Sets or removes a limit of the account's own.
async fn limit(stack: &Stack, key: &str, of: &str, per: Per, at_most: Option<i64>) {
    let (context, key) = (stack.context(), key.parse().expect("a key"));
    let at_most = at_most.map(|credits| Credits::from_micro(credits * 1_000_000));
    let request = LimitRequest { of: of.parse().expect("a subject"), per, at_most };
    let by = Changer { user: Some("ada"), actor: None };
    let (catalog, space) = (context.catalog().await, (KeySpace::Customers, &key));
    let set = set(context, &catalog, &acme(), space, &request, by).await;
    set.expect("the limit is set");
}

/// A random life of an account with limits of every window.
struct Life {
    stack: Stack,
    random: StdRng,
    step: usize,
    /// The open holds, with their ends, and the charges.
    holds: Vec<(String, Instant)>,
    charges: Vec<String>,
    refused: usize,
}

impl Life {
    async fn begin(seed: u64) -> Life {
        let stack = Stack::at(NOON).await;
        let mut random = StdRng::seed_from_u64(seed);
        stack.open("acme", if random.random_bool(0.5) { "free" } else { "pro" }).await;
        stack.grant("acme", "welcome", "100000").await;
        let (holds, charges) = (Vec::new(), Vec::new());
        Life { stack, random, step: 0, holds, charges, refused: 0 }
    }

    fn now(&self) -> Instant {
        self.stack.context().clock.now()
    }

    /// Goes on a little, to the end of a hold, or to the first instant of a day.
    fn pass(&mut self) {
        let now = self.now().ms();
        let ends: Vec<i64> = self.holds.iter().map(|(_, end)| end.ms()).collect();
        let (day, hour) = (86_400_000, 3_600_000);
        let at = match self.random.random_range(0..8) {
            0 => now + 6 * day,
            1 => now + day,
            2 => (now / day + 1) * day,
            3 => ends.into_iter().filter(|end| *end > now).min().unwrap_or(now + 1),
            4 => now + hour,
            _ => now + self.random.random_range(1..1_000_000),
        };
        self.stack.set_clock(&Instant::from_ms(at).to_string());
    }

    /// Subjects and limits of a charge.
    fn limited(&mut self, credits: String) -> serde_json::Value {
        let mut limits = Vec::new();
        for _ in 0..self.random.random_range(0..=3) {
            let of = *["user:ada", "team:ops", "run:7f"].choose(&mut self.random).expect("one");
            let per = Per::ALL.choose(&mut self.random).expect("one").name();
            let at_most = self.random.random_range(20..120).to_string();
            limits.push(json!({ "of": of, "per": per, "at_most": at_most }));
        }
        json!({ "credits": credits, "user": "ada", "subjects": ["team:ops"], "limits": limits })
    }

    async fn step(&mut self) {
        self.step += 1;
        let key = format!("step {}", self.step);
        let credits = format!("{}.000001", self.random.random_range(1..9));
        let hold = self.holds.choose(&mut self.random).map(|(id, _)| id.clone());
        let charge = self.charges.choose(&mut self.random).cloned();
        let step = self.random.random_range(0..12);
        let answered = match (step, hold, charge) {
            (0..3, ..) => {
                let body = self.limited(credits);
                let answered = post(&self.stack, "/debits", &key, &body).await;
                self.charged(&answered);
                answered
            }
            (3..5, ..) => {
                let mut body = self.limited(credits);
                let life = self.random.random_range(60..86_400);
                body["expires_in_s"] = life.into();
                let answered = post(&self.stack, "/holds", &key, &body).await;
                if answered.status == 201 {
                    let end = Instant::from_ms(self.now().ms() + life * 1_000);
                    self.holds.push((answered.text("/id").to_owned(), end));
                }
                answered
            }
            (5..7, Some(hold), _) => {
                let (part, beyond) = (self.random.random_bool(0.4), self.random.random_bool(0.5));
                let body = json!({ "credits": credits, "final": !part, "beyond": beyond });
                let route = format!("/holds/{hold}/capture");
                let answered = post(&self.stack, &route, &key, &body).await;
                self.charged(&answered);
                answered
            }
            (7, Some(hold), _) => {
                post(&self.stack, &format!("/holds/{hold}/release"), &key, &json!({})).await
            }
            (8, _, Some(charge)) => {
                let body = json!({ "credits": "0.7", "reason": "it failed" });
                post(&self.stack, &format!("/debits/{charge}/refund"), &key, &body).await
            }
            (9, ..) => {
                let plan = if self.random.random_bool(0.5) { "free" } else { "pro" };
                let restart = plan == "pro" && self.random.random_bool(0.3);
                let body = json!({ "plan": plan, "restart": restart }).to_string();
                let request = request("PUT", &of("acme", ""), Some(&key), &body);
                answer(self.stack.functions.answer(request).await)
            }
            (10, ..) => {
                let of = *["user:ada", "team:ops", "run:7f"].choose(&mut self.random).expect("one");
                let per = *Per::ALL.choose(&mut self.random).expect("one");
                let at_most = self.random.random_range(-60..120);
                return limit(&self.stack, &key, of, per, Some(at_most).filter(|n| *n >= 0)).await;
            }
            _ => return self.pass(),
        };
        let now = self.now();
        assert!(answered.status < 500, "{step} of step {} at {now}: {answered:?}", self.step);
        self.refused += usize::from(answered.status == 402);
    }

    fn charged(&mut self, answered: &Answer) {
        if answered.status == 201 {
            self.charges.push(answered.text("/id").to_owned());
        }
    }
}

#[tokio::test]
async fn counts_of_random_lives_are_what_their_entries_say() {
    let (mut refused, mut counts) = (0, 0);
    for seed in 0..LIVES {
        let seed = proof::seed(1) + seed;
        let mut life = Life::begin(seed).await;
        while life.step < STEPS {
            life.step().await;
            if life.step % AUDITED == 0 {
                let found = audited(&life.stack).await;
                assert_eq!(found, [], "seed {seed}, step {}, {}", life.step, life.now());
            }
        }
        refused += life.refused;
        let account = life.stack.context().store.account(&acme()).await.expect("readable");
        counts += account.expect("there").account.used.len();
    }
    println!("{LIVES} lives of {STEPS} steps: {refused} refused, {counts} counts at their ends");
    assert!(refused > 0 && counts > 0);
}

/// An account with a count in every window, limits of its own, and an open hold.
async fn story() -> Stack {
    let stack = Stack::at(NOON).await;
    stack.open("acme", "pro").await;
    limit(&stack, "ada", "user:ada", Per::Day, Some(50)).await;
    limit(&stack, "ops", "team:ops", Per::Month, Some(70)).await;
    let limits: Vec<_> = Per::ALL
        .iter()
        .map(|per| json!({ "of": "run:7f", "per": per.name(), "at_most": "40" }))
        .collect();
    for (n, limits) in [&limits[..3], &limits[3..]].into_iter().enumerate() {
        let body = json!({
            "credits": "5", "user": "ada", "subjects": ["team:ops"], "limits": limits,
        });
        let charged = post(&stack, "/debits", &format!("debit {n}"), &body).await;
        assert_eq!(charged.status, 201, "{charged:?}");
        // A hold counts for four limits at most: for two of its own, the user's and the team's.
        let limits = &limits[..2];
        let body = json!({
            "credits": "5", "user": "ada", "subjects": ["team:ops"], "limits": limits,
        });
        let held = post(&stack, "/holds", &format!("hold {n}"), &body).await;
        assert_eq!(held.status, 201, "{held:?}");
    }
    assert_eq!(audited(&stack).await, []);
    stack
}

async fn repaired(stack: &Stack) -> Vec<Done> {
    let acts = cli::repair::run(stack.context(), None, None, false).await.expect("repaired");
    let of_account = acts.iter().filter(|act| act.difference.kind.name() != "directory");
    of_account.map(|act| act.done).collect()
}

#[tokio::test]
async fn each_count_that_is_wrong_is_named_and_set_to_what_the_entries_say() {
    let stack = story().await;
    let whole = item(&stack, &names().accounts, "acme", None).await;
    let is_count = |name: &&String| name.starts_with(|c: char| "DWMPE".contains(c));
    let counts: Vec<&String> = whole.keys().filter(is_count).collect();
    assert_eq!(counts.len(), 7);
    for name in counts {
        for other in [Some(1), Some(-1), None] {
            let mut changed = whole.clone();
            let micro: i64 = whole[name].as_n().expect("a number").parse().expect("one");
            match other {
                Some(more) => {
                    changed.insert(name.clone(), AttributeValue::N((micro + more).to_string()))
                }
                None => changed.remove(name),
            };
            put(&stack, &names().accounts, changed).await;
            let found = audited(&stack).await;
            assert_eq!(named(&found), ["used"], "{name} {other:?}");
            assert!(found[0].kind.about().contains(" per "), "{found:?}");
            assert_eq!(repaired(&stack).await, [Done::Repaired]);
            assert_eq!(
                item(&stack, &names().accounts, "acme", None).await,
                whole,
                "{name} {other:?}"
            );
        }
    }
    // A count that no entry explains goes.
    let mut changed = whole.clone();
    changed.insert("EAAAAAAAA".to_owned(), AttributeValue::N("1".to_owned()));
    put(&stack, &names().accounts, changed).await;
    let found = audited(&stack).await;
    assert_eq!(found[0].kind.about(), "000000000000 per ever");
    assert_eq!(repaired(&stack).await, [Done::Repaired]);
    assert_eq!(item(&stack, &names().accounts, "acme", None).await, whole);
}

/// A charge beyond a limit, and one that counts in a period that did not run. The count is as the
/// entry says: the balance is right, and nobody is frozen.
#[tokio::test]
async fn a_charge_that_a_limit_should_have_refused_is_named_and_left() {
    for (micro, day) in [(-1, 0), (0, -1)] {
        let stack = Stack::at(NOON).await;
        stack.open("acme", "pro").await;
        let limits = json!([{ "of": "run:7f", "per": "period", "at_most": "5" }]);
        let body = json!({ "credits": "5", "limits": limits });
        assert_eq!(post(&stack, "/debits", "debit", &body).await.status, 201);
        let mut account = item(&stack, &names().accounts, "acme", None).await;
        let mut payloads = account["rp"].as_l().expect("a list").clone();
        let ids = account["ri"].as_l().expect("a list");
        let id = ids.last().expect("an id").as_b().expect("bytes").as_ref();
        let id = OperationId::from_bytes(id.try_into().expect("16 bytes"));
        let payload = payloads.last_mut().expect("an entry");
        let bytes = payload.as_b().expect("bytes").as_ref();
        let mut entry = packed::read_entry(id, bytes).expect("an entry");
        entry.counts[0].at_most += Credits::from_micro(micro);
        let from = entry.counts[0].window.from.ms() + day * 86_400_000;
        entry.counts[0].window.from = Instant::from_ms(from);
        let bytes = packed::entry(&entry);
        *payload = AttributeValue::B(Blob::new(bytes));
        account.insert("rp".to_owned(), AttributeValue::L(payloads));
        put(&stack, &names().accounts, account).await;
        let found = audited(&stack).await;
        let expected: &[&str] = if day == 0 { &["limit"] } else { &["limit", "used"] };
        assert_eq!(named(&found), expected);
        assert_eq!(found[0].kind.about(), entry.id.to_string());
        let done = repaired(&stack).await;
        assert_eq!(done.last(), Some(&Done::Left), "{done:?}");
        assert_eq!(named(&audited(&stack).await), ["limit"]);
        assert_eq!(stack.balance("acme").await.text("/gate"), "open");
    }
}

/// One write returns to one count both what the capture took of the hold and what it took beyond.
#[tokio::test]
async fn a_refund_of_a_capture_beyond_its_hold_returns_all_of_it_to_a_count() {
    let stack = Stack::at(NOON).await;
    stack.open("acme", "free").await;
    let limits = json!([{ "of": "run:7f", "at_most": "10" }]);
    let held = post(&stack, "/holds", "hold", &json!({ "credits": "4", "limits": limits })).await;
    let route = format!("/holds/{}/capture", held.text("/id"));
    let body = json!({ "credits": "9", "beyond": true });
    let captured = post(&stack, &route, "capture", &body).await;
    let route = format!("/debits/{}/refund", captured.text("/id"));
    let body = json!({ "credits": "8", "reason": "it failed" });
    let refunded = post(&stack, &route, "refund", &body).await;
    assert_eq!(refunded.status, 201, "{refunded:?}");
    let account = stack.context().store.account(&acme()).await.expect("readable").expect("there");
    let used: Vec<String> = account.account.used.values().map(Credits::to_string).collect();
    assert_eq!(used, ["1"]);
    assert_eq!(audited(&stack).await, []);
}

/// What the ledger has of the account's own limits at another moment than the account.
#[tokio::test]
async fn limits_of_another_moment_are_rebuilt_from_the_entries_and_are_in_force() {
    let at = |version, at_most: &[i64]| {
        let limits = at_most.iter().map(|credits| {
            let of = "user:ada".parse().expect("a subject");
            ((of, Per::Day), Credits::from_micro(credits * 1_000_000))
        });
        Some(OwnLimits { version, limits: limits.collect() })
    };
    let none = || None;
    for row in [at(1, &[50]), at(3, &[90]), at(2, &[90]), none()] {
        let stack = story().await;
        let ledger = names().ledger;
        let whole = item(&stack, &ledger, "acme", Some("L#own")).await;
        let write = match &row {
            Some(own) => RowWrite::Put(Row::Limits(acme(), own.clone()), Expect::Any),
            None => RowWrite::Delete(RowKey::Limits(acme()), Expect::Any),
        };
        stack.context().store.commit(&Write::row(write)).await.expect("written");
        assert_eq!(named(&audited(&stack).await), ["own_limits"], "{row:?}");
        assert_eq!(repaired(&stack).await, [Done::Repaired], "{row:?}");
        assert_eq!(item(&stack, &ledger, "acme", Some("L#own")).await, whole, "{row:?}");
        assert_eq!(audited(&stack).await, []);
        let body = json!({ "credits": "31", "user": "ada" });
        let refused = post(&stack, "/debits", "too much", &body).await;
        assert_eq!((refused.code(), refused.text("/left")), ("limit_reached", "30"), "{refused:?}");
    }
}

/// The accounts are of a moment before the first limit, or before the account was opened.
#[tokio::test]
async fn limits_that_the_account_never_had_are_removed() {
    for opened in [true, false] {
        let stack = Stack::at(NOON).await;
        stack.open("acme", "free").await;
        let before = item(&stack, &names().accounts, "acme", None).await;
        limit(&stack, "none", "user:ada", Per::Ever, Some(0)).await;
        let delete = Delete::builder().table_name(names().accounts);
        let delete = delete.key("a", AttributeValue::S("acme".to_owned())).build().expect("whole");
        let delete = TransactWriteItem::builder().delete(delete).build();
        let delete = stack.tables().transact_write_items().transact_items(delete);
        delete.send().await.expect("deleted");
        if opened {
            put(&stack, &names().accounts, before).await;
        }
        let mut found = named(&audited(&stack).await);
        found.sort_unstable();
        let lost: &[&str] =
            if opened { &["idempotency_record_alone", "own_limits"] } else { &["account"] };
        assert_eq!(found, lost);
        assert!(repaired(&stack).await.iter().all(|done| *done == Done::Repaired));
        assert_eq!(audited(&stack).await, []);
        if !opened {
            let body = r#"{"plan":"free"}"#;
            let request = request("PUT", &of("acme", ""), Some("again"), body);
            assert_eq!(stack.send(request).await.status, 201);
        }
        let body = json!({ "credits": "1", "user": "ada" });
        assert_eq!(post(&stack, "/debits", "debit", &body).await.status, 201);
        // Sent again, the change happens.
        limit(&stack, "none", "user:ada", Per::Ever, Some(0)).await;
        assert_eq!(post(&stack, "/debits", "next", &body).await.code(), "limit_reached");
        assert_eq!(audited(&stack).await, []);
    }
}
