//! Entries between two distant advances are skipped, and the credits that come back are the same.

use serde_json::json;
use shared::decide::history::{Back, History, Next, Unclear};
use shared::domain::ledger::PostedEntry;
use shared::domain::{Account, AccountId, Seq};
use shared::query::ledger;

use super::{MONDAY, SUNDAY, hold, refund, then};
use crate::support::{Answer, Stack, request};

/// Each debit's returned credits are the same from all entries and from those next to the advances.
pub(super) async fn tells_the_same(stack: &Stack, id: &AccountId) {
    let store = &stack.context().store;
    let loaded = store.account(id).await.expect("readable").expect("there");
    let all = ledger::list(store, &loaded, None, 10_000).await.expect("listed").entries;
    let account = &loaded.account;
    for debit in all.iter().filter(|posted| posted.seq < account.advanced_seq) {
        let Some(charged) = debit.entry.charged() else { continue };
        let returned = store.returned(id, debit.entry.id).await.expect("readable");
        let (left, less) =
            (charged.credits - returned, charged.burnt - returned.min(charged.burnt));
        if left.is_zero() {
            continue;
        }
        let asked = History::of_refund(account, debit, left, less);
        let whole = back(&asked.clone().bounded(Seq::MAX, usize::MAX), account, &all);
        let skipping = asked.clone().bounded(0, usize::MAX);
        assert_eq!(back(&skipping, account, &all), whole, "{debit:?}");
        // Wherever the history is cut short, no more comes back than is refunded.
        let most_beyond = (debit.seq % 32) as usize;
        let cut = back(&asked.bounded(Seq::MAX, most_beyond), account, &all);
        assert!(cut.burn_order.left() <= less, "{most_beyond}: {cut:?} of {debit:?}");
    }
}

/// The credits that come back by these entries, the latest first.
fn back(asked: &History, account: &Account, entries: &[PostedEntry]) -> Back {
    let mut asked = asked.clone();
    loop {
        let mut history = asked.clone();
        let mut below = Seq::MAX;
        for posted in entries {
            if posted.seq >= below {
                continue;
            }
            match history.take(posted) {
                Next::Before => {}
                Next::Skip(seq, _) => below = seq + 1,
                Next::Enough => break,
                Next::Unknown => panic!("every kind is known"),
            }
        }
        match history.back(account) {
            Err(Unclear::Within(advance)) => asked = asked.all_before(advance),
            told => return told.expect("entries that agree"),
        }
    }
}

/// Spends this many credits 72 times. Returns the last answer.
async fn rush(stack: &Stack, key: &str, credits: &str) -> Answer {
    let mut last = None;
    for batch in 0..3 {
        let debit = |n| json!({ "id": format!("{key} {batch} {n}"), "credits": credits });
        let debits: Vec<_> = (0..24).map(debit).collect();
        let body = json!({ "mode": "all_or_nothing", "debits": debits }).to_string();
        let batch = request("POST", "/v1/accounts/acme/debits/batch", None, &body);
        last = Some(stack.send(batch).await);
    }
    last.expect("three")
}

/// The look-up for a refund or the end of a hold does not grow with later entries.
#[tokio::test]
async fn a_refund_after_thousands_of_entries_costs_a_few_reads() {
    for rushes in [1, 40] {
        let stack = Stack::at(SUNDAY).await;
        stack.open("acme", "pro").await;
        let debit = stack.debit("acme", "some", "44").await;
        let held = hold(&stack, "hold", r#"{"credits":"1"}"#).await;
        for (at, grant) in [
            ("2026-11-22T13:00:00Z", ""),
            (MONDAY, "one"),
            ("2026-11-23T13:00:00Z", ""),
            ("2026-11-23T14:00:00Z", "two"),
            ("2026-11-23T15:00:00Z", ""),
        ] {
            stack.set_clock(at);
            match grant {
                "" => {
                    for n in 0..rushes {
                        rush(&stack, &format!("{at} {n}"), "0.01").await;
                    }
                }
                grant => assert_eq!(stack.grant("acme", grant, "1").await.status, 201),
            }
        }
        stack.wire.take_costs();
        let late = then(&stack, &held, "capture", "late", r#"{"credits":"1"}"#).await;
        assert_eq!((late.code(), late.text("/ended")), ("hold_ended", "lapsed"));
        let ended = stack.wire.take_costs().calls("Query");
        assert_eq!(refund(&stack, &debit, "refund", "44").await.text("/returned"), "44");
        let refunded = stack.wire.take_costs().calls("Query");
        let found = format!("{} entries: {ended} and {refunded} queries", rushes * 3 * 72);
        println!("{found}");
        assert!(ended <= 4 && refunded <= 8, "{found}");
    }
}
