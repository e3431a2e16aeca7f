//! The proof at every `cargo test`: hundreds of seeds, and mutants that must die.
//!
//! `SEED=n` plays one seed; `OPERATIONS=n` says how many operations are played in all.

use std::time::Instant;

use tests::simulation::mutants::MUTANTS;
use tests::simulation::{PER_SEED, naive, play, play_all};

/// Operations in all at every `cargo test`; each is sent until its outcome is known.
const OPERATIONS: u64 = 200_000;
/// How many seeds a mutant may survive.
const MOST_RUNS: u64 = 100;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

#[test]
fn no_credit_is_lost_doubled_or_spent_twice() {
    let operations = number("OPERATIONS").unwrap_or(OPERATIONS);
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + operations.div_ceil(PER_SEED),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let played = play_all(seeds, threads, |played| println!("{played}"));
    played.expect("0 credits off");
}

/// Each rule of the protocol is needed: without it, the auditor finds something.
#[test]
fn every_mutant_dies() {
    let mut alive = Vec::new();
    for mutant in MUTANTS {
        let dies = |seed: &u64| play(*seed, Some(mutant)).err();
        let found = (1..=MOST_RUNS).find_map(|seed| Some((seed, dies(&seed)?)));
        match found {
            Some((runs, wrong)) => {
                let wrong: String = wrong.chars().take(120).collect();
                println!("{}: dies in run {runs}: {wrong}", mutant.name);
            }
            None => alive.push(mutant.name),
        }
    }
    assert!(alive.is_empty(), "these survive {MOST_RUNS} runs: {alive:?}");
}

/// The arm that must fail: the debit that everybody writes first.
#[test]
fn the_naive_debit_is_caught_in_under_a_second() {
    let began = Instant::now();
    // ARCHITECTURE.md tells the story of this debit.
    let caught = naive(1, 20);
    let took = began.elapsed();
    assert_eq!(caught.first, Some(17));
    assert!(took.as_secs_f64() < 1.0, "{took:?}");
    let caught = naive(1, 200);
    println!("{} naive debits, SEED=1: {} credits off, in {took:?}", caught.debits, caught.off);
    assert_eq!(caught.off, 13);
}
