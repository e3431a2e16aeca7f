//! The judge: compares what callers were answered with what the accounts have left.

use crate::contender::Outcome;
use crate::workload::Workload;

/// What the judge found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Debits that were answered as done, however often each was sent.
    pub debits: u64,
    /// Whole credits that accounts have too few or too many, and those that they gave without having
    /// them.
    pub credits_off: u64,
    /// Refusals of debits that were covered, or had been done.
    pub wrong_refusals: u64,
}

/// Judges a played workload: `answers` are those to each of its steps, and `left` the credits that
/// each of its accounts has.
///
/// # Panics
/// If there are not as many of each.
pub fn judge(workload: &Workload, answers: &[Vec<Outcome>], left: &[i64]) -> Verdict {
    assert_eq!((workload.steps.len(), workload.accounts.len()), (answers.len(), left.len()));
    let mut verdict = Verdict::default();
    for (place, account) in workload.accounts.iter().enumerate() {
        let steps = workload.steps.iter().zip(answers).filter(|(step, _)| step.account == place);
        let (mut taken, mut asked, mut refused) = (0, 0, 0);
        for (step, answers) in steps {
            let is_done = answers.contains(&Outcome::Done);
            let refusals = answers.iter().filter(|answer| **answer == Outcome::Refused).count();
            if is_done {
                verdict.debits += 1;
                taken += step.credits;
                verdict.wrong_refusals += refusals as u64;
            }
            if step.credits == 1 {
                asked += 1;
                refused += u64::from(!is_done);
            }
        }
        let has = i128::from(account.granted) - i128::from(taken);
        let off = (has - i128::from(left[place])).unsigned_abs() + has.min(0).unsigned_abs();
        verdict.credits_off += u64::try_from(off).unwrap_or(u64::MAX);
        // Each costs one credit, so as many are refused as were asked for beyond what was there.
        let due = asked - asked.min(account.granted);
        verdict.wrong_refusals += refused - refused.min(due);
    }
    verdict
}
