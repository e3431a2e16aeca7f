//! Batches of mode `each`: as if their debits had been sent one after the other at one instant.

use std::time::Duration;

use serde_json::{Value, json};
use shared::domain::OperationId;

use crate::protocol::capacity::tick;
use crate::support::{Answer, Stack, at_once, request};

const PATH: &str = "/v1/accounts/acme/debits/batch";

/// Sends debits by amount as a batch of this mode.
pub(crate) async fn batch(stack: &Stack, mode: &str, debits: &[(&str, &str)]) -> Answer {
    let debits = debits.iter().map(|(id, credits)| json!({ "id": id, "credits": credits }));
    let body = json!({ "mode": mode, "debits": debits.collect::<Vec<_>>() });
    stack.send(request("POST", PATH, None, &body.to_string())).await
}

/// Sends debits by amount, each of which stands alone.
pub(crate) async fn each(stack: &Stack, debits: &[(&str, &str)]) -> Answer {
    batch(stack, "each", debits).await
}

/// The status of each result.
pub(crate) fn statuses(answer: &Answer) -> Vec<u64> {
    let results = answer.body["results"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    results.iter().map(|result| result["status"].as_u64().expect("a status")).collect()
}

async fn with(credits: &str) -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    leave(&stack, credits).await;
    stack
}

/// Spends what an account on `free` has, but for this much.
async fn leave(stack: &Stack, credits: &str) {
    let left: i32 = credits.parse().expect("whole credits");
    let spent = stack.debit("acme", "before", &(25 - left).to_string()).await;
    assert_eq!(spent.available(), credits);
}

#[tokio::test]
async fn each_debit_that_what_is_left_covers_passes() {
    let stack = with("20").await;
    let debits = [("a", "8"), ("b", "50"), ("c", "7")];
    let first = each(&stack, &debits).await;
    assert_eq!((first.status, first.replayed), (200, false));
    assert_eq!((first.text("/account"), statuses(&first)), ("acme", vec![201, 402, 201]));
    assert_eq!(first.text("/results/0/receipt/balance/available"), "12");
    let problem = &first.body["results"][1]["problem"];
    assert_eq!((&problem["required"], &problem["available"]), (&"50".into(), &"12".into()));
    assert_eq!(problem["shortfall"], "38");
    assert_eq!(first.text("/results/2/receipt/balance/available"), "5");
    // Sent again, it replays what happened; nothing remembers the refusal.
    let again = each(&stack, &debits).await;
    assert_eq!((again.replayed, statuses(&again)), (false, vec![201, 402, 201]));
    assert_eq!(again.text("/results/1/problem/available"), "5");
    stack.grant("acme", "more", "100").await;
    let later = each(&stack, &debits).await;
    assert_eq!(statuses(&later), [201, 201, 201]);
    for n in [0, 2] {
        let receipt = format!("/results/{n}/receipt");
        assert_eq!(later.body.pointer(&receipt), first.body.pointer(&receipt));
    }
    let replayed = |n: usize| &later.body["results"][n]["replayed"];
    assert_eq!([replayed(0), replayed(1), replayed(2)], [true, false, true]);
    // One of them alone is the same operation.
    let alone = stack.debit("acme", "b", "50").await;
    assert_eq!((alone.replayed, &alone.body), (true, &later.body["results"][1]["receipt"]));
    assert_eq!(stack.balance("acme").await.text("/available"), "55");
}

/// All pass: the one write that a batch of the other mode sends; and of one debit, the write of a
/// debit alone.
#[tokio::test]
async fn a_batch_that_fits_sends_the_same_write_in_both_modes() {
    let mut sent = Vec::new();
    for mode in ["alone", "each", "all_or_nothing"] {
        for debits in [&[("a", "1")][..], &[("a", "1"), ("b", "2"), ("c", "3")]] {
            let stack = Stack::still("2026-11-18T12:00:00Z").await;
            stack.open("acme", "free").await;
            stack.wire.take_costs();
            match mode {
                "alone" => stack.debit("acme", debits[0].0, debits[0].1).await,
                _ => batch(&stack, mode, debits).await,
            };
            assert_eq!(stack.wire.take_costs().calls("UpdateItem"), 1);
            sent.push(stack.wire.last_request("UpdateItem"));
        }
    }
    assert_eq!((&sent[2], &sent[3]), (&sent[4], &sent[5]));
    assert_eq!(sent[0], sent[2]);
}

