//! Random lives of an account, each played twice: read at random moments, and never read.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::proof;

use super::random_lives::{Act, Life, Timed};

/// A life in which everything happens.
fn anything(random: &mut StdRng) -> Vec<Timed> {
    let mut acts = Vec::new();
    let (mut debits, mut holds, mut packs) = (Vec::new(), Vec::new(), Vec::new());
    let mut grants = Vec::new();
    for n in 0..60_u32 {
        let micro = random.random_range(1..120_000_000);
        let one_of = |list: &[u32], random: &mut StdRng| {
            (!list.is_empty()).then(|| list[random.random_range(0..list.len())])
        };
        let act = match random.random_range(0..28) {
            0..5 => {
                debits.push(n);
                Act::Debit(n, micro)
            }
            5 | 6 => {
                let Some(debit) = one_of(&debits, random) else { continue };
                Act::Refund(debit, micro / 4 + 1)
            }
            7 | 8 => {
                holds.push(n);
                Act::Hold(n, micro, random.random_range(1..1_440))
            }
            9 | 10 => {
                let Some(hold) = one_of(&holds, random) else { continue };
                Act::Release(hold)
            }
            11 => {
                grants.push(n);
                Act::Grant(random.random_range(1..30), random.random_range(1..200))
            }
            26 | 27 => {
                let Some(grant) = one_of(&grants, random) else { continue };
                Act::Revoke(grant)
            }
            12 => Act::Plan(["free", "pro"][random.random_range(0..2)]),
            13 if packs.len() < 3 => {
                packs.push(n);
                Act::Buy(n)
            }
            14 => {
                let Some(pack) = one_of(&packs, random) else { continue };
                Act::Return(pack, random.random_range(1..3_000))
            }
            15 => {
                let Some(pack) = one_of(&packs, random) else { continue };
                Act::Dispute(pack)
            }
            16 => {
                let Some(pack) = one_of(&packs, random) else { continue };
                Act::Win(pack)
            }
            17 => Act::Waive,
            18 => Act::Publish(random.random_range(1..60)),
            19 => Act::Anchor(random.random_range(0..60)),
            20 => Act::Restart,
            _ => Act::Time(random.random_range(1..3_000)),
        };
        acts.push((n, act));
    }
    acts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_an_account_changes_nothing() {
    for seed in 0..proof::LIVES.get() {
        let mut random = StdRng::seed_from_u64(1_000_000 + seed);
        let acts = anything(&mut random);
        let (mut looked_at, mut alone) = (Life::begin("40").await, Life::begin("40").await);
        for (n, act) in acts.iter().enumerate() {
            let answers = [looked_at.act(act).await, alone.act(act).await];
            assert_eq!(answers[0], answers[1], "seed {seed}, act {n}: {act:?} of {acts:?}");
            if random.random_ratio(1, 2) {
                looked_at.look().await;
            }
        }
        assert_eq!(looked_at.end().await, alone.end().await, "seed {seed}: {acts:?}");
    }
}
