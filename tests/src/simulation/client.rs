//! The clients: they send operations of every kind, with keys of every kind, and remember each
//! answer for the auditor.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use shared::decide::own_limit::LimitRequest;
use shared::domain::payment::{Dispute, DisputeStage, Facts, Refund, RefundStage};
use shared::domain::{Instant, Money, OperationId};

use super::auditor::{self, Answered, Exchange, Wanted};
use super::each::{self, Batch};
use super::named::{self, Named};
use super::rates::{self, Call};

/// An operation as a client sends it, until its outcome is known.
#[derive(Clone, Debug)]
pub struct Operation {
    pub account: usize,
    pub method: &'static str,
    pub path: String,
    pub key: String,
    pub body: String,
    /// The keys, and what was asked for with each, for the auditor.
    pub asked: Vec<(String, Wanted, Named)>,
    /// The action in place of a request, if it is about money.
    pub money: Option<Deal>,
}

impl Operation {
    fn space(&self) -> &'static str {
        auditor::space(self.method, &self.path)
    }
}

/// An action that is asked for without HTTP: about the money for packs, or about limits.
#[derive(Clone, Debug)]
pub enum Deal {
    /// An operator sets or removes a limit.
    Limit(LimitRequest),
    /// A customer orders a pack.
    Order,
    /// Stripe reports these facts about the payment of an order.
    Says(OperationId, Box<Facts>),
}

/// The clients of some accounts, `a0`, `a1`, ...: one seed draws all their operations.
pub struct Clients {
    random: RefCell<StdRng>,
    /// By account, in the order of the answers.
    ledgers: Vec<RefCell<Vec<Exchange>>>,
    /// The batches of mode `each` that were answered, by account.
    batches: Vec<RefCell<Vec<Batch>>>,
    /// The account that buys packs, if there is one. It has no holds: with holds and debts at once
    /// the auditor would have to know what each had at every instant.
    buyer: Option<usize>,
    /// The packs that were ordered.
    packs: RefCell<Vec<OperationId>>,
    /// Whether they ask for calls of the simulation's models, too.
    calls: bool,
    /// Draws the subjects and the limits of requests, if they have any. Drawn beside all else: no
    /// other choice depends on it.
    limits: Option<RefCell<StdRng>>,
}

impl Clients {
    /// `calls`: whether they ask for calls; `limits`: whether their requests name subjects.
    pub fn new(
        seed: u64,
        accounts: usize,
        buyer: Option<usize>,
        (calls, limits): (bool, bool),
    ) -> Clients {
        let random = RefCell::new(StdRng::seed_from_u64(seed));
        let ledgers = (0..accounts).map(|_| RefCell::default()).collect();
        let batches = (0..accounts).map(|_| RefCell::default()).collect();
        let packs = RefCell::default();
        let limits = limits.then(|| RefCell::new(StdRng::seed_from_u64(seed.rotate_left(32))));
        Clients { random, ledgers, batches, buyer, packs, calls, limits }
    }

    /// A random number in 0..bound.
    pub fn below(&self, bound: u64) -> u64 {
        self.random.borrow_mut().random_range(0..bound)
    }

    pub fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// The PUT that opens an account.
    pub fn opening(account: usize) -> Operation {
        Operation {
            account,
            method: "PUT",
            path: format!("/v1/accounts/a{account}"),
            key: "open".to_owned(),
            body: r#"{"plan":"free"}"#.to_owned(),
            asked: vec![("open".to_owned(), Wanted::Credits(25_000_000), Named::default())],
            money: None,
        }
    }

