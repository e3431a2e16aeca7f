//! Lost replies under the SDK's own retries: Scrip stays exact, and the plain update does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::proof::{self, DEBITS};

use crate::api::batches::{each, statuses};
use crate::support::wire::Fault;
use crate::support::{Stack, at_once};

const CALLERS: usize = 16;

/// Loses the reply of one request in fifty.
fn one_reply_in_fifty(seed: u64) -> impl FnMut(&str, usize) -> Fault + Send + 'static {
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    move |_, _| if random.random_ratio(1, 50) { Fault::LoseReply } else { Fault::None }
}

#[tokio::test(start_paused = true)]
async fn no_credit_is_off_when_replies_are_lost() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    stack.grant("acme", "grant", "100000").await;
    let before = stack.balance("acme").await;
    let each = DEBITS.get().div_ceil(CALLERS as u64);
    stack.wire.set_policy(one_reply_in_fifty(proof::seed(20_261_122)));
    let answers = at_once(CALLERS, |_| {
        let stack = stack.clone();
        async move {
            let mut done = 0;
            for _ in 0..each {
                let id = stack.id(0).to_string();
                let mut answer = stack.debit("acme", &id, "1").await;
                while answer.status == 503 {
                    answer = stack.debit("acme", &id, "1").await;
                }
                assert_eq!(answer.status, 201, "{answer:?}");
                done += 1;
            }
            done
        }
    })
    .await;
    stack.wire.heal();
    let done: usize = answers.iter().sum();
    let after = stack.balance("acme").await;
    let entries = |answer: &crate::support::Answer| answer.body["seq"].as_u64().expect("a number");
    assert_eq!(entries(&after) - entries(&before), done as u64);
    assert_eq!(after.text("/available"), (100_025 - done).to_string());
    println!("{:?}", stack.wire.take_costs());
    DEBITS.say(format_args!("{done} debits, 1 reply in 50 lost: 0 credits off"));
}

/// A batch of mode each makes two writes where some do not fit. Whichever request or reply is lost,
/// nothing is charged twice, the answer is unknown where a refusal could be untrue, and the same
/// batch sent again gets what happened.
#[tokio::test(start_paused = true)]
async fn a_lost_write_of_a_batch_of_mode_each_charges_each_debit_once() {
    use Fault::{FailAfter, LoseReply, LoseRequest, Throttle};
    for fault in [LoseReply, LoseRequest, FailAfter, Throttle] {
        for (lost, (often, fits)) in
            [(0, (1, false)), (0, (8, false)), (1, (1, false)), (1, (8, false)), (0, (1, true))]
        {
            let stack = Stack::paced("2026-11-18T12:00:00Z").await;
            stack.open("acme", "free").await;
            stack.debit("acme", "before", "5").await;
            let ids = [0, 1, 2].map(|_| stack.id(0).to_string());
            let middle = if fits { "2" } else { "50" };
            let debits = [(&*ids[0], "8"), (&*ids[1], middle), (&*ids[2], "7")];
            stack.wire.set_policy(move |_, place| match (lost..lost + often).contains(&place) {
                true => fault,
                false => Fault::None,
            });
            let first = each(&stack, &debits).await;
            stack.wire.heal();
            let case = format!("{fault:?} of {often} from {lost}: {first:?}");
            match first.status {
                200 if fits => assert_eq!(statuses(&first), [201, 201, 201], "{case}"),
                200 => assert_eq!(statuses(&first), [201, 402, 201], "{case}"),
                status => assert_eq!(status, 503, "{case}"),
            }
            // A request that got no answer may still arrive: no refusal is certain.
            let unanswered = matches!(fault, LoseReply | LoseRequest);
            assert!(!unanswered || fits || first.status == 503, "{case}");
            // Nothing but what fits, and that once, even if the retry is another one's.
            let again = each(&stack, &debits).await;
            let expected = if fits { [201, 201, 201] } else { [201, 402, 201] };
            assert_eq!(statuses(&again), expected, "{case}");
            let left = if fits { "3" } else { "5" };
            assert_eq!(stack.balance("acme").await.text("/available"), left, "{case}");
        }
    }
}

