//! Two tables restored to different moments: every pair of moments is audited, repaired, audited
//! again, and asked for earlier operations.

use std::collections::BTreeMap;

use ::audit::{Difference, Kind};
use cli::repair::Done;
use local::stripe::{Effect, WEBHOOK_SECRET};
use serde_json::Value;
use shared::secrets::Secret;
use shared::stripe::StripeAccount;
use tests::proof::PAIRS;
use tokio::task::JoinSet;

use crate::support::items;
use crate::support::shop::Shop;
use crate::support::wire::Items;
use crate::support::{Stack, ledger, request};

/// The end of the story, from which every torn pair continues.
const ENDS: &str = "2026-11-19T12:00:00Z";
/// How often an action that asks Stripe is started.
const TRIES: usize = 4;
/// How many pairs run concurrently: most of their time they wait.
const AT_ONCE: usize = 4;

/// A request that can be resent: method, path, key and body.
type Sent = (&'static str, String, String, String);

/// A story in which every kind of item is written, and every moment of its two tables.
async fn story() -> (Shop, Vec<Vec<Items>>, Vec<Sent>) {
    let shop = Shop::streamed().await;
    let stack = &shop.stack;
    let names = local::tables::names();
    stack.wire.keep_moments(&[names.accounts, names.ledger]);
    let mut sent = Vec::new();
    let mut send = async |path: &str, key: &str, body: &str| {
        let path = format!("/v1/accounts/acme{path}");
        let method = if path == "/v1/accounts/acme" { "PUT" } else { "POST" };
        let answer = stack.send(request(method, &path, Some(key), body)).await;
        assert!(answer.status < 300, "{answer:?}");
        sent.push((method, path, key.to_owned(), body.to_owned()));
        answer
    };
    send("", "open", r#"{"plan":"pro"}"#).await;
    let debit = send("/debits", "first video", r#"{"credits":"3"}"#).await.text("/id").to_owned();
    send("/grants", "welcome", r#"{"credits":"100","reason":"welcome"}"#).await;
    for _ in 0..2 {
        let debits: Vec<Value> = (0..11)
            .map(|_| serde_json::json!({ "id": stack.id(0).to_string(), "credits": "1.000001" }))
            .collect();
        let body = serde_json::json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
        let answer = stack.send(request("POST", "/v1/accounts/acme/debits/batch", None, &body));
        assert!(answer.await.status < 300);
    }
    stack.relay().await;
    let hold = send("/holds", "a hold", r#"{"credits":"5","expires_in_s":86400}"#).await;
    let (order, session) = shop.begin("acme", "a pack", "starter").await;
    assert!(!order.is_empty());
    shop.act(&session, Effect::Pay).await;
    let refund = format!("/debits/{debit}/refund");
    send(&refund, "it failed", r#"{"credits":"2","reason":"it failed"}"#).await;
    let capture = format!("/holds/{}/capture", hold.text("/id"));
    send(&capture, "delivered", r#"{"credits":"4"}"#).await;
    shop.act(&session, Effect::Refund { minor: Some(1400) }).await;
    send("/debits", "another video", r#"{"credits":"2"}"#).await;
    let moments = stack.wire.take_moments();
    (shop, moments, sent)
}

/// The accounts of one moment with the ledger of another, and the Stripe of the story.
async fn restored(shop: &Shop, accounts: &Items, ledger: &Items) -> Stack {
    let stack = Stack::at(ENDS).await;
    items::put(&stack.tables(), accounts, ledger).await;
    let stripe = shop.stack.functions.stripe().clone();
    let functions = stack.functions.with_stripe(stripe, Secret::fixed(WEBHOOK_SECRET));
    Stack { functions, ..stack }
}

async fn audited(stack: &Stack, with_stripe: bool) -> Vec<Difference> {
    let functions = &stack.functions;
    let stripe = with_stripe.then(|| StripeAccount::Client(functions.stripe().clone()));
    for _ in 0..TRIES {
        // On a busy machine Stripe may answer late: then it is asked again.
        let report = ::audit::report(functions.context(), stripe.as_ref(), None, |_| ()).await;
        let Ok(report) = report else { continue };
        if report.differences.iter().all(|found| found.kind != Kind::StripeUnreachable) {
            return report.differences;
        }
    }
    panic!("the audit came to no end");
}

/// The result of a pair.
#[derive(Debug, Default)]
struct Told {
    found: BTreeMap<&'static str, usize>,
    repaired: usize,
    parked: usize,
    /// Operations that were resent, and had happened.
    evidence: usize,
    /// The errors of the pair.
    wrong: Vec<String>,
}

impl Told {
    fn still(&mut self, when: &str, found: Vec<Difference>) {
        let left = found.iter().filter(|difference| !difference.parked);
        self.wrong.extend(left.map(|difference| format!("{when}: {difference}")));
    }
}

async fn play(shop: Shop, accounts: Items, scanned: Items, sent: Vec<Sent>) -> Told {
    let stack = restored(&shop, &accounts, &scanned).await;
    let mut told = Told::default();
    // No relay plays in the story, so no moment has a row of the directory, torn or whole.
    let torn = |difference: &Difference| !matches!(difference.kind, Kind::Directory { .. });
    for difference in audited(&stack, false).await.into_iter().filter(torn) {
        *told.found.entry(difference.kind.name()).or_default() += 1;
    }
    let (context, stripe) = (stack.functions.context(), stack.functions.stripe());
    let mut acts = cli::repair::run(context, Some(stripe), None, false).await;
    for _ in 1..TRIES {
        if acts.is_err() {
            acts = cli::repair::run(context, Some(stripe), None, false).await;
        }
    }
    for act in acts.expect("repaired") {
        match act.done {
            Done::Repaired => told.repaired += 1,
            Done::Parked => told.parked += 1,
            Done::Left => told.wrong.push(format!("left: {}", act.difference)),
        }
    }
    told.still("repaired", audited(&stack, true).await);
    // Operations in the ledger happened: resent, they do not happen again. If entries are lost, the
    // ledger cannot be listed, and the account is frozen.
    let Ok(before) = ledger(&stack.functions, "acme").await else { return told };
    let count = |entries: &[Value], key: &str| entries.iter().filter(|e| e["key"] == key).count();
    for (method, path, key, body) in &sent {
        let answer = stack.send(request(method, path, Some(key), body)).await;
        if answer.status >= 500 {
            told.wrong.push(format!("{key} is answered {}", answer.body));
        }
        let after = ledger(&stack.functions, "acme").await.expect("a listing");
        let happened = (count(&before, key), count(&after, key));
        told.evidence += happened.0;
        if !matches!(happened, (0, 0 | 1) | (1, 1)) {
            told.wrong.push(format!("{key} happened {happened:?} times"));
        }
    }
    told.still("sent again", audited(&stack, true).await);
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_torn_pair_is_repaired_and_nothing_is_charged_twice() {
    let (shop, moments, sent) = story().await;
    let every = usize::try_from(PAIRS.get()).expect("a small number");
    let mut playing: JoinSet<((usize, usize), Told)> = JoinSet::new();
    let mut all = Vec::new();
    let bar = PAIRS.bar((moments.len().pow(2) / every) as u64);
    for i in 0..moments.len() {
        for j in (0..moments.len()).filter(|j| (i + 2 * j) % every == 0) {
            if playing.len() == AT_ONCE {
                let played = playing.join_next().await.expect("one plays");
                all.push(played.expect("no pair panics"));
            }
            let (accounts, scanned) = (moments[i][0].clone(), moments[j][1].clone());
            let (shop, sent) = (shop.clone(), sent.clone());
            bar.inc(1);
            playing.spawn(async move { ((i, j), play(shop, accounts, scanned, sent).await) });
        }
    }
    while let Some(played) = playing.join_next().await {
        all.push(played.expect("no pair panics"));
    }
    bar.finish_and_clear();
    let (mut found, mut wrong) = (BTreeMap::new(), Vec::new());
    let (mut tears, mut parked, mut repairs, mut questions, mut evidence) = (0, 0, 0, 0, 0);
    for ((i, j), told) in &all {
        assert!(i != j || told.found.is_empty(), "moment {i} was whole: {told:?}");
        wrong.extend(told.wrong.iter().map(|wrong| format!("accounts@{i} ledger@{j} {wrong}")));
        evidence += told.evidence;
        if told.found.is_empty() {
            continue;
        }
        tears += 1;
        parked += usize::from(told.parked > 0);
        (repairs, questions) = (repairs + told.repaired, questions + told.parked);
        for (name, count) in &told.found {
            *found.entry(*name).or_insert(0) += count;
        }
    }
    PAIRS.say(format_args!(
        "{} moments, {} pairs: {tears} torn, {} repaired, {parked} parked; {repairs} repairs, \
         {questions} differences parked; {evidence} operations sent again. Found {found:?}",
        moments.len(),
        all.len(),
        tears - parked,
    ));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tears > all.len() / 3, "{tears}");
}
