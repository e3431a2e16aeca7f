//! Advance: brings an account up to an instant.
//!
//! Recharge, expiry and the lapse of holds are functions of time. An advance walks every instant up
//! to now, in order, so an advance that is weeks late does what punctual ones would have done.

mod clockwork;

pub use clockwork::Advanced;

use clockwork::Clockwork;

use super::{AccountWrite, Fault, Guard, Step};
use crate::domain::limit::{Counter, MAX_DROPPED};
use crate::domain::{Account, Catalog, Entry, EntryKind, Instant, OperationId, PlanState};

impl Advanced {
    /// Whether time changed nothing in `before`. Then what was spent is not taken from the burn
    /// order.
    fn is_as_before(&self, before: &Account) -> bool {
        let (plan_state, known) = (&self.account.plan_state, &before.plan_state);
        let same = PlanState { weekly: known.weekly, ..plan_state.clone() } == *known;
        let none = plan_state.weekly.amount.is_zero() && known.weekly.amount.is_zero();
        let quiet = self.moved.is_empty() && self.lapsed.is_empty() && self.debts.is_empty();
        let gate = self.account.gate == before.gate;
        quiet
            && gate
            && same
            && none
            && before.pending_changes.is_empty()
            && before.valid_until > Instant::EPOCH
    }

    /// The entry that records it as number `seq + 1`.
    pub fn entry(&self, before: &Account, catalog: &Catalog, now: Instant) -> Entry {
        let kind = EntryKind::TimePassed {
            moved: self.moved.clone(),
            lapsed: self.lapsed.clone(),
            before: (before.advanced_seq, before.advanced_at),
            burnt: self.burnt.clone(),
            debts: self.debts.clone(),
        };
        let id = OperationId::of_entry(now, before.seq + 1);
        Entry {
            available: self.account.available - before.available,
            held: self.account.held() - before.held(),
            ..Entry::new(id, now, catalog.version, kind)
        }
    }
}

/// Advances `account` to `now`.
///
/// # Errors
/// [`Fault`] if more was spent than the burn order holds, or the catalog lacks the account's plan.
pub fn advance(account: &Account, catalog: &Catalog, now: Instant) -> Result<Advanced, Fault> {
    let mut clock = Clockwork::of(account, catalog)?;
    // Credits that came back since the latest advance are in the burn order again.
    clock.repay();
    for note in &account.pending_changes {
        // Whatever is due before the pending change happens before it.
        clock.strike_until(note.at().map_or(Instant::EPOCH, |at| at.min(now)))?;
        clock.fold(note)?;
    }
    clock.strike_until(now)?;
    Ok(clock.stop(now))
}

/// Whether time has changed `account` and no write has recorded it yet: its burn order is no longer
/// valid, or a hold has lapsed.
pub fn is_due(account: &Account, now: Instant) -> bool {
    account.valid_until <= now || account.has_lapsed_hold(now)
}

/// The write that advances `account`, compared and set on its latest entry: every change of the
/// burn order, the pending changes, the holds or what is available appends an entry, so the number
/// covers them all.
///
/// # Errors
/// As [`advance`].
pub fn change(account: &Account, catalog: &Catalog, now: Instant) -> Result<AccountWrite, Fault> {
    let advanced = advance(account, catalog, now)?;
    // The burn order in `account` still holds what was spent since the latest advance.
    let expiry = account.burn_order.next_expiry().unwrap_or(Instant::MAX);
    if advanced.is_as_before(account) && expiry > now {
        // Nothing changed: only `valid_until` is written. A pending change that came meanwhile set
        // it to the epoch, and goes first.
        let until = advanced.account.valid_until.min(expiry);
        let same = Guard::AdvancedIs(account.advanced_seq);
        let when = vec![Guard::ValidUntilIs(account.valid_until), same];
        let then = vec![Step::ValidUntil(until)];
        return Ok(AccountWrite { account: account.id.clone(), when, then });
    }
    Ok(record(account, advanced, catalog, now))
}

/// As [`change`], with an entry even if nothing changed: for a caller that needs what was spent
/// since the last advance kept apart from what is spent from now on.
///
/// # Errors
/// As [`advance`].
pub fn lay_out(account: &Account, catalog: &Catalog, now: Instant) -> Result<AccountWrite, Fault> {
    Ok(record(account, advance(account, catalog, now)?, catalog, now))
}

/// The write of an advance of `account`, with its entry.
pub(super) fn record(
    account: &Account,
    mut advanced: Advanced,
    catalog: &Catalog,
    now: Instant,
) -> AccountWrite {
    (advanced.account.advanced_seq, advanced.account.advanced_at) = (account.seq + 1, now);
    let entry = advanced.entry(account, catalog, now);
    let mut then = Vec::new();
    if advanced.account.debts != account.debts {
        then.push(Step::SetDebts(advanced.account.debts.clone()));
    }
    if advanced.account.gate != account.gate {
        then.push(Step::SetGate(advanced.account.gate));
    }
    then.extend(counts(account, &advanced.account, now));
    then.extend([Step::Advance(Box::new(advanced.account)), Step::Append(entry)]);
    let when = vec![Guard::SeqIs(account.seq)];
    AccountWrite { account: account.id.clone(), when, then }
}

/// The steps by which what lapsed holds did not spend returns to counts, and by which those of
/// nothing and those of past windows are dropped.
fn counts(before: &Account, after: &Account, now: Instant) -> Vec<Step> {
    let mut past = after.past_counts(now);
    let nothing = after.used.iter().filter(|(_, used)| used.is_zero());
    let nothing: Vec<Counter> = nothing.map(|(counter, _)| *counter).take(MAX_DROPPED).collect();
    past.extend(nothing);
    past.sort();
    past.dedup();
    let changed = after.used.iter().filter(|(counter, used)| before.used(**counter) != **used);
    let changed = changed.filter(|(counter, _)| !past.contains(counter));
    let set = changed.map(|(counter, used)| Step::SetUsed(*counter, *used));
    set.chain(past.iter().map(|counter| Step::DropCount(*counter))).collect()
}
