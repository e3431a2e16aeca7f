//! Random lives of an account, each played twice: with debits that are all refunded and without
//! them.

use crate::support::catalogs::files;
use std::collections::BTreeMap;

use local::stripe::Effect;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use shared::decide::{Write, advance, catalog_version};
use shared::domain::instant::Span;
use shared::domain::period::{Day, week};
use shared::domain::{AccountId, Catalog, Instant};
use tests::proof;

use crate::support::instant;
use crate::support::shop::Shop;

/// One event of a life.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A debit of this many micro-credits, under this number.
    Debit(u32, u64),
    /// A refund of this many of them.
    Refund(u32, u64),
    /// A hold of this many, and a capture of this many at once: of a part of it, or beyond it.
    Capture(u32, u64, u64),
    /// A hold of this many for this many minutes.
    Hold(u32, u64, u64),
    Release(u32),
    /// A grant of this many credits, for this many hours; its number is that of the event.
    Grant(u64, u64),
    Revoke(u32),
    Plan(&'static str),
    /// The plan is pro, with an anchor this many days ago, or paid for anew.
    Anchor(u64),
    Restart,
    /// A catalog with weeks of this many credits, from the second Monday from now on.
    Publish(u64),
    Buy(u32),
    /// A refund of this many cents of a pack of 5000.
    Return(u32, u64),
    /// The latest refund of the pack fails.
    Fail(u32),
    Dispute(u32),
    Win(u32),
    /// An operator waives the debt.
    Waive,
    /// This many minutes pass.
    Time(u64),
}

/// An event, and the seconds by which it is later than the minutes passed so far.
pub(super) type Timed = (u32, Act);

/// A life as it runs.
pub(super) struct Life {
    shop: Shop,
    now: Instant,
    ids: BTreeMap<u32, String>,
    sessions: BTreeMap<u32, String>,
    sent: u32,
    /// The published sizes of weeks, and since when they are in force.
    sizes: Vec<(Instant, u64)>,
}

impl Life {
    /// An account on a Monday, with credits that stay.
    pub(super) async fn begin(credits: &str) -> Life {
        let now = "2026-11-16T08:00:00Z";
        let shop = Shop::at("2026-11-16T07:00:00Z").await;
        super::sell(&shop.stack, &[("month", 500, 1), ("year", 500, 12)]).await;
        shop.stack.set_clock(now);
        shop.stack.open("acme", "free").await;
        shop.stack.grant("acme", "stays", credits).await;
        let (ids, sessions) = (BTreeMap::new(), BTreeMap::new());
        Life { shop, now: instant(now), ids, sessions, sent: 0, sizes: Vec::new() }
    }