    /// Records the outcome of an operation. Without an answer the outcome is unknown.
    pub fn note(&self, operation: &Operation, times_ms: (i64, i64), answer: Option<Answered>) {
        let (sent_ms, answered_ms) = times_ms;
        let results = answer.as_ref().and_then(|answer| answer.body["results"].as_array());
        if let Some(results) = results {
            let asked = operation.asked.iter().map(|(_, wanted, _)| wanted.clone()).collect();
            let batch = Batch { sent_ms, answered_ms, asked, results: results.clone() };
            self.batches[operation.account].borrow_mut().push(batch);
        }
        let mut ledger = self.ledgers[operation.account].borrow_mut();
        let alone = results.is_some() || operation.asked.len() == 1;
        for (place, (key, wanted, named)) in operation.asked.iter().enumerate() {
            // Each debit of a batch is an operation of its own, with a receipt of its own.
            let answer = answer.clone().map(|answer| {
                let Answered { body, .. } = &answer;
                match (body.get("receipts"), body.get("results")) {
                    // The answer does not say which of them existed
                    // before: none counts as a first answer.
                    (Some(receipts), _) => {
                        Answered { body: receipts[place].clone(), replayed: true, ..answer }
                    }
                    (_, Some(results)) => each::answered(&results[place]),
                    // Of a debit beside the one that was refused as reused it says nothing.
                    _ if answer.status == 422
                        && body["index"].as_u64().is_some_and(|index| index != place as u64) =>
                    {
                        Answered { body: serde_json::Value::Null, ..answer }
                    }
                    _ => answer,
                }
            });
            let (key, wanted) = (format!("{}{key}", operation.space()), wanted.clone());
            let named = named.clone();
            ledger.push(Exchange { key, wanted, named, alone, sent_ms, answered_ms, answer });
        }
    }

    /// Forgets all exchanges of an account, and returns them.
    pub fn take(&self, account: usize) -> Vec<Exchange> {
        self.ledgers[account].take()
    }

    /// Forgets the batches of mode `each` of an account, and returns them.
    pub fn take_batches(&self, account: usize) -> Vec<Batch> {
        self.batches[account].take()
    }

    /// A client's next operation: one in ten was sent before. `number` counts its own.
    pub fn next(
        &self,
        account: usize,
        number: usize,
        sent: &[Operation],
        now_ms: i64,
    ) -> Operation {
        let again = !sent.is_empty() && self.below(10) == 0;
        match again {
            true => self.again(&sent[self.below(sent.len() as u64) as usize]),
            false => self.think(account, number, now_ms),
        }
    }

