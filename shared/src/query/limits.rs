//! The limits of an account: what was used of each in the window that runs now, and what is left.

use std::collections::{BTreeMap, BTreeSet};

use super::{UpToNow, account, up_to_now};
use crate::context::Context;
use crate::decide::limit::Terms;
use crate::domain::limit::{Counter, Per, SubjectHash, Window};
use crate::domain::period::Period;
use crate::domain::{Account, AccountId, Catalog, Credits, Instant, Subject};
use crate::failure::Failure;

/// What says the number of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The account's own limit.
    Account,
    /// The plan, for every subject of the kind.
    Plan,
    /// Each request that brings it.
    Request,
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Account => "account",
            Source::Plan => "plan",
            Source::Request => "request",
        }
    }
}

/// A limit in the window that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitNow {
    /// None: its name is not kept.
    pub of: Option<Subject>,
    pub per: Per,
    /// None: the number comes with each request.
    pub at_most: Option<Credits>,
    pub used: Credits,
    /// When its window ends. None: never.
    pub resets_at: Option<Instant>,
    pub source: Source,
}

impl LimitNow {
    /// What is left of it. None: the number comes with each request.
    pub fn left(&self) -> Option<Credits> {
        self.at_most.map(|at_most| (at_most - self.used).max(Credits::ZERO))
    }
}

/// The limits of an account as of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One for each count whose window runs, and for each of the account's own limits.
    pub now: Vec<LimitNow>,
    /// The limits of the plan: each for every subject of a kind.
    pub defaults: BTreeMap<(String, Per), Credits>,
}

/// Finds the limits of an account, in the order of their subjects and windows; those whose name is
/// not kept come last. Each name that neither its own limits nor its item have is a read of its own.
///
/// # Errors
/// [`Refusal::AccountNotFound`](crate::domain::Refusal::AccountNotFound), or an error of the store.
pub async fn find(context: &Context, catalog: &Catalog, id: &AccountId) -> Result<Limits, Failure> {
    let loaded = account(context, id).await?;
    let UpToNow { advanced, now } = up_to_now(context, catalog, &loaded)?;
    let account = &advanced.account;
    let terms = Terms::of(account, context.limit_terms.own(&context.store, account).await?, now);
    let period = account.plan_state.period(now);
    let mut known = known(account, &terms);
    let mut unnamed = Vec::new();
    let mut limits: BTreeSet<(Subject, Per)> = terms.own.limits.keys().cloned().collect();
    for counter in account.used.keys().filter(|counter| counter.window.runs(now, period)) {
        let named = match known.get(&counter.of) {
            Some(of) => Some(of.clone()),
            None => context.store.subject(id, counter.of).await?,
        };
        match named {
            Some(of) => {
                known.insert(counter.of, of.clone());
                limits.insert((of, counter.window.per));
            }
            None => unnamed.push(*counter),
        }
    }
    let named =
        limits.iter().map(|(of, per)| of_subject(account, &terms, catalog, (of, *per), now));
    let unnamed = unnamed.into_iter().map(|counter| LimitNow {
        of: None,
        per: counter.window.per,
        at_most: None,
        used: account.used(counter),
        resets_at: counter.window.end(period),
        source: Source::Request,
    });
    let now = named.chain(unnamed).collect();
    let plan = catalog.plan(&account.plan_state.terms.plan);
    Ok(Limits { now, defaults: plan.map(|plan| plan.limits.clone()).unwrap_or_default() })
}

/// An account as it is now, with the limits of one of its users that have a number: its own, and
/// those of its plan.
///
/// # Errors
/// As [`find`].
pub async fn of_user(
    context: &Context,
    catalog: &Catalog,
    id: &AccountId,
    user: &str,
) -> Result<(UpToNow, Vec<LimitNow>), Failure> {
    let loaded = account(context, id).await?;
    let up_to_now = up_to_now(context, catalog, &loaded)?;
    let (account, now) = (&up_to_now.advanced.account, up_to_now.now);
    let terms = Terms::of(account, context.limit_terms.own(&context.store, account).await?, now);
    let of = Subject::user(user);
    let limits = Per::ALL.iter().map(|per| of_subject(account, &terms, catalog, (&of, *per), now));
    let limits = limits.filter(|limit| limit.at_most.is_some()).collect();
    Ok((up_to_now, limits))
}

/// The limit of a subject in the window that runs now.
fn of_subject(
    account: &Account,
    terms: &Terms,
    catalog: &Catalog,
    (of, per): (&Subject, Per),
    now: Instant,
) -> LimitNow {
    let period: Period = account.plan_state.period(now);
    let window = Window::at(per, now, period);
    let at_most = terms.number(of, per, catalog);
    let source = match at_most {
        _ if terms.own.limits.contains_key(&(of.clone(), per)) => Source::Account,
        Some(_) => Source::Plan,
        None => Source::Request,
    };
    let used = account.used(Counter { of: of.hash(), window });
    LimitNow { of: Some(of.clone()), per, at_most, used, resets_at: window.end(period), source }
}

/// The subjects that the account's own limits, its holds and its recent entries name.
fn known(account: &Account, terms: &Terms) -> BTreeMap<SubjectHash, Subject> {
    let own = terms.own.limits.keys().map(|(of, _)| of);
    let held = account.holds.values().flat_map(|hold| &hold.limits.subjects);
    let recent = account.recent.iter();
    let recent = recent.flat_map(|entry| entry.counts.iter().map(|count| &count.of));
    own.chain(held).chain(recent).map(|of| (of.hash(), of.clone())).collect()
}