#[tokio::test]
async fn if_none_fits_one_refused_write_answers_all() {
    let stack = with("20").await;
    stack.wire.take_costs();
    let none = each(&stack, &[("a", "21"), ("b", "50")]).await;
    // The keys are names: the calls are those of two aliases and of the write.
    assert_eq!(stack.wire.take_costs().calls("UpdateItem"), 1);
    assert_eq!((none.status, statuses(&none)), (200, vec![402, 402]));
    let shortfall = |n: usize| &none.body["results"][n]["problem"]["shortfall"];
    assert_eq!([shortfall(0), shortfall(1)], ["1", "30"]);
}

#[tokio::test]
async fn a_closed_gate_refuses_each_debit_in_its_place() {
    let stack = with("20").await;
    stack.post("/v1/accounts/acme/freeze", "freeze", r#"{"reason":"abuse"}"#).await;
    let frozen = each(&stack, &[("a", "1"), ("before", "5"), ("b", "30")]).await;
    assert_eq!(statuses(&frozen), [403, 201, 403]);
    for (place, required) in [(0, "1"), (2, "30")] {
        let problem = &frozen.body["results"][place]["problem"];
        assert_eq!(
            (&problem["code"], &problem["required"]),
            (&json!("account_frozen"), &json!(required))
        );
        assert_eq!(problem["available"], "20");
    }
    stack.post("/v1/accounts/acme/unfreeze", "unfreeze", r#"{"reason":"cleared"}"#).await;
    let open = each(&stack, &[("a", "1"), ("b", "30")]).await;
    assert_eq!(statuses(&open), [201, 402]);
}

/// What is wrong with one debit stands in its place, and is the body of a debit alone.
#[tokio::test]
async fn a_debit_that_cannot_happen_is_refused_in_its_place_alone() {
    let stack = with("20").await;
    let (ahead, late) = (stack.id(-60_000).to_string(), stack.id(30_000).to_string());
    let debits = json!([
        { "id": "a", "action": "no_such", "quantity": 1 },
        { "id": "before", "credits": "6" },
        { "id": ahead, "credits": "1" },
        { "id": late, "action": "rich_text", "quantity": 2 },
        { "id": "before", "credits": "5", "user": "ann" },
    ]);
    let mut debits = debits.as_array().expect("a list").clone();
    let other = debits.pop().expect("a debit");
    let body = |debits: &[Value]| json!({ "mode": "each", "debits": debits }).to_string();
    let answer = stack.send(request("POST", PATH, None, &body(&debits))).await;
    assert_eq!(statuses(&answer), [422, 422, 400, 201]);
    let code = |n: usize| &answer.body["results"][n]["problem"]["code"];
    assert_eq!([code(0), code(1), code(2)], ["unknown_action", "operation_reused", "key_ahead"]);
    assert_eq!(answer.text("/results/3/receipt/balance/available"), "18");
    let reused = stack.send(request("POST", PATH, None, &body(&[other]))).await;
    assert_eq!(statuses(&reused), [422]);
    for (n, mut debit) in debits.into_iter().enumerate().take(2) {
        let key = debit.as_object_mut().and_then(|debit| debit.shift_remove("id"));
        let key = key.expect("an id");
        let key = key.as_str().expect("text");
        let alone = stack.post("/v1/accounts/acme/debits", key, &debit.to_string()).await;
        assert_eq!(alone.body, answer.body["results"][n]["problem"]);
    }
    assert_eq!(stack.balance("acme").await.text("/available"), "18");
}

#[tokio::test]
async fn a_malformed_batch_and_a_missing_account_are_refused_whole() {
    let stack = with("20").await;
    let uuid = stack.id(0).to_string();
    let ulid = ulid::Ulid::from_bytes(*OperationId::parse(&uuid).expect("an id").bytes());
    for (debits, field) in [
        (json!([{ "id": "a", "credits": "1" }, { "id": "a", "credits": "1" }]), "debits[1].id"),
        (
            json!([{ "id": uuid, "credits": "1" }, { "id": ulid.to_string(), "credits": "1" }]),
            "debits[1].id",
        ),
        (
            json!([{ "id": uuid, "action": "no_such", "quantity": 1 },
                { "id": ulid.to_string(), "credits": "1" }]),
            "debits[1].id",
        ),
        (
            json!([{ "id": "a", "credits": "1" }, { "id": "b", "credits": "-1" }]),
            "debits[1].credits",
        ),
        (
            json!([{ "id": "a", "action": "no_such", "quantity": 1 },
                { "id": "b", "action": "rich_text", "quantity": 100_001 }]),
            "debits[1].quantity",
        ),
        (json!([]), "debits"),
    ] {
        let body = json!({ "mode": "each", "debits": debits }).to_string();
        let refused = stack.send(request("POST", PATH, None, &body)).await;
        assert_eq!((refused.status, refused.text("/fields/0/field")), (400, field), "{body}");
    }
    assert_eq!(stack.balance("acme").await.text("/available"), "20");
    let body = r#"{"mode":"each","debits":[{"id":"a","credits":"1"}]}"#;
    let missing = request("POST", "/v1/accounts/nobody/debits/batch", None, body);
    let missing = stack.send(missing).await;
    assert_eq!((missing.status, missing.code()), (404, "account_not_found"));
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_hold_gives_its_credits_back_before_a_debit_is_refused() {
    let stack = Stack::paced("2026-11-18T12:00:00Z").await;
    stack.open("acme", "free").await;
    let hold = r#"{"credits":"20","expires_in_s":1}"#;
    assert_eq!(stack.post("/v1/accounts/acme/holds", "hold", hold).await.status, 201);
    let early = each(&stack, &[("a", "4"), ("b", "15"), ("c", "1")]).await;
    assert_eq!(statuses(&early), [201, 402, 201]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let late = each(&stack, &[("b", "15"), ("d", "6"), ("e", "5")]).await;
    assert_eq!(statuses(&late), [201, 402, 201]);
    assert_eq!(late.text("/results/1/problem/available"), "5");
}

#[tokio::test]
async fn archived_debits_are_replayed_beside_new_ones() {
    let stack = with("20").await;
    let old = [stack.id(0).to_string(), stack.id(0).to_string()];
    let first = each(&stack, &[(&old[0], "1"), ("named", "2")]).await;
    for n in 0..40 {
        let filler = stack.debit("acme", &stack.id(0).to_string(), "0.1").await;
        assert_eq!(filler.status, 201, "{n}");
    }
    let debits = [("x", "12"), (&old[0][..], "1"), (&old[1], "50"), ("named", "2"), ("y", "0.5")];
    let later = each(&stack, &debits).await;
    assert_eq!(statuses(&later), [201, 201, 402, 201, 201]);
    assert_eq!(later.body["results"][1]["receipt"], first.body["results"][0]["receipt"]);
    assert_eq!(later.body["results"][3]["receipt"], first.body["results"][1]["receipt"]);
    assert_eq!(later.text("/results/2/problem/available"), "1");
    assert_eq!(stack.balance("acme").await.text("/available"), "0.5");
    // An old id of another request.
    let reused = each(&stack, &[("z", "0.1"), (&old[0], "2")]).await;
    assert_eq!(statuses(&reused), [201, 422]);
}

/// Credits arrive between the refused write and the one of those that fit.
#[tokio::test(start_paused = true)]
async fn a_debit_that_fits_by_the_returned_account_is_not_refused() {
    for (held, expected, left) in [("60", [201, 201, 201], "15"), ("40", [201, 402, 201], "45")] {
        let stack = Stack::paced("2026-11-18T12:00:00Z").await;
        stack.open("acme", "free").await;
        leave(&stack, "20").await;
        stack.grant("acme", "grant", held).await;
        let hold = format!(r#"{{"credits":"{held}"}}"#);
        let hold = stack.post("/v1/accounts/acme/holds", "hold", &hold).await;
        let release = format!("/v1/accounts/acme/holds/{}/release", hold.text("/id"));
        let ids = [0, 1, 2].map(|_| stack.id(0).to_string());
        let release_id = stack.id(0).to_string();
        stack.wire.set_call(Duration::from_millis(10));
        let batch = async {
            // A release reads the account first.
            tokio::time::sleep(Duration::from_millis(8)).await;
            each(&stack, &[(&ids[0], "8"), (&ids[1], "50"), (&ids[2], "7")]).await
        };
        let (answer, released) = tokio::join!(batch, stack.post(&release, &release_id, "{}"));
        assert_eq!(released.status, 201, "{released:?}");
        assert_eq!(statuses(&answer), expected, "{answer:?}");
        let seq = |n: usize| answer.body["results"][n]["receipt"]["seq"].as_u64();
        assert!(released.body["seq"].as_u64() < seq(0), "the release came in between: {answer:?}");
        if expected[1] == 402 {
            // At its place were 52: it is refused by what is there now.
            assert_eq!(answer.text("/results/1/problem/available"), "45");
        }
        assert_eq!(stack.balance("acme").await.text("/available"), left);
    }
}

#[tokio::test]
async fn a_batch_of_24_where_some_do_not_fit_costs_one_write_more() {
    const BATCHES: usize = 40;
    for (over, most, writes) in [(0, 0.13, 1), (4, 0.18, 2)] {
        let stack = Stack::ticking().await;
        stack.open("acme", "pro").await;
        stack.grant("acme", "grant", "100").await;
        stack.wire.take_costs();
        for _ in 0..BATCHES {
            tick(&stack);
            let (now, context) = (stack.context().clock.now(), stack.context());
            let ids: Vec<String> = (0..24).map(|_| context.entropy.mint(now).to_string()).collect();
            let credits = |n: usize| if n < over { "100000" } else { "0.5" };
            let debits: Vec<_> = ids.iter().zip(0..).map(|(id, n)| (&**id, credits(n))).collect();
            let answer = each(&stack, &debits).await;
            let passed = statuses(&answer).iter().filter(|status| **status == 201).count();
            assert_eq!(passed, 24 - over);
        }
        let costs = stack.wire.take_costs();
        let each = costs.write_units / (24 * BATCHES) as f64;
        println!("mode each, {over} of 24 do not fit: {each:.4} write units a debit: {costs:?}");
        assert!(each <= most, "{each}");
        // Beside those, a segment is put and trimmed.
        assert_eq!(costs.calls("UpdateItem") - costs.calls("PutItem"), writes * BATCHES);
        assert_eq!(costs.read_units, 0.0);
    }
}

#[tokio::test]
async fn each_refusal_is_counted_as_that_of_a_debit_alone() {
    let stack = with("20").await;
    stack.emitted.lock().expect("no one panics with the lock").clear();
    let answer = each(&stack, &[("a", "8"), ("b", "50"), ("before", "6"), ("c", "60")]).await;
    assert_eq!(statuses(&answer), [201, 402, 422, 402]);
    let emitted = stack.emitted.lock().expect("no one panics with the lock");
    let refused = |code: &str| {
        let of_code = emitted.iter().filter(|document| document["code"] == code);
        of_code.filter_map(|document| document["Refusals"].as_u64()).sum::<u64>()
    };
    assert_eq!((refused("insufficient_credits"), refused("operation_reused")), (2, 1));
}

/// 64 callers at one account, one by one and gathered: the calls and write units are counted, the
/// time is printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_callers_gathered_in_batches_need_a_fraction_of_the_writes() {
    const CALLERS: usize = 64;
    const ROUNDS: usize = 12;
    let mut measured = Vec::new();
    for most in [1, 24] {
        let stack = Stack::noon().await;
        stack.open("acme", "pro").await;
        stack.grant("acme", "grant", "1000").await;
        stack.debit("acme", &stack.id(0).to_string(), "1").await;
        stack.wire.take_costs();
        let began = std::time::Instant::now();
        for _ in 0..ROUNDS {
            let ids: Vec<String> = (0..CALLERS).map(|_| stack.id(0).to_string()).collect();
            let parts: Vec<Vec<String>> = ids.chunks(most).map(<[String]>::to_vec).collect();
            let answers = at_once(parts.len(), |n| {
                let (stack, ids) = (stack.clone(), parts[n].clone());
                async move {
                    match &ids[..] {
                        [id] => usize::from(stack.debit("acme", id, "1").await.status == 201),
                        ids => {
                            let debits: Vec<_> = ids.iter().map(|id| (&**id, "1")).collect();
                            let answer = each(&stack, &debits).await;
                            statuses(&answer).iter().filter(|status| **status == 201).count()
                        }
                    }
                }
            })
            .await;
            assert_eq!(answers.iter().sum::<usize>(), CALLERS);
        }
        let (took, costs) = (began.elapsed(), stack.wire.take_costs());
        let calls: usize = costs.calls.values().sum();
        println!(
            "{CALLERS} callers, {most} debits a request: {calls} calls, {} write units, {took:?}",
            costs.write_units,
        );
        measured.push((calls as f64, costs.write_units, took.as_secs_f64()));
    }
    let [alone, gathered] = measured[..] else { panic!("two measurements") };
    let ratio = |of: fn((f64, f64, f64)) -> f64| of(alone) / of(gathered);
    println!(
        "without gathering: {:.1} times the calls, {:.1} the write units, {:.1} the time",
        ratio(|m| m.0),
        ratio(|m| m.1),
        ratio(|m| m.2),
    );
    assert!(ratio(|m| m.0) > 2.0 && ratio(|m| m.1) > 4.0, "{measured:?}");
}
