//! The judge of `bench -- compare`: it finds what is known to be wrong of rivals, and nothing of
//! Scrip.

use std::sync::Arc;

use bench::contender::Outcome::{Done, Refused};
use bench::contenders::{self, Tables};
use bench::judge::judge;
use bench::play::play;
use bench::timing::median;
use bench::workload::{Account, Delivery, Step, Workload};

const CALLERS: usize = 8;
const SEED: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_debits_leave_rivals_without_a_key_off_and_scrip_exact() {
    let workload = Arc::new(Workload::new(SEED, 8, 500));
    for contender in contenders::on(Tables::embedded).await.expect("tables in memory") {
        let played = play(&contender, &workload, CALLERS, Some(SEED)).await.expect("an end");
        println!("{}: {played:?}", contender.name());
        let (name, verdict) = (contender.name(), played.verdict);
        let found = (verdict.credits_off > 0, verdict.wrong_refusals > 0);
        match name {
            // What is sent again is charged again, and refused when no credits are left.
            "naive update" | "read, version, write" => assert_eq!(found, (true, true), "{name}"),
            "textbook transaction"
            | "Scrip"
            | "Scrip by its client"
            | "Scrip by its client, coalescing" => assert_eq!(found, (false, false), "{name}"),
            unknown => panic!("{unknown}: right or wrong?"),
        }
    }
}

#[tokio::test]
async fn a_plain_debit_costs_what_the_documents_say() {
    let workload = Arc::new(Workload::plain(160));
    for contender in contenders::on(Tables::embedded).await.expect("tables in memory") {
        let played = play(&contender, &workload, 1, None).await.expect("an end");
        let (writes, reads) = match contender.name() {
            "naive update" => (1.0, 0.0),
            "read, version, write" => (1.0, 1.0),
            "textbook transaction" => (4.0, 0.0),
            _ => (1.125, 0.0),
        };
        // Opening an account of Scrip writes entries, too, so its first segment comes sooner. On a
        // slow machine the catalog is read again.
        let off = (played.write_units() - writes).abs() + (played.read_units() - reads).abs();
        assert!(off <= 0.03, "{}: {played:?}", contender.name());
    }
}

#[test]
fn the_same_seed_is_the_same_workload() {
    assert_eq!(Workload::new(SEED, 8, 500), Workload::new(SEED, 8, 500));
    assert_ne!(Workload::new(SEED, 8, 500), Workload::new(2, 8, 500));
}

#[test]
fn the_median_of_an_even_number_is_between_the_middle_two() {
    assert!(median(Vec::new()).is_nan());
    for (values, middle) in [(vec![3.0], 3.0), (vec![4.0, 1.0], 2.5), (vec![9.0, 1.0, 2.0], 2.0)] {
        assert_eq!(median(values.clone()), middle, "{values:?}");
    }
}

/// Three debits of one credit, of an account with two.
fn three_of_two() -> Workload {
    let step = |delivery| Step { account: 0, credits: 1, delivery };
    let steps = vec![step(Delivery::Once), step(Delivery::Again), step(Delivery::Once)];
    let account = Account { name: "account".to_owned(), granted: 2 };
    Workload { accounts: vec![account], steps }
}

#[test]
fn the_judge_counts_credits_off_and_wrong_refusals() {
    let cases = [
        ("right", [vec![Done], vec![Done, Done], vec![Refused]], 0, (2, 0, 0)),
        ("charged twice", [vec![Done], vec![Done, Done], vec![Refused]], -1, (2, 1, 0)),
        ("overdrawn", [vec![Done], vec![Done, Done], vec![Done]], -1, (3, 1, 0)),
        ("overdrawn, and kept at zero", [vec![Done], vec![Done], vec![Done]], 0, (3, 2, 0)),
        ("never charged", [vec![Done], vec![Done, Done], vec![Refused]], 1, (2, 1, 0)),
        ("refused a retry", [vec![Done], vec![Done, Refused], vec![Refused]], 0, (2, 0, 1)),
        ("refused too many", [vec![Done], vec![Refused, Refused], vec![Refused]], 1, (1, 0, 1)),
    ];
    for (case, answers, left, expected) in cases {
        let verdict = judge(&three_of_two(), &answers, &[left]);
        let found = (verdict.debits, verdict.credits_off, verdict.wrong_refusals);
        assert_eq!(found, expected, "{case}");
    }
}
