//! Concurrent requests: no balance below zero, and no operation twice.

use std::collections::BTreeSet;

use crate::api::batches::{each, statuses};
use crate::support::{Answer, Stack, at_once};

async fn stack_with(credits: &str) -> Stack {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    // The free bundle is spent, so that only the test's own credits are left.
    stack.debit("acme", "the bundle", "25").await;
    assert_eq!(stack.grant("acme", "grant", credits).await.status, 201);
    stack
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn credits_for_100_of_150_concurrent_debits_let_100_pass() {
    for named in [false, true] {
        let stack = stack_with("100").await;
        let answers = at_once(150, |n| {
            let stack = stack.clone();
            let key = if named { format!("job {n}") } else { stack.id(0).to_string() };
            async move { stack.debit("acme", &key, "1").await }
        })
        .await;
        assert_eq!((count(&answers, 201), count(&answers, 402)), (100, 50));
        let refused = answers.iter().filter(|answer| answer.status == 402);
        assert!(refused.into_iter().all(|answer| answer.code() == "insufficient_credits"));
        assert_eq!(stack.balance("acme").await.text("/available"), "0");
        let seqs: BTreeSet<_> = answers.iter().filter_map(|a| a.body["seq"].as_u64()).collect();
        assert_eq!(seqs.len(), 100);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_id_sent_sixty_four_times_at_once_is_one_entry() {
    for named in [false, true] {
        let stack = stack_with("100").await;
        let before = stack.balance("acme").await.body["seq"].as_u64();
        let key = if named { "one job".to_owned() } else { stack.id(0).to_string() };
        let answers = at_once(64, |_| {
            let (stack, key) = (stack.clone(), key.clone());
            async move { stack.debit("acme", &key, "7").await }
        })
        .await;
        assert_eq!(count(&answers, 201), 64, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
        assert!(answers.iter().all(|answer| answer.body == answers[0].body));
        let balance = stack.balance("acme").await;
        assert_eq!(balance.text("/available"), "93");
        assert_eq!(balance.body["seq"].as_u64(), before.map(|seq| seq + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_grants_and_debits_lose_nothing() {
    let stack = stack_with("1000").await;
    let answers = at_once(64, |n| {
        let stack = stack.clone();
        async move {
            match n % 4 {
                0 => stack.grant("acme", &format!("grant {n}"), "3").await,
                _ => stack.debit("acme", &format!("debit {n}"), "2").await,
            }
        }
    })
    .await;
    assert_eq!(count(&answers, 201), 64, "{answers:?}");
    // 1000 + 16 x 3 - 48 x 2
    assert_eq!(stack.balance("acme").await.text("/available"), "952");
}

/// Batches of debits that do not all fit, twice each, beside single debits: whichever pass, exactly
/// what there is gets spent, and a refusal says less than what its debit needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_batches_of_mode_each_spend_exactly_what_there_is() {
    let stack = stack_with("100").await;
    let ids: Vec<Vec<String>> =
        (0..16).map(|_| (0..12).map(|_| stack.id(0).to_string()).collect()).collect();
    let answers = at_once(48, |n| {
        let (stack, ids) = (stack.clone(), ids[n % 16].clone());
        async move {
            if n >= 32 {
                return stack.debit("acme", &stack.id(0).to_string(), "1").await;
            }
            let debits: Vec<_> = ids.iter().map(|id| (&**id, "1")).collect();
            each(&stack, &debits).await
        }
    })
    .await;
    let (batches, alone) = answers.split_at(32);
    assert!(batches.iter().all(|answer| answer.status == 200), "{batches:?}");
    let mut made = BTreeSet::new();
    for answer in batches {
        for result in answer.body["results"].as_array().expect("results") {
            match result["status"].as_u64() {
                Some(201) => drop(made.insert(result["receipt"]["seq"].as_u64())),
                _ => assert_eq!(result["problem"]["available"], "0", "{result}"),
            }
        }
    }
    assert_eq!(made.len() + count(alone, 201), 100);
    assert_eq!(stack.balance("acme").await.text("/available"), "0");
    // A batch sent again replays what happened.
    let debits: Vec<_> = ids[0].iter().map(|id| (&**id, "1")).collect();
    let again = each(&stack, &debits).await;
    let passed = |answer: &Answer| statuses(answer).iter().filter(|s| **s == 201).count();
    assert!(passed(&again) >= passed(&batches[0]).max(passed(&batches[16])));
}