    /// A client's next new operation.
    fn think(&self, account: usize, number: usize, now_ms: i64) -> Operation {
        let base = format!("/v1/accounts/a{account}");
        let operation = |method, path: String, body: String, credits| {
            let key = self.key(number, now_ms);
            let asked = vec![(key.clone(), Wanted::Credits(credits), Named::default())];
            let mut new = Operation { account, method, path, key, body, asked, money: None };
            // An operator may have chosen a key that a service used.
            if new.space() == auditor::OPERATORS
                && let Some(key) = self.key_of_a_service(account)
            {
                (new.key, new.asked[0].0) = (key.clone(), key);
            }
            new
        };
        let amount = || {
            let micro = self.amount(account);
            (format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000), micro)
        };
        match self.below(100) {
            0..48 => self.debit(account, self.key(number, now_ms)),
            48..54 => self.batch(account, number, now_ms),
            54 => {
                // Refused: only the route names the account.
                let other = self.below(self.ledgers.len() as u64);
                let body = format!(r#"{{"credits":"0.25","account":"a{other}"}}"#);
                operation("POST", format!("{base}/debits"), body, -250_000)
            }
            55..75 if self.buyer == Some(account) => self.deal(account, self.key(number, now_ms)),
            55..64 => {
                let life_s = self.pick(&[1, 2, 60, 300, 86_400]);
                if self.calls && self.below(2) == 0 {
                    let (call, body) = self.call(&format!(r#","expires_in_s":{life_s}"#));
                    let mut hold = operation("POST", format!("{base}/holds"), body, 0);
                    hold.asked[0].1 = Wanted::Call(call);
                    return self.named(hold);
                }
                let (credits, micro) = amount();
                let body = format!(r#"{{"credits":"{credits}","expires_in_s":{life_s}}}"#);
                self.named(operation("POST", format!("{base}/holds"), body, -micro))
            }
            64..75 => {
                let Some((hold, model)) = self.receipt_of(account, "hold") else {
                    return self.debit(account, self.key(number, now_ms));
                };
                let (credits, micro) = match self.below(12) {
                    0 => ("0".to_owned(), 0),
                    _ => amount(),
                };
                let ends = self.below(2) == 0;
                match self.below(11) {
                    0..7 if model.is_some() && self.below(4) > 0 => {
                        let ((meters, sent), beyond) = (self.meters(), self.below(2) == 0);
                        let body =
                            format!(r#"{{"meters":{sent},"final":{ends},"beyond":{beyond}}}"#);
                        let path = format!("{base}/holds/{hold}/capture");
                        let mut capture = operation("POST", path, body, 0);
                        let model = model.unwrap_or_default();
                        capture.asked[0].1 = Wanted::Call(Call { model, meters });
                        capture
                    }
                    0..7 => {
                        let (ends, beyond) = (ends || micro == 0, micro % 2 == 0);
                        let body = format!(
                            r#"{{"credits":"{credits}","final":{ends},"beyond":{beyond}}}"#
                        );
                        operation("POST", format!("{base}/holds/{hold}/capture"), body, -micro)
                    }
                    7..9 => {
                        let path = format!("{base}/holds/{hold}/release");
                        operation("POST", path, "{}".to_owned(), 0)
                    }
                    _ => {
                        let life_s = self.pick(&[1, 30, 3_600]);
                        let body = format!(r#"{{"expires_in_s":{life_s}}}"#);
                        operation("POST", format!("{base}/holds/{hold}/extend"), body, 0)
                    }
                }
            }
            75..82 => {
                let Some((debit, _)) = self.receipt_of(account, "debit") else {
                    return self.debit(account, self.key(number, now_ms));
                };
                let (credits, micro) = amount();
                let body = format!(r#"{{"credits":"{credits}","reason":"sim"}}"#);
                operation("POST", format!("{base}/debits/{debit}/refund"), body, micro)
            }
            82..85 => {
                let Some((grant, _)) = self.receipt_of(account, "grant") else {
                    return self.debit(account, self.key(number, now_ms));
                };
                let path = format!("{base}/grants/{grant}/revoke");
                operation("POST", path, r#"{"reason":"sim"}"#.to_owned(), 0)
            }
            85..92 => {
                let credits = self.below(40) + 1;
                let days = self.pick(&[1, 5, 9]);
                let expires_at = Instant::from_ms(now_ms + days * 86_400_000 + 7);
                let body = format!(
                    r#"{{"credits":"{credits}","reason":"sim","expires_at":"{expires_at}"}}"#
                );
                operation("POST", format!("{base}/grants"), body, credits as i64 * 1_000_000)
            }
            92..94 if self.buyer == Some(account) => {
                let path = format!("{base}/debt/waive");
                operation("POST", path, r#"{"reason":"sim"}"#.to_owned(), 0)
            }
            92..96 => {
                let word = self.pick(&["freeze", "unfreeze", "unfreeze"]);
                operation("POST", format!("{base}/{word}"), r#"{"reason":"sim"}"#.to_owned(), 0)
            }
            _ => {
                let plan = self.pick(&["free", "free", "pro", "standard"]);
                let status = self.pick(&["active", "active", "past_due", "canceled"]);
                let body = format!(r#"{{"plan":"{plan}","status":"{status}"}}"#);
                operation("PUT", base.clone(), body, 0)
            }
        }
    }

    /// What another client does while one captures, one time in two: it captures of the same hold, or releases one.
    pub fn beside(&self, capture: &Operation, number: usize, now_ms: i64) -> Option<Operation> {
        let account = capture.account;
        if !capture.path.ends_with("/capture") || self.below(2) == 0 {
            return None;
        }
        let key = self.key(1_000_000 + number, now_ms);
        let mut other = Operation { key: key.clone(), ..capture.clone() };
        other.asked[0].0 = key;
        if self.below(2) == 0 {
            let (hold, _) = self.receipt_of(account, "hold")?;
            other.path = format!("/v1/accounts/a{account}/holds/{hold}/release");
            (other.body, other.asked[0].1) = ("{}".to_owned(), Wanted::NOTHING);
        }
        Some(other)
    }

    /// One time in four, a key that a service has used.
    fn key_of_a_service(&self, account: usize) -> Option<String> {
        self.key_of(account, |exchange| !exchange.key.starts_with(auditor::OPERATORS))
    }

    /// One time in four, a key that was used for such an exchange.
    fn key_of(&self, account: usize, such: impl Fn(&Exchange) -> bool) -> Option<String> {
        let ledger = self.ledgers[account].borrow();
        let used = ledger.iter().rev().filter(|exchange| such(exchange));
        let used: Vec<&Exchange> = used.take(20).collect();
        match used.is_empty() || self.below(4) > 0 {
            true => None,
            false => Some(used[self.below(used.len() as u64) as usize].key.clone()),
        }
    }

    pub fn debit(&self, account: usize, key: String) -> Operation {
        let (wanted, body) = match self.calls && self.below(3) == 0 {
            true => {
                let (call, body) = self.call("");
                (Wanted::Call(call), body)
            }
            false => {
                let micro = self.amount(account);
                let credits = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
                (Wanted::Credits(-micro), format!(r#"{{"credits":"{credits}"}}"#))
            }
        };
        let path = format!("/v1/accounts/a{account}/debits");
        let asked = vec![(key.clone(), wanted, Named::default())];
        self.named(Operation { account, method: "POST", path, key, body, asked, money: None })
    }

    /// The charge with a user, subjects and limits, if the requests name any.
    fn named(&self, mut charge: Operation) -> Operation {
        let Some(limits) = &self.limits else { return charge };
        let named = Named::draw(&mut limits.borrow_mut());
        charge.body = named.body(&charge.body);
        charge.asked[0].2 = named;
        charge
    }

    /// One time in six, a change of an account's own limits.
    pub fn limit(&self, account: usize) -> Option<Operation> {
        let mut random = self.limits.as_ref()?.borrow_mut();
        if random.random_range(0..6) > 0 {
            return None;
        }
        let request = named::draw_limit(&mut random);
        let key = format!("limit {}", random.random::<u64>());
        let asked = vec![(key.clone(), Wanted::limit(&request), Named::default())];
        let (path, body, money) = (String::new(), String::new(), Some(Deal::Limit(request)));
        Some(Operation { account, method: "PUT", path, key, body, asked, money })
    }

    /// A call, and the body that asks for it, with more fields behind.
    fn call(&self, more: &str) -> (Call, String) {
        let (model, _) = self.pick(&rates::MODELS);
        let (meters, sent) = self.meters();
        let body = format!(r#"{{"action":"chat","model":"{model}","meters":{sent}{more}}}"#);
        (Call { model: model.to_owned(), meters }, body)
    }

    /// Meters, and how they are sent: few tokens, about as many as the tier begins at, or so many
    /// that they cost credits.
    fn meters(&self) -> (BTreeMap<String, u64>, String) {
        let most = self.pick(&[4, 4, 1_500, 1_500, 1_000_000, 10_000_000]);
        let sent = ["input", "cached_input", "output"].map(|meter| {
            let counts = self.below(3) > 0 || meter == "input";
            (meter, if counts { self.below(most) } else { 0 })
        });
        let fields = sent.map(|(meter, count)| format!(r#""{meter}":{count}"#)).join(",");
        let counted = sent.into_iter().filter(|(_, count)| *count > 0);
        let meters = counted.map(|(meter, count)| (meter.to_owned(), count)).collect();
        (meters, format!("{{{fields}}}"))
    }

    /// A customer orders a pack, or Stripe reports on an order: that it was paid, and mostly one of
    /// all other facts, in any order and any number of times.
    fn deal(&self, account: usize, key: String) -> Operation {
        let packs = self.packs.borrow();
        let money = match packs.is_empty() || self.below(8) == 0 {
            true => Deal::Order,
            false => {
                let order = packs[self.below(packs.len() as u64) as usize];
                let money = |minor| Money { minor, currency: "usd".parse().expect("a currency") };
                let mut facts = Facts {
                    orders: BTreeSet::from([order]),
                    accounts: BTreeSet::from([format!("a{account}")]),
                    modes: BTreeSet::from([false]),
                    paid: BTreeSet::from([money(4_900)]),
                    ..Facts::default()
                };
                match self.below(4) {
                    0 => {}
                    1 => {
                        let stage = self.pick(&[DisputeStage::Open, DisputeStage::Won]);
                        let dispute = Dispute { stage, money: money(4_900) };
                        facts.disputes.insert("dp".to_owned(), dispute);
                    }
                    _ => {
                        let (id, minor) =
                            self.pick(&[("re_1", 700), ("re_2", 1_300), ("re_3", 401)]);
                        let stage = self.pick(&[RefundStage::Going, RefundStage::Undone]);
                        facts.refunds.insert(id.to_owned(), Refund { stage, money: money(minor) });
                    }
                }
                Deal::Says(order, Box::new(facts))
            }
        };
        let (method, path, body, asked) = ("POST", String::new(), String::new(), Vec::new());
        Operation { account, method, path, key, body, asked, money: Some(money) }
    }

    /// Remembers that a pack was ordered.
    pub fn ordered(&self, order: OperationId) {
        let mut packs = self.packs.borrow_mut();
        if !packs.contains(&order) {
            packs.push(order);
        }
    }

    /// An amount large enough that packs are used up as well.
    fn amount(&self, account: usize) -> i64 {
        let most = if self.buyer == Some(account) { 90_000_000 } else { 3_000_000 };
        (self.below(most) + 1) as i64
    }

    /// Up to five debits in one batch. Of one of mode `each` some have keys that were used before.
    fn batch(&self, account: usize, number: usize, now_ms: i64) -> Operation {
        let mut debits: Vec<Operation> = Vec::new();
        let mode = match self.below(4) > 0 {
            true => "each",
            false => "all_or_nothing",
        };
        for place in 0..=self.below(5) as usize {
            // A refund has a record of its key, and no id: the key is not one of those.
            let spends = |exchange: &Exchange| exchange.wanted.spends();
            let used = (mode == "each" && self.below(4) == 0).then(|| self.key_of(account, spends));
            let key = used.flatten().unwrap_or_else(|| self.key(number * 10 + place, now_ms));
            debits.push(self.debit(account, key));
        }
        let bodies: Vec<String> = debits
            .iter()
            .map(|debit| debit.body.replacen('{', &format!(r#"{{"id":"{}","#, debit.key), 1))
            .collect();
        Operation {
            account,
            method: "POST",
            path: format!("/v1/accounts/a{account}/debits/batch"),
            key: format!("batch {number}"),
            body: format!(r#"{{"mode":"{mode}","debits":[{}]}}"#, bodies.join(",")),
            asked: debits.into_iter().flat_map(|debit| debit.asked).collect(),
            money: None,
        }
    }

    /// The id of a hold, a debit or a grant that has a receipt, mostly a recent one, and its model;
    /// now and then an unknown id.
    fn receipt_of(&self, account: usize, kind: &str) -> Option<(String, Option<String>)> {
        let ledger = self.ledgers[account].borrow();
        let ids = ledger.iter().rev().filter_map(|exchange| {
            let body = &exchange.answer.as_ref().filter(|answer| answer.status == 201)?.body;
            let other = |name| body.get(name).is_some();
            let is_hold = other("expires_at") && !other("hold") && !other("kind");
            // The captured part of a hold can be refunded as well.
            let is_debit = exchange.wanted.spends() && !is_hold;
            let is_grant = other("kind");
            let fits = match kind {
                "hold" => is_hold,
                "grant" => is_grant,
                _ => is_debit,
            };
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            Some((text("id").filter(|_| fits)?, text("model")))
        });
        let ids: Vec<_> = ids.take(if self.below(4) == 0 { 40 } else { 4 }).collect();
        match self.below(30) {
            0 => Some(("01a20132-08af-7fb3-8350-6bdcd05e3b83".to_owned(), None)),
            _ if ids.is_empty() => None,
            _ => Some(ids[self.below(ids.len() as u64) as usize].clone()),
        }
    }

    /// An operation that was sent before: the same again, or another debit with its key.
    fn again(&self, before: &Operation) -> Operation {
        match self.below(8) == 0 && before.path.ends_with("/debits") {
            true => self.debit(before.account, before.asked[0].0.clone()),
            false => Operation { key: self.spelled(&before.key), ..before.clone() },
        }
    }

    /// The same key, now and then in upper or in lower case.
    fn spelled(&self, key: &str) -> String {
        let is_id = !key.contains(' ') && key.len() >= 26;
        match is_id && self.below(3) == 0 {
            true if key.contains('-') => key.to_uppercase(),
            true => key.to_lowercase(),
            false => key.to_owned(),
        }
    }

    /// A new id, an id that is old, ahead or almost too old, or a key that is no id.
    fn key(&self, number: usize, now_ms: i64) -> String {
        let age_ms = match self.below(20) {
            0..11 => self.below(50) as i64 - 10,
            11 => -(self.below(20_000) as i64),
            12 => 120_000 - self.below(6_000) as i64,
            13 => self.below(150_000) as i64,
            14 => self.below(3_000_000) as i64,
            _ => return format!("job {number} {}", self.below(1 << 40)),
        };
        let random = self.random.borrow_mut().random();
        let id = OperationId::mint(Instant::from_ms(now_ms - age_ms), random);
        match self.below(10) {
            0 => ulid::Ulid::from_bytes(*id.bytes()).to_string(),
            _ => id.to_string(),
        }
    }
}
