//! Lives of an account that buys packs by itself, while replies are lost, events come late, twice or
//! never, and the table fails.
//!
//! Whatever happens: the card is charged in a calendar month at most what its customer allows, each
//! order at most once, and it brings its credits once if it was; no order stays open.

use std::collections::BTreeMap;

use ::audit::account;
use local::stripe::{Card, Effect};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared::domain::auto_top_up::{AutoTopUp, MAX_DECLINES, State};
use shared::domain::instant::Span;
use shared::domain::period::month;
use shared::domain::{AccountId, Credits, Instant};
use tests::proof::{self, AUTO_LIVES};

use super::{PATH, card_page, set, setting, shop, token};
use crate::support::shop::Shop;
use crate::support::wire::Fault;
use crate::support::{at_once, ledger};

/// What happens in one life.
const STEPS: usize = 70;
/// One request to the table in so many fails.
const FAULTY: u32 = 15;
const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;

struct Life {
    shop: Shop,
    seed: u64,
    random: StdRng,
    /// Stripe's events that are to come, or to come again.
    events: Vec<String>,
    /// Records of the accounts' stream that came, and may come again.
    records: Vec<Value>,
    /// The most that was allowed in a month, by its first instant.
    allowed: BTreeMap<Instant, u64>,
    /// How many payments there were at each consent: declines count from there.
    consents: Vec<usize>,
    keys: usize,
}

fn acme() -> AccountId {
    "acme".parse().expect("an account")
}

/// What an object of Stripe says in a field.
fn field(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}

fn order_of(intent: &Value) -> String {
    field(&intent["metadata"], "scrip_order")
}

impl Life {
    async fn begin(seed: u64) -> Life {
        let (shop, random) = (shop().await, StdRng::seed_from_u64(seed));
        let (events, records, consents) = (Vec::new(), Vec::new(), Vec::new());
        let allowed = BTreeMap::new();
        let mut life = Life { shop, seed, random, events, records, allowed, consents, keys: 0 };
        life.consent().await;
        life
    }

    fn now(&self) -> Instant {
        self.shop.stack.clock.now()
    }

    fn intents(&self) -> Vec<Value> {
        self.shop.stripe.objects("payment_intents")
    }

    async fn row(&self) -> AutoTopUp {
        let row = self.shop.stack.context().store.auto_top_up(&acme()).await.expect("read");
        row.expect("a setting")
    }

    /// From now on until it is healed the table fails now and then.
    fn fail(&mut self) {
        let mut random = StdRng::seed_from_u64(self.random.random());
        self.shop.stack.wire.set_policy(move |_, _| {
            use Fault::{Conflict, FailAfter, LoseReply, LoseRequest, Throttle};
            let faults = [LoseReply, LoseRequest, FailAfter, Throttle, Conflict];
            match random.random_ratio(1, FAULTY) {
                true => *faults.choose(&mut random).expect("one"),
                false => Fault::None,
            }
        });
    }

    fn heal(&self) {
        self.shop.stack.wire.heal();
    }

    async fn step(&mut self) {
        let before = (self.row().await, self.intents().len());
        match self.random.random_range(0..100) {
            0..30 => self.debit().await,
            30..50 => self.relay().await,
            50..57 => self.records_again().await,
            57..62 => self.shop.stripe.lose_next_reply(),
            62..66 => self.card(),
            66..76 => self.deliver().await,
            76..83 => self.reconcile().await,
            83..91 => self.wait(),
            91..94 => return self.consent().await,
            94..95 => self.switch_off().await,
            95..97 => self.reverse(),
            _ => self.settle(),
        }
        self.allow().await;
        let (row, known) = before;
        // What was off buys nothing: only an order that was under way goes on.
        if row.card().is_none() {
            let open = row.claim.map(|claim| claim.order.to_string());
            let new = self.intents().split_off(known);
            let new: Vec<_> = new.iter().map(order_of).map(Some).collect();
            assert!(new.is_empty() || new == [open], "SEED={}: {new:?}", self.seed);
        }
    }

    /// Notes what the month allows.
    async fn allow(&mut self) {
        let at_most = self.row().await.consent.terms.at_most.minor;
        let allowed = self.allowed.entry(month(self.now()).start).or_default();
        *allowed = at_most.max(*allowed);
    }

    async fn debit(&mut self) {
        self.fail();
        let first = self.keys;
        let count = self.random.random_range(1..=4);
        self.keys += count;
        let credits = *["3", "20", "60", "240"].choose(&mut self.random).expect("one");
        let stack = self.shop.stack.clone();
        let done = at_once(count, move |n| {
            let stack = stack.clone();
            async move {
                let key = format!("debit {}", first + n);
                let mut status = 503;
                while status == 503 {
                    status = stack.debit("acme", &key, credits).await.status;
                }
                status
            }
        });
        assert!(done.await.iter().all(|status| [201, 402].contains(status)));
        self.heal();
        if self.random.random_ratio(1, 4) {
            self.keys += 1;
            let key = format!("grant {}", self.keys);
            assert_eq!(self.shop.stack.grant("acme", &key, "60").await.status, 201);
        }
    }

