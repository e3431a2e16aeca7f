//! The workload: accounts and debits, the same for every contender and every run of a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A debit that no account covers.
const TOO_LARGE: u64 = 1_000_000;

/// How often the sender of a debit sends it. One whose outcome is not known is also sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Once,
    /// Again after its answer, as a queue does that did not see the acknowledgement.
    Again,
    /// Twice at once, as two workers do that took the same job.
    Twice,
}

/// A debit of the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The place of its account in [`Workload::accounts`].
    pub account: usize,
    /// Whole credits: 1, or more than any account has.
    pub credits: u64,
    pub delivery: Delivery,
}

/// An account, and the whole credits that it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub granted: u64,
}

/// What is asked of every contender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub accounts: Vec<Account>,
    pub steps: Vec<Step>,
}

impl Workload {
    /// Half of the debits are of the first account. One of four of the other accounts has half of
    /// the credits that it is asked for; all others have more than enough. One debit in a hundred
    /// is too large for any account, one in twenty is sent again, and one in fifty twice at once.
    pub fn new(seed: u64, accounts: usize, debits: usize) -> Workload {
        let mut random = StdRng::seed_from_u64(seed);
        let steps: Vec<Step> = (0..debits)
            .map(|_| Step {
                account: match random.random_ratio(1, 2) {
                    true => 0,
                    false => random.random_range(0..accounts),
                },
                credits: if random.random_ratio(1, 100) { TOO_LARGE } else { 1 },
                delivery: match random.random_range(0..100) {
                    0..5 => Delivery::Again,
                    5..7 => Delivery::Twice,
                    _ => Delivery::Once,
                },
            })
            .collect();
        let account = |place: usize| {
            let asked = steps.iter().filter(|step| step.account == place && step.credits == 1);
            let asked = asked.count() as u64;
            // Enough for a contender that takes credits twice: it shall not be stopped by that.
            let granted = if is_poor(place) { (asked / 2).max(1) } else { 2 * asked + 1 };
            Account { name: format!("account-{place}"), granted }
        };
        let accounts = (0..accounts).map(account).collect();
        Workload { accounts, steps }
    }

    /// Debits of one account, all covered, each sent once.
    pub fn plain(debits: usize) -> Workload {
        let account = Account { name: "plain".to_owned(), granted: debits as u64 };
        let step = Step { account: 0, credits: 1, delivery: Delivery::Once };
        Workload { accounts: vec![account], steps: vec![step; debits] }
    }
}

fn is_poor(place: usize) -> bool {
    place % 4 == 3
}
