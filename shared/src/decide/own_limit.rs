//! A limit of an account's own: set, or removed.

use super::{AccountWrite, Expect, Guard, Row, RowWrite, Step, Write};
use crate::domain::limit::{Counter, MAX_LIMITS, OwnLimits, Per, Window};
use crate::domain::{
    Account, Catalog, Credits, Entry, EntryKind, Instant, OperationId, Refusal, Subject,
};

/// A request to set or to remove a limit of an account's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRequest {
    pub of: Subject,
    pub per: Per,
    /// None: it is removed.
    pub at_most: Option<Credits>,
}

impl LimitRequest {
    /// The request in one line, for its idempotency record.
    pub fn content(&self) -> String {
        let LimitRequest { of, per, at_most } = self;
        let at_most = at_most.map_or("none".to_owned(), |credits| credits.to_string());
        format!("limit {of:?} {} {at_most}", per.name())
    }
}

/// The write of a change of the account's own limits: all of them, and the account's note of their
/// version, so that it is in force at once. Where nothing else limits the subject in the window that
/// never ends, a removal by the company forgets what was used of it: a run that is over leaves no
/// count behind. A customer may not begin anew what a service limits by its requests.
///
/// # Errors
/// [`Refusal::TooManyLimits`].
pub fn change(
    account: &Account,
    own: &OwnLimits,
    request: &LimitRequest,
    (operation, user, actor): (OperationId, Option<&str>, Option<&str>),
    catalog: &Catalog,
    now: Instant,
) -> Result<Write, Refusal> {
    let LimitRequest { of, per, at_most } = request;
    let (key, version) = ((of.clone(), *per), own.version + 1);
    let mut limits = own.limits.clone();
    match at_most {
        Some(at_most) => limits.insert(key, *at_most),
        None => limits.remove(&key),
    };
    if limits.len() > MAX_LIMITS {
        return Err(Refusal::TooManyLimits);
    }
    let (mut when, mut then) = (
        vec![Guard::LimitsAre(own.version), Guard::RoomFor(1)],
        vec![Step::SetLimitsVersion(version)],
    );
    let window = Window { per: *per, from: Instant::EPOCH };
    let counter = Counter { of: of.hash(), window };
    let by_plan = catalog.plan(&account.plan_state.terms.plan);
    let by_plan =
        by_plan.is_some_and(|plan| plan.limits.contains_key(&(of.kind().to_owned(), *per)));
    let removed = *per == Per::Ever && at_most.is_none() && user.is_none();
    let forgets = removed && !by_plan;
    let forgotten = forgets && account.used.contains_key(&counter);
    if forgets {
        // Also where there is no count yet: one that begins meanwhile would stay.
        let same = Guard::UsedIs(counter, account.used(counter));
        when.extend([Guard::AdvancedIs(account.advanced_seq), same]);
    }
    if forgotten {
        then.push(Step::DropCount(counter));
    }
    let kind = EntryKind::LimitSet { of: of.clone(), per: *per, at_most: *at_most, forgotten };
    then.push(Step::Append(Entry {
        user: user.map(str::to_owned),
        actor: actor.map(str::to_owned),
        ..Entry::new(operation, now, catalog.version, kind)
    }));
    let write = AccountWrite { account: account.id.clone(), when, then };
    let own = OwnLimits { version, limits };
    let row = RowWrite::Put(Row::Limits(account.id.clone(), own), Expect::Any);
    Ok(Write { account: Some(write), rows: vec![row] })
}