    async fn relay(&mut self) {
        self.records.extend(self.shop.stack.streams.oldest("Accounts", 1_000));
        self.fail();
        self.shop.stack.relay_what_can_be().await;
        self.heal();
    }

    /// Records that came come again, in any order.
    async fn records_again(&mut self) {
        let count = self.random.random_range(1..=5);
        let records: Vec<_> = self.records.sample(&mut self.random, count).cloned().collect();
        let is_calm = self.random.random_ratio(1, 2);
        if !is_calm {
            self.fail();
        }
        let batch = json!({ "Records": records });
        let answer = self.shop.stack.mappings.invoke("relay", &batch).await;
        self.heal();
        if is_calm {
            let failed = answer.expect("an answer")["batchItemFailures"].take();
            assert_eq!(failed, json!([]), "SEED={}", self.seed);
        }
    }

    fn card(&mut self) {
        let cards = [Card::Works, Card::Works, Card::Declines, Card::AsksCustomer, Card::TakesDays];
        let card = *cards.choose(&mut self.random).expect("one");
        super::card(&self.shop, card);
    }

    /// Some of Stripe's events come, some of them to come again; others are lost.
    async fn deliver(&mut self) {
        self.events.extend(self.shop.stripe.take_events());
        for _ in 0..self.random.random_range(1..=6) {
            if self.events.is_empty() {
                return;
            }
            let at = self.random.random_range(0..self.events.len());
            let event = self.events.swap_remove(at);
            if self.random.random_ratio(1, 10) {
                continue;
            }
            self.fail();
            let answer = self.shop.take_notice(&event).await;
            self.heal();
            if answer.status != 200 || self.random.random_ratio(1, 4) {
                self.events.push(event.clone());
            }
            if answer.status == 200 && event.contains("\"charge.dispute.created\"") {
                self.is_off_while_disputed(&event).await;
            }
        }
    }

    /// A dispute that is open still has switched it off.
    async fn is_off_while_disputed(&self, event: &str) {
        let event: Value = serde_json::from_str(event).expect("JSON");
        let id = field(&event["data"]["object"], "id");
        let dispute = self.shop.stripe.object("disputes", &id).expect("a dispute");
        let is_on = matches!(self.row().await.state, State::On(_));
        assert!(dispute["status"] != "needs_response" || !is_on, "SEED={}", self.seed);
    }

    async fn reconcile(&mut self) {
        self.fail();
        // A run that fails is made again by the schedule.
        let _ = self.shop.stack.mappings.fire("reconcile").await;
        self.heal();
    }

    fn wait(&mut self) {
        let now = self.now();
        let until = match self.random.random_range(0..6) {
            0 | 1 => now + Span::from_s(self.random.random_range(1..30) * MINUTE_S),
            2 | 3 => now + Span::from_s(self.random.random_range(1..30) * 60 * MINUTE_S),
            4 => now + Span::from_s(self.random.random_range(1..6) * DAY_S),
            _ => (month(now).end - Span::from_s(5 * MINUTE_S)).max(now),
        };
        self.shop.stack.clock.set(until);
    }

