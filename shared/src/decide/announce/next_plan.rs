//! A change of plan that was due, and happened with the passing of time.

use crate::domain::{Account, Entry, EntryKind, PlanTerms};

/// The terms after a change of plan that an advance made: no entry of its own tells it. `before` is
/// the account as it was.
pub(super) fn due(before: &Account, entry: &Entry) -> Option<PlanTerms> {
    let EntryKind::TimePassed { .. } = entry.kind else { return None };
    // One that is not folded in yet has taken the place of the one before.
    let (terms, next) = before.latest_plan();
    let due = next.filter(|next| next.at <= entry.at)?;
    Some(due.terms(terms.anchor))
}