    /// Applies an event. Returns the status and the error code.
    pub(super) async fn act(&mut self, (at, act): &Timed) -> (u16, String) {
        // A later event has a later stamp, and no period ends within a call.
        let now = self.now + Span::from_s((*at).into());
        self.shop.stack.set_clock(&now.to_string());
        self.sent += 1;
        let (key, stack) = (format!("{}", self.sent), &self.shop.stack);
        let id = |n: &u32| self.ids.get(n).cloned().unwrap_or_default();
        let answer = match act {
            Act::Debit(n, micro) => {
                let done = stack.debit("acme", &key, &credits(*micro)).await;
                self.ids.insert(*n, done.body["id"].as_str().unwrap_or_default().to_owned());
                done
            }
            Act::Refund(n, micro) => {
                let body = format!(r#"{{"credits":"{}","reason":"x"}}"#, credits(*micro));
                let path = format!("/v1/accounts/acme/debits/{}/refund", id(n));
                stack.post(&path, &key, &body).await
            }
            Act::Hold(n, micro, minutes) => {
                let (credits, life_s) = (credits(*micro), minutes * 60);
                let body = format!(r#"{{"credits":"{credits}","expires_in_s":{life_s}}}"#);
                let held = stack.post("/v1/accounts/acme/holds", &key, &body).await;
                self.ids.insert(*n, held.body["id"].as_str().unwrap_or_default().to_owned());
                held
            }
            Act::Capture(n, held_micro, micro) => {
                let body = format!(r#"{{"credits":"{}"}}"#, credits(*held_micro));
                let held = stack.post("/v1/accounts/acme/holds", &format!("h{key}"), &body).await;
                let path = format!("/v1/accounts/acme/holds/{}/capture", held.text("/id"));
                let beyond = micro > held_micro;
                let body = format!(r#"{{"credits":"{}","beyond":{beyond}}}"#, credits(*micro));
                let done = stack.post(&path, &key, &body).await;
                assert_eq!(done.body["uncharged"], Value::Null, "there are credits enough");
                self.ids.insert(*n, done.text("/id").to_owned());
                done
            }
            Act::Release(n) => {
                let path = format!("/v1/accounts/acme/holds/{}/release", id(n));
                stack.post(&path, &key, "{}").await
            }
            Act::Grant(credits, hours) => {
                let end = now + Span::from_s(*hours as i64 * 3_600);
                let end = end.to_string();
                let done = stack.grant_until("acme", &key, &credits.to_string(), &end).await;
                self.ids.insert(*at, done.body["id"].as_str().unwrap_or_default().to_owned());
                done
            }
            Act::Revoke(n) => stack.revoke("acme", &key, &id(n)).await,
            Act::Plan(_) | Act::Anchor(_) | Act::Restart => {
                let body = match act {
                    Act::Plan(plan) => format!(r#"{{"plan":"{plan}"}}"#),
                    Act::Anchor(days) => {
                        let day = (now.utc() - chrono::Days::new(*days)).date_naive();
                        format!(r#"{{"plan":"pro","anchor":"{day}"}}"#)
                    }
                    _ => r#"{"plan":"pro","restart":true}"#.to_owned(),
                };
                let put = crate::support::request("PUT", "/v1/accounts/acme", Some(&key), &body);
                stack.send(put).await
            }
            Act::Buy(n) => {
                let pack = ["month", "year"][*n as usize % 2];
                let (_, session) = self.shop.buy("acme", &key, pack).await;
                self.sessions.insert(*n, session);
                return (0, String::new());
            }
            Act::Return(n, cents) => {
                let effect = Effect::Refund { minor: Some(*cents) };
                self.effect(*n, effect).await;
                return (0, String::new());
            }
            Act::Fail(n) => {
                self.effect(*n, Effect::FailRefund).await;
                return (0, String::new());
            }
            Act::Dispute(n) => {
                self.effect(*n, Effect::Dispute).await;
                return (0, String::new());
            }
            Act::Win(n) => {
                self.effect(*n, Effect::Win).await;
                return (0, String::new());
            }
            Act::Publish(credits) => {
                self.publish(now, *credits).await;
                return (0, String::new());
            }
            Act::Waive => {
                stack.post("/v1/accounts/acme/debt/waive", &key, r#"{"reason":"x"}"#).await
            }
            Act::Time(minutes) => {
                self.now = self.now + Span::from_s(*minutes as i64 * 60);
                return (0, String::new());
            }
        };
        (answer.status, answer.body["code"].to_string())
    }

    /// Publishes another size of weeks from one more Monday on.
    async fn publish(&mut self, now: Instant, credits: u64) {
        let monday = week(week(now).end).end;
        // Several changes within a week have the same Monday; the first counts.
        if self.sizes.last().is_none_or(|(from, _)| *from < monday) {
            self.sizes.push((monday, credits));
        }
        let date = |(from, credits): &(Instant, u64)| {
            let day = Day::of(*from);
            format!(r#", {{ from = "{day}", credits = "{credits}" }}"#)
        };
        let dated: String = self.sizes.iter().map(date).collect();
        let context = self.shop.stack.context();
        let current = context.store.catalog().await.expect("readable").expect("published");
        let version = Catalog::parse(&current).expect("right").version + 1;
        let lines = current.catalog.lines().map(|line| match line {
            line if line.starts_with("version = ") => format!("version = {version}\n"),
            line if line.starts_with("weekly = ") => {
                format!("weekly = [{{ credits = \"25\" }}{dated}]\n")
            }
            line => format!("{line}\n"),
        });
        let text: String = lines.collect();
        let current = Catalog::parse(&current).expect("right");
        let write = catalog_version::publish(&current, &files(&*text), context.clock.now())
            .expect("it follows");
        context.store.commit(&write).await.expect("published");
    }

    /// Applies an effect to the payment of a pack, if Stripe allows it.
    async fn effect(&self, n: u32, effect: Effect) {
        let Some(session) = self.sessions.get(&n) else { return };
        if self.shop.stripe.act(session, effect).is_ok() {
            self.shop.stripe.deliver(&self.shop.stack.functions).await;
        }
    }

    /// Advances the account, if it is due.
    pub(super) async fn look(&self) {
        let context = self.shop.stack.context();
        let id: AccountId = "acme".parse().expect("an account");
        let loaded = context.store.account(&id).await.expect("readable").expect("there");
        let now = context.clock.now();
        if advance::is_due(&loaded.account, now) {
            let catalog = context.catalog().await;
            let change = advance::change(&loaded.account, &catalog, now).expect("no fault");
            context.store.commit(&Write::account(change)).await.expect("advanced");
        }
    }

    /// The final state: available, held, debt, and each grant's remaining credits and end.
    pub(super) async fn end(&self) -> (Vec<Value>, Vec<(Value, Value, Value)>) {
        self.shop.stack.set_clock(&(self.now + Span::from_s(600)).to_string());
        let balance = self.shop.stack.balance("acme").await;
        let id: AccountId = "acme".parse().expect("an account");
        let found = audit::account(self.shop.stack.context(), &id).await.expect("audited");
        assert_eq!(found, [], "the books of a life");
        super::skipped_entries::tells_the_same(&self.shop.stack, &id).await;
        let grants = balance.body["grants"].as_array().expect("grants").iter();
        let of = |g: &Value| {
            // A pack expires a number of months after a moment from which the clock ran on.
            let end = g["expires_at"].as_str().map(|at| at[..16].into());
            (g["kind"].clone(), g["remaining"].clone(), end.unwrap_or_default())
        };
        let sums = ["available", "held", "debt"].map(|name| balance.body[name].clone());
        (sums.to_vec(), grants.map(of).collect())
    }
}

fn credits(micro: u64) -> String {
    let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A hold for a capture of so many: a little more, or only a part of them.
fn hold_for(micro: u64) -> u64 {
    if micro.is_multiple_of(2) { micro + 5 } else { micro / 3 + 1 }
}

/// A life with events that are undone in the end, and the same life without them. Debits are
/// refunded, refunds of packs fail and disputes are won; other packs' money goes back for good.
fn with_and_without(random: &mut StdRng) -> (Vec<Timed>, Vec<Timed>) {
    let (mut with, mut without, mut owed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut packs, mut grants, mut undone) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..60_u32 {
        let micro = random.random_range(1..20_000_000);
        match random.random_range(0..19) {
            0 | 1 => {
                with.push((n, Act::Debit(n, micro)));
                owed.push((n, micro));
            }
            2 => {
                with.push((n, Act::Capture(n, hold_for(micro), micro)));
                owed.push((n, micro));
            }
            3 | 4 if !owed.is_empty() => {
                let place = random.random_range(0..owed.len());
                let (debit, left) = &mut owed[place];
                let part = random.random_range(1..=*left);
                with.push((n, Act::Refund(*debit, part)));
                *left -= part;
                owed.retain(|(_, left)| *left > 0);
            }
            done @ 5..8 if !packs.is_empty() => {
                let pack: u32 = packs[random.random_range(0..packs.len())];
                let (act, back) = match done {
                    5 => (Act::Dispute(pack), Act::Win(pack)),
                    _ => (Act::Return(pack, random.random_range(1..2_000)), Act::Fail(pack)),
                };
                // For every second pack the money goes back for good, in either life.
                match pack % 4 < 2 {
                    true => without.push((n, act.clone())),
                    false => undone.push(back),
                }
                with.push((n, act));
            }
            8 if !undone.is_empty() => with.push((n, undone.pop().expect("one"))),
            done => {
                let act = match done {
                    9 | 10 => Act::Debit(n, micro * 10),
                    11 => Act::Capture(n, hold_for(micro), micro),
                    12 => {
                        grants.push(n);
                        Act::Grant(random.random_range(1..30), random.random_range(1..200))
                    }
                    17 | 18 if !grants.is_empty() => {
                        Act::Revoke(grants[random.random_range(0..grants.len())])
                    }
                    13 => Act::Plan(["free", "pro"][random.random_range(0..2)]),
                    16 => Act::Publish(random.random_range(1..60)),
                    14 if packs.len() < 6 => {
                        packs.push(n);
                        Act::Buy(n)
                    }
                    _ => Act::Time(random.random_range(1..6_000)),
                };
                with.push((n, act.clone()));
                without.push((n, act));
            }
        }
    }
    let rest = owed.into_iter().map(|(n, left)| Act::Refund(n, left));
    with.extend((60..).zip(rest.chain(undone.into_iter().rev())));
    (with, without)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undone_operations_leave_an_account_as_if_never_made() {
    let lives = proof::LIVES.get();
    for seed in 0..lives {
        let (with, without) = with_and_without(&mut StdRng::seed_from_u64(seed));
        let mut ends = Vec::new();
        for acts in [&with, &without] {
            let mut life = Life::begin("100000").await;
            for act in acts {
                let (status, told) = life.act(act).await;
                assert!([0, 200, 201].contains(&status), "seed {seed}: {act:?}: {status} {told}");
            }
            ends.push(life.end().await);
        }
        assert_eq!(ends[0], ends[1], "seed {seed}: {with:?}");
    }
}