    /// The customer consents to another setting, and saves a card if none is there.
    async fn consent(&mut self) {
        let (below, at_most) = match self.random.random_range(0..4) {
            0 => ("50", 4_900),
            1 => ("120", 9_800),
            2 => ("50", 14_700),
            _ => ("120", 20_000),
        };
        let known = self.intents().len();
        let mut answer = set(&self.shop, &setting(below, at_most)).await;
        while answer.status == 503 {
            answer = set(&self.shop, &setting(below, at_most)).await;
        }
        if answer.status == 409 {
            assert_eq!(answer.text("/code"), "dispute_open", "{answer:?}");
            return;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.text("/state") == "needs_card" {
            // The page of a setting that was repeated may be done already.
            let _ = self.shop.stripe.act(&card_page(&self.shop), Effect::Pay);
            let events = self.shop.stripe.take_events();
            for event in &events {
                assert_eq!(self.shop.take_notice(event).await.status, 200);
            }
            self.events.extend(events);
        }
        self.consents.push(known);
        self.allow().await;
    }

    async fn switch_off(&mut self) {
        let token = token(&self.shop).await;
        let off = self.shop.ask(&token, "DELETE", PATH, None, "").await;
        assert_eq!(off.text("/state"), "off", "{off:?}");
    }

    /// Money goes back, or is disputed, or a dispute ends: whatever can.
    fn reverse(&mut self) {
        let intents = self.intents();
        let Some(intent) = intents.choose(&mut self.random) else { return };
        let effects = [
            Effect::Refund { minor: None },
            Effect::Refund { minor: Some(1_000) },
            Effect::Dispute,
            Effect::Win,
            Effect::Lose,
        ];
        let effect = *effects.choose(&mut self.random).expect("one");
        let _ = self.shop.stripe.act(&field(intent, "id"), effect);
    }

    /// Money that takes days arrives, or does not.
    fn settle(&mut self) {
        for intent in self.intents().iter().filter(|intent| intent["status"] == "processing") {
            let arrives = self.random.random_ratio(2, 3);
            let effect = if arrives { Effect::Arrive } else { Effect::Fail };
            self.shop.stripe.act(&field(intent, "id"), effect).expect("it is under way");
        }
    }

    /// All events come, and reconcile looks.
    async fn end(&mut self) {
        super::card(&self.shop, Card::Works);
        for _ in 0..3 {
            self.settle();
            self.events.extend(self.shop.stripe.take_events());
            for event in std::mem::take(&mut self.events) {
                assert_eq!(self.shop.take_notice(&event).await.status, 200, "{event}");
            }
            self.shop.stack.relay().await;
            self.shop.stack.clock.set(self.now() + Span::from_s(11 * MINUTE_S));
            let reconciled = self.shop.stack.mappings.fire("reconcile").await;
            reconciled.expect("reconciled");
            self.shop.stack.relay().await;
            self.allow().await;
        }
    }

    /// The credits of an order in the end, by what Stripe says: the part of the money that stayed.
    fn due(&self, order: &str) -> String {
        let intents = self.intents();
        let intent = intents.iter().find(|intent| order_of(intent) == order).expect("a payment");
        let of = |object: &&Value| object["payment_intent"] == intent["id"];
        let disputes = self.shop.stripe.objects("disputes");
        let charges = self.shop.stripe.objects("charges");
        let Some(charge) = charges.iter().find(of) else { return "0".to_owned() };
        if disputes.iter().filter(of).any(|dispute| dispute["status"] != "won") {
            return "0".to_owned();
        }
        let [amount, back] = ["amount", "amount_refunded"].map(|name| charge[name].as_i64());
        let (amount, back) = (amount.expect("money"), back.expect("money"));
        Credits::from_micro(500_000_000 * (amount - back) / amount).to_string()
    }

    async fn check(&self) {
        let seed = format!("SEED={}", self.seed);
        let row = self.row().await;
        assert_eq!(row.claim, None, "{seed}");
        let (mut charged, mut declines) = (BTreeMap::<Instant, u64>::new(), 0);
        let mut paid: BTreeMap<String, usize> = BTreeMap::new();
        let charges = self.shop.stripe.objects("charges");
        for (place, intent) in self.intents().iter().enumerate() {
            if self.consents.contains(&place) {
                declines = 0;
            }
            assert!(declines < MAX_DECLINES, "{seed}: charged after three declines");
            let of = |charge: &&Value| charge["payment_intent"] == intent["id"];
            let charges = charges.iter().filter(of).count();
            assert_eq!(charges, usize::from(intent["status"] == "succeeded"), "{seed}: {intent}");
            if charges == 0 {
                assert_eq!(intent["status"], "canceled", "{seed}: {intent}");
                declines += 1;
            } else {
                declines = 0;
                let made = Instant::from_ms(intent["created"].as_i64().expect("a time") * 1_000);
                *charged.entry(month(made).start).or_default() +=
                    intent["amount"].as_u64().expect("an amount");
            }
            let known = paid.insert(order_of(intent), charges);
            assert_eq!(known, None, "{seed}: two payments of one order");
        }
        for (month, charged) in charged {
            let allowed = self.allowed[&month];
            assert!(charged <= allowed, "{seed} {month}: {charged} of {allowed}");
        }
        let entries = ledger(&self.shop.stack.functions, "acme").await.expect("a ledger");
        for (order, times) in paid {
            let mut own = entries.iter().filter(|entry| entry["order"] == order.as_str());
            // What a won dispute gives back has a cause.
            let bought = |entry: &&Value| entry["kind"] == "topped_up" && entry["cause"].is_null();
            assert!(own.clone().filter(bought).count() <= times, "{seed}: {order}");
            let due =
                own.next_back().map_or("0", |entry| entry["due"].as_str().expect("an amount"));
            assert_eq!(due, self.due(&order), "{seed}: {order}");
        }
        let found = account(self.shop.stack.context(), &acme()).await.expect("audited");
        assert_eq!(found, [], "{seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_is_charged_within_the_month_and_once_an_order_whatever_fails() {
    let (first, lives) = (proof::seed(1), AUTO_LIVES.get());
    let (mut payments, mut months) = (0, 0);
    for seed in first..first + lives {
        let mut life = Life::begin(seed).await;
        for _ in 0..STEPS {
            life.step().await;
        }
        life.end().await;
        life.check().await;
        payments += life.intents().len();
        months += life.allowed.len();
    }
    AUTO_LIVES.say(format_args!("{lives} lives: {payments} charges of a card in {months} months"));
}
