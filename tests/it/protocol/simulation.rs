//! The simulation in every `cargo test`: seeds in which no credit is lost, and mutants that must
//! die.
//!
//! `SEED=n` plays one seed.

use std::sync::Mutex;
use std::time::Instant;

use tests::proof::{self, MUTANT_SEEDS, OPERATIONS};
use tests::simulation::mutants::{MUTANTS, Mutant, PER_MUTANT};
use tests::simulation::naive::naive;
use tests::simulation::{PER_SEED, play, play_all};

#[test]
fn no_credit_is_lost_doubled_or_spent_twice() {
    let count = OPERATIONS.get().div_ceil(PER_SEED);
    let seeds = proof::number("SEED").map_or(1..1 + count, |seed| seed..seed + 1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let bar = OPERATIONS.bar(PER_SEED * count);
    let (operations, faults) = (Mutex::new(0), Mutex::new(0));
    let played = play_all(seeds.clone(), threads, |played| {
        println!("{played}");
        bar.inc(played.operations);
        *operations.lock().expect("no panic with the lock") += played.operations;
        *faults.lock().expect("no panic with the lock") += played.faults();
    });
    bar.finish_and_clear();
    played.expect("0 credits off");
    let (operations, faults) = (operations.into_inner(), faults.into_inner());
    OPERATIONS.say(format_args!(
        "{} operations in {} seeds, {} faults: 0 credits off",
        operations.expect("no panic with the lock"),
        seeds.end - seeds.start,
        faults.expect("no panic with the lock"),
    ));
}

/// Each rule of the protocol is needed: without it, the auditor finds an error. The small size
/// plays the seed written beside the mutant; the full size searches for one that kills it.
#[test]
fn every_mutant_dies() {
    let most = MUTANT_SEEDS.get();
    let next = Mutex::new(MUTANTS.iter());
    let alive = Mutex::new(Vec::new());
    let bar = MUTANT_SEEDS.bar(MUTANTS.len() as u64);
    let dies = |seed: u64, mutant: &Mutant| play(seed, PER_MUTANT, Some(*mutant)).err();
    let kill = |mutant: &Mutant| {
        let mut seeds = std::iter::once(mutant.seed).chain(1..if most == 1 { 1 } else { most + 1 });
        match seeds.find_map(|seed| Some((seed, dies(seed, mutant)?))) {
            Some((seed, wrong)) => {
                let wrong: String = wrong.chars().take(120).collect();
                println!("{}: dies in seed {seed}: {wrong}", mutant.name);
            }
            None => alive.lock().expect("no panic with the lock").push(mutant.name),
        }
        bar.inc(1);
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let mutant = next.lock().expect("no panic with the lock").next();
                    let Some(mutant) = mutant else { return };
                    kill(mutant);
                }
            });
        }
    });
    bar.finish_and_clear();
    let alive = alive.into_inner().expect("no panic with the lock");
    assert!(
        alive.is_empty(),
        "these survive {most} seeds: {alive:?}. A change of behaviour can save a mutant from its \
         one seed: `SCRIP_PROOF=full cargo test --profile proof -p tests --test it \
         every_mutant_dies -- --nocapture` says in which it dies now; write that beside it",
    );
    MUTANT_SEEDS.say(format_args!("{} mutants, each dead", MUTANTS.len()));
}

/// The control that must fail: the debit that most people write first.
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