/// Each answer shows how far our clock is from DynamoDB's, and affects only its own call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_with_too_much_clock_skew_is_unknown_and_no_other() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    stack.grant("acme", "grant", "1000").await;
    // The first debit advances the account: the grant arrives.
    assert_eq!(stack.debit("acme", &stack.id(0).to_string(), "1").await.status, 201);
    let (ids, off) = ((0..200).map(|_| stack.id(0).to_string()), Arc::new(AtomicUsize::new(0)));
    let ids: Arc<Vec<String>> = Arc::new(ids.collect());
    let said = off.clone();
    stack.wire.set_policy(move |operation, place| {
        if operation == "UpdateItem" && place % 5 == 0 {
            said.fetch_add(1, Ordering::Relaxed);
            return Fault::OldDate;
        }
        Fault::None
    });
    let statuses = at_once(CALLERS, |caller| {
        let (stack, ids) = (stack.clone(), ids.clone());
        async move {
            let mut statuses = Vec::new();
            for id in ids.iter().skip(caller).step_by(CALLERS) {
                statuses.push(stack.debit("acme", id, "1").await.status);
            }
            statuses
        }
    });
    let statuses = statuses.await.concat();
    stack.wire.heal();
    let unknown = statuses.iter().filter(|status| **status == 503).count();
    assert!(statuses.iter().all(|status| [201, 503].contains(status)), "{statuses:?}");
    // Archiving also fails at times, and changes no reply.
    let off = off.load(Ordering::Relaxed);
    assert!(unknown > 0 && unknown <= off, "{unknown} of {off}");
    for id in ids.iter() {
        assert_eq!(stack.debit("acme", id, "1").await.status, 201);
    }
    assert_eq!(stack.balance("acme").await.text("/available"), (1_024 - ids.len()).to_string());
}

#[tokio::test]
async fn one_call_with_all_replies_lost_is_resolved_by_its_id() {
    let stack = Stack::noon().await;
    stack.open("acme", "free").await;
    for key in [stack.id(0).to_string(), "name".to_owned()] {
        let before = stack.balance("acme").await.text("/available").to_owned();
        tokio::time::pause();
        stack.wire.set_policy(|_, _| Fault::LoseReply);
        let unknown = stack.debit("acme", &key, "1").await;
        assert_eq!((unknown.status, unknown.code()), (503, "outcome_unknown"));
        tokio::time::resume();
        stack.wire.heal();
        let advanced = stack.debit("acme", &key, "1").await;
        assert_eq!(advanced.status, 201);
        let again = stack.debit("acme", &key, "1").await;
        assert_eq!((again.replayed, &again.body), (true, &advanced.body));
        let before: u64 = before.parse().expect("whole credits");
        assert_eq!(stack.balance("acme").await.text("/available"), (before - 1).to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn every_fault_at_every_call_leaves_one_debit() {
    let faults = [Fault::LoseRequest, Fault::LoseReply, Fault::FailAfter, Fault::Throttle];
    for fault in faults {
        for broken in 0..4 {
            let stack = Stack::noon().await;
            stack.open("acme", "free").await;
            let place = broken;
            stack.wire.set_policy(move |_, n| if n == place { fault } else { Fault::None });
            for n in 0..30 {
                let answer = stack.debit("acme", &format!("job {n}"), "0.5").await;
                assert_eq!(answer.status, 201, "{fault:?} at {broken}: {answer:?}");
            }
            assert_eq!(stack.balance("acme").await.text("/available"), "10");
        }
    }
}

/// The control that must fail: `SET v = v - :c IF v >= :c`, with the same wire and retries.
#[tokio::test(start_paused = true)]
async fn the_plain_update_debits_twice() {
    let stack = Stack::noon().await;
    let sdk = local::context::sdk(stack.wire.client(), "http://embedded");
    let client = Client::from_conf(sdk.build());
    let key = |name: &str| AttributeValue::S(name.to_owned());
    let number = |n: usize| AttributeValue::N(n.to_string());
    let tables = local::tables::names();
    let put = client.put_item().table_name(&tables.accounts).item("a", key("naive"));
    put.item("v", number(1_000_000)).send().await.expect("an item");
    stack.wire.set_policy(one_reply_in_fifty(proof::seed(20_261_122)));
    let debits = 2_000;
    for _ in 0..debits {
        let update = client.update_item().table_name(&tables.accounts).key("a", key("naive"));
        let update = update.update_expression("SET v = v - :c").condition_expression("v >= :c");
        update.expression_attribute_values(":c", number(1)).send().await.expect("a debit");
    }
    stack.wire.heal();
    let get = client.get_item().table_name(&tables.accounts).key("a", key("naive"));
    let item = get.send().await.expect("an answer").item.expect("the item");
    let left: usize = item["v"].as_n().expect("a number").parse().expect("a number");
    let off = 1_000_000 - debits - left;
    println!("{debits} plain updates, 1 reply in 50 lost: {off} credits off");
    assert!(off > 0, "the wire lost no reply, or the test proves nothing");
}
