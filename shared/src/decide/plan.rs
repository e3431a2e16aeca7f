//! Plan changes and freezes: an operator changes what an account may do.

use super::open::{PlanRequest, When};
use super::renew::closed_by_plan;
use super::{AccountWrite, Guard, Made, Step};
use crate::domain::entry::Explanation;
use crate::domain::period::{Anchor, Day};
use crate::domain::{
    Account, Catalog, Entry, EntryKind, Gate, Instant, NextPlan, OperationId, PendingChange,
    PlanTerms, Refusal, Status,
};

/// Who changes a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author<'a> {
    /// An operator or a service: the name, if it is known.
    Operator(Option<&'a str>),
    /// The subscription that the plan follows: its id at Stripe.
    Subscription(&'a str),
}

/// The terms that a plan change gives an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTerms {
    pub terms: PlanTerms,
    /// The change that is due to come after it; none undoes one that was.
    pub next: Option<NextPlan>,
    /// Whether the plan period that runs ends and a whole one begins.
    pub restart: bool,
}

/// The write of a plan change that an operator requests.
///
/// A field that the request leaves out stays as it is, except the anchor of a plan that begins now
/// with no period running: that is today. A change at the end of the period leaves the terms as
/// they are until then. A request without a plan changes nothing, whatever the account's is.
///
/// # Errors
/// [`Refusal::UnknownPlan`] if the catalog has no such plan; [`Refusal::InvalidRequest`] for an
/// anchor in the future, for a restart of a plan that grants nothing, for seats of a plan that has
/// none, and for an anchor or a restart at the end of the period.
pub fn change(
    account: &Account,
    request: &PlanRequest,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> Result<Made, Refusal> {
    let Some(plan) = request.plan.clone() else {
        return Ok(Made::Already(latest(account)));
    };
    let offered = catalog.offered_plan(&plan)?;
    let named = request.anchor(now)?;
    let plan_state = &account.plan_state;
    let known = &plan_state.terms;
    let status = request.status.unwrap_or(known.status);
    let seats = match request.seats(offered)? {
        Some(seats) => seats,
        None if offered.per_seat && known.plan == plan => known.seats,
        None => 1,
    };
    if request.when == When::PeriodEnd {
        let field = [("anchor", named.is_some()), ("restart", request.restart)];
        if let Some((field, _)) = field.into_iter().find(|(_, sent)| *sent) {
            return Err(Refusal::invalid(field, "must be omitted: the change is at period_end"));
        }
        let next = NextPlan { plan, status, seats, at: plan_state.period(now).end };
        let new = NewTerms { terms: known.clone(), next: Some(next), restart: false };
        return Ok(set(account, new, operation, catalog, Author::Operator(actor), now));
    }
    let grants = status.renews() && !offered.sized(status).at(now).is_zero();
    if request.restart && !grants {
        return Err(Refusal::invalid("restart", "needs an active plan with monthly credits"));
    }
    // An account that pays late for its plan keeps its anchor.
    let came_back = known.plan == plan && known.status == Status::PastDue;
    let tried = known.status == Status::Trialing && status == Status::Active;
    let is_new = known.plan != plan || known.status == Status::Canceled || tried;
    let begins = grants && is_new && !came_back && !plan_state.monthly.runs(now);
    let anchor = match (named, begins || request.restart) {
        (Some(anchor), false) => anchor,
        (Some(anchor), true) if !request.restart => anchor,
        (_, true) => Anchor(Day::of(now)),
        (None, false) => known.anchor,
    };
    let terms = PlanTerms { plan, status, anchor, seats };
    let new = NewTerms { terms, next: None, restart: request.restart };
    Ok(set(account, new, operation, catalog, Author::Operator(actor), now))
}

/// The write of new terms: a pending change that the next advance folds in. Terms that are so
/// already are not written again.
///
/// The pending change is dated, so the burn order must still be valid: no turn lies between it and
/// the account.
pub fn set(
    account: &Account,
    new: NewTerms,
    operation: OperationId,
    catalog: &Catalog,
    author: Author<'_>,
    now: Instant,
) -> Made {
    let NewTerms { terms, next, restart } = new;
    let plan_state = &account.plan_state;
    // A pending change that is not folded in yet has to be advanced first.
    let same = (&plan_state.terms, &plan_state.next) == (&terms, &next);
    if same && !restart && account.valid_until > now {
        return Made::Already(plan_state.since);
    }
    let no_plan = match catalog.plan(&terms.plan) {
        Some(plan) => closed_by_plan(plan, terms.status, now),
        None => account.gate.no_plan,
    };
    let gate = Gate { no_plan, ..account.gate };
    let (actor, reference) = match author {
        Author::Operator(actor) => (actor, None),
        Author::Subscription(id) => (None, Some(id.to_owned())),
    };
    let kind = EntryKind::PlanChanged { terms: terms.clone(), next: next.clone() };
    let note = PendingChange::Plan { terms, next, restart, at: now, entry: operation };
    Made::Change(AccountWrite {
        account: account.id.clone(),
        when: vec![
            Guard::ValidAt(now),
            // The fields that the request leaves out are as they were read.
            Guard::AdvancedIs(account.advanced_seq),
            Guard::GateIs(account.gate),
            Guard::RoomFor(1),
        ],
        then: vec![
            Step::SetGate(gate),
            Step::AddPending(vec![note]),
            Step::Append(Entry { reference, ..entry(kind, operation, catalog, actor, None, now) }),
        ],
    })
}

/// The entry that set the plan, with a change that no advance has folded in yet.
fn latest(account: &Account) -> OperationId {
    let pending = account.pending_changes.iter().rev().find_map(|change| match change {
        PendingChange::Plan { entry, .. } => Some(*entry),
        _ => None,
    });
    pending.unwrap_or(account.plan_state.since)
}

/// A freeze or an unfreeze in one line, for its idempotency record.
pub fn freeze_content(frozen: bool, explanation: &Explanation) -> String {
    format!("freeze {frozen} {}", explanation.content())
}

/// Freezes or unfreezes an account, with a reason. It changes no balance.
pub fn freeze(
    account: &Account,
    frozen: bool,
    explanation: &Explanation,
    operation: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    now: Instant,
) -> AccountWrite {
    let kind = if frozen { EntryKind::Frozen } else { EntryKind::Unfrozen };
    AccountWrite {
        account: account.id.clone(),
        when: vec![Guard::GateIs(account.gate), Guard::RoomFor(1)],
        then: vec![
            Step::SetGate(Gate { frozen, ..account.gate }),
            Step::Append(entry(kind, operation, catalog, actor, Some(explanation), now)),
        ],
    }
}

/// The entry of an operator's change that moves no credits by itself.
pub(super) fn entry(
    kind: EntryKind,
    id: OperationId,
    catalog: &Catalog,
    actor: Option<&str>,
    explanation: Option<&Explanation>,
    now: Instant,
) -> Entry {
    Entry {
        actor: actor.map(str::to_owned),
        reason: explanation.map(|said| said.reason.clone()),
        message: explanation.and_then(|said| said.message.clone()),
        ..Entry::new(id, now, catalog.version, kind)
    }
}
