//! Operations: a service's request with an id happens once, in one conditional write.
//!
//! A batch is several debits, and a debit is a batch of one: each has its own write, and the writes
//! are joined; the account's refusals are checked for all of them together, in the same order.

use std::collections::BTreeSet;

use super::archive::CAPACITY;
use super::debit::{self, Charge, Price};
use super::hold::{self, CapturePart, Effect};
use super::limit::{self, InForce, Terms};
use super::{AccountWrite, Expect, Guard, KeyAlias, Row, RowWrite, Seen, Step, Write};
use crate::domain::instant::Span;
use crate::domain::ledger::PostedEntry;
use crate::domain::limit::{Counted, Counter, HeldLimits, MAX_COUNTED, MAX_HELD};
use crate::domain::{
    Account, AccountId, Catalog, Credits, Entry, EntryKind, Gate, Instant, Limit, OperationId,
    Refusal, Seq, Subject,
};

/// The most debits of one batch: so the account stays below its capacity, and the write below the
/// 4 KB of DynamoDB's expressions.
pub const MAX_DEBITS: usize = 24;

/// A service's request to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub account: AccountId,
    pub ask: Ask,
    /// The user of the product: up to 64 bytes, without a control character.
    pub user: Option<String>,
    /// What it was for: up to 64 bytes, without a control character.
    pub reference: Option<String>,
    /// The subjects that it counts for beside its user, in order: those of its limits are among
    /// them.
    pub subjects: Vec<Subject>,
    /// The limits that it brings.
    pub limits: Vec<Limit>,
}

impl Request {
    /// A request of nobody, for nothing named.
    pub fn new(account: AccountId, ask: Ask) -> Request {
        let (user, reference) = (None, None);
        Request { account, ask, user, reference, subjects: Vec::new(), limits: Vec::new() }
    }

    /// The limits in force for its charge. None: that takes the account's terms.
    pub fn limits_in_force(
        &self,
        catalog: &Catalog,
        terms: Option<&Terms>,
        now: Instant,
    ) -> Option<InForce> {
        let subjects: Vec<Subject> = match self.ask.charge() {
            Some(_) => self.counts_for().collect(),
            None => Vec::new(),
        };
        limit::in_force(&subjects, &self.limits, catalog, terms, now)
    }

    /// What a hold remembers of the limits in force for it.
    fn remembered(&self, in_force: &InForce) -> HeldLimits {
        HeldLimits {
            subjects: self.counts_for().collect(),
            asked: self.limits.clone(),
            counts: in_force.counts.iter().map(Counted::counter).collect(),
        }
    }

    /// The subjects that it counts for.
    pub fn counts_for(&self) -> impl Iterator<Item = Subject> {
        let user = self.user.as_deref().map(Subject::user);
        user.into_iter().chain(self.subjects.iter().cloned())
    }
}

/// The kinds of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Spend credits.
    Debit(Charge),
    /// Hold credits for a while.
    Hold { charge: Charge, life: Span },
    /// Spend a hold or a part of it. `ends`: the hold ends, and what is left of it goes back.
    /// `beyond`: it may ask for more than is held.
    Capture { hold: OperationId, part: CapturePart, ends: bool, beyond: bool },
    /// Give back what is held.
    Release { hold: OperationId },
    /// Extend the hold to `life` from now on.
    Extend { hold: OperationId, life: Span },
}

impl Ask {
    /// The charge that the catalog prices, if there is one.
    pub fn charge(&self) -> Option<&Charge> {
        match self {
            Ask::Debit(charge) | Ask::Hold { charge, .. } => Some(charge),
            _ => None,
        }
    }

    /// The hold that the request names, if it names one.
    pub fn hold(&self) -> Option<OperationId> {
        match self {
            Ask::Capture { hold, .. } | Ask::Release { hold } | Ask::Extend { hold, .. } => {
                Some(*hold)
            }
            _ => None,
        }
    }
}

/// A request on its way to an account.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub request: &'a Request,
    /// Zero, for a request that the catalog does not price.
    pub price: Price,
    pub id: OperationId,
    /// The caller's own key for the operation, where that is not the id.
    pub key: Option<&'a str>,
    /// Why a capture by meters has no price.
    pub no_price: Option<&'a Refusal>,
    /// The limits in force for it: of a capture, those for what it takes beyond its hold.
    pub limits: &'a InForce,
}

/// The proof that the operation has not happened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// No id younger than its own is archived.
    Fast,
    /// Its id was looked up when the account had this many entries, and all later entries are still
    /// in the account.
    LookedUp(Seq),
}

/// What to do after an account refused the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These operations happened before.
    Happened(Vec<PostedEntry>),
    Refuse(Refusal),
    /// Look for the ids in the segments that hold entries after this one, then try again from here.
    LookUp {
        after: Seq,
        route: Route,
    },
    /// The limits in force rest on what the account is not any more: find them anew.
    Relearn,
    Advance,
    Archive,
    /// The hold is not open: find out how it ended.
    Explain(OperationId),
    /// The reason for the refusal has passed.
    Retry,
}

/// The write of all `attempts`: the whole operations, their conditions and their entries. None if
/// the account, as far as it is known, has no such hold, not enough in it, or has to advance first;
/// if they count for more limits than one write can; or if there are no attempts.
///
/// Debits and holds do not need `known`; a request about a hold names the hold as it is in `known`.
pub fn change(
    attempts: &[Attempt<'_>],
    known: Option<&Account>,
    now: Instant,
    route: Route,
) -> Option<AccountWrite> {
    if counts_too_many(attempts) {
        return None;
    }
    let each = attempts.iter().map(|attempt| alone(attempt, known, now, route));
    AccountWrite::join(each.collect::<Option<_>>()?)
}

/// The write of one attempt.
fn alone(
    attempt: &Attempt<'_>,
    known: Option<&Account>,
    now: Instant,
    route: Route,
) -> Option<AccountWrite> {
    let Attempt { request, price, id, key, no_price, limits } = *attempt;
    if no_price.is_some() {
        return None;
    }
    let open = |hold| {
        let account = known?;
        hold::open(account, hold, now).map(|held| (account, held))
    };
    let effect = match &request.ask {
        Ask::Debit(_) => spend(price, limits, now),
        Ask::Hold { life, .. } => {
            hold::hold(id, price, *life, (limits, request.remembered(limits)), now)
        }
        Ask::Capture { hold, part, ends, beyond } => {
            let (account, held) = open(hold)?;
            let taken = hold::take(&held, part, price, *ends, *beyond).ok()?;
            hold::capture(account, *hold, held, taken, limits, now)?
        }
        Ask::Release { hold } => {
            let (account, held) = open(hold)?;
            hold::release(account, *hold, held, now)
        }
        Ask::Extend { hold, life } => hold::extend(*hold, open(hold)?.1, *life, now),
    };
    let Effect { mut when, mut then, available, held, counts, kind } = effect;
    when.push(match route {
        Route::Fast => Guard::DedupFloorBelow(id.time()),
        Route::LookedUp(seq) => Guard::ArchivedAtMost(seq),
    });
    when.extend([Guard::RoomFor(1), Guard::New(id)]);
    then.push(Step::Append(Entry {
        available,
        held,
        key: key.map(str::to_owned),
        user: request.user.clone(),
        reference: request.reference.clone(),
        subjects: request.subjects.clone(),
        counts,
        ..Entry::new(id, now, price.catalog, kind)
    }));
    Some(AccountWrite { account: request.account.clone(), when, then })
}

fn spend(price: Price, limits: &InForce, now: Instant) -> Effect {
    let Price { credits, action, quantity, .. } = price;
    let (limited, counted) = limits.count(credits);
    let when = vec![Guard::Covers(credits), Guard::ValidAt(now), Guard::GateIs(Gate::OPEN)];
    let then = vec![Step::Add(-credits), Step::Consume(action.unwrap_or(0), credits)];
    Effect {
        when: [when, limited].concat(),
        then: [then, counted].concat(),
        available: -credits,
        held: Credits::ZERO,
        counts: limits.counts.clone(),
        kind: EntryKind::Debit { action, quantity },
    }
}

/// The write of a key alias, if the key has none yet, or if it still has the id to replace.
pub fn key_alias(name: KeyAlias) -> Write {
    let expect = match name.replaces {
        None => Expect::Absent,
        Some(replaced) => Expect::Is(Seen::Id(replaced)),
    };
    Write::row(RowWrite::Put(Row::KeyAlias(name), expect))
}

/// Finds why the account refused, in order of precedence, and what to do next.
///
/// `attempts` are one or more debits, or one request of another kind, all for one account.
pub fn resume(
    attempts: &[Attempt<'_>],
    account: Option<&Account>,
    catalog: &Catalog,
    now: Instant,
    route: Route,
) -> Next {
    let Some(account) = account else {
        return Next::Refuse(Refusal::no_account(&attempts[0].request.account));
    };
    // Checked first: a retry must not be refused for a low balance or an ended hold.
    let happened = attempts.iter().filter_map(|attempt| account.find(&attempt.id));
    let happened: Vec<PostedEntry> = happened.collect();
    if !happened.is_empty() {
        return Next::Happened(happened);
    }
    if let Some(after) = unseen_from(attempts, account, route) {
        return Next::LookUp { after, route: Route::LookedUp(account.seq) };
    }
    if account.valid_until <= now {
        return Next::Advance;
    }
    if account.recent.len() + attempts.len() > CAPACITY {
        return Next::Archive;
    }
    if attempts.iter().any(|attempt| !attempt.limits.is_of(account)) {
        return Next::Relearn;
    }
    let refusal = match attempts.first().map(|attempt| &attempt.request.ask) {
        None => None,
        Some(Ask::Debit(_)) => refusal(attempts, account, catalog, now),
        Some(Ask::Hold { .. }) => {
            let refusal = refusal(attempts, account, catalog, now);
            refusal.or_else(|| hold::no_room(account))
        }
        Some(Ask::Capture { hold, part, ends, beyond }) => {
            let Some(held) = hold::open(account, hold, now) else {
                return Next::Explain(*hold);
            };
            if let Some(refusal) = attempts[0].no_price {
                return Next::Refuse(refusal.clone());
            }
            let Attempt { price, limits, .. } = attempts[0];
            match hold::take(&held, part, price, *ends, *beyond) {
                Ok(taken) if hold::awaits_lapsed(account, &taken, limits, now) => {
                    return Next::Advance;
                }
                taken => taken.err(),
            }
        }
        Some(Ask::Release { hold } | Ask::Extend { hold, .. }) => {
            match hold::open(account, hold, now) {
                Some(_) => None,
                None => return Next::Explain(*hold),
            }
        }
    };
    match refusal {
        // A lapsed hold gives back its credits and its place before any request is refused.
        Some(
            Refusal::InsufficientCredits { .. }
            | Refusal::LimitReached { .. }
            | Refusal::TooManyHolds { .. },
        ) if account.has_lapsed_hold(now) => Next::Advance,
        Some(refusal) => Next::Refuse(refusal),
        None => Next::Retry,
    }
}

/// Why an advanced account would not let all `attempts` pass, one after the other.
pub(super) fn refusal(
    attempts: &[Attempt<'_>],
    account: &Account,
    catalog: &Catalog,
    now: Instant,
) -> Option<Refusal> {
    let charges = attempts.iter().map(|attempt| (attempt.limits, attempt.price.credits));
    let refusal = debit::refusal(account, charges, catalog, now);
    refusal.or_else(|| counts_too_many(attempts).then(|| too_many(attempts)))
}

/// The refusal of attempts that count for more limits than one write can.
fn too_many(attempts: &[Attempt<'_>]) -> Refusal {
    match attempts {
        [one] => {
            let most = most_counts(one);
            Refusal::invalid("subjects", format!("count for more than {most} limits"))
        }
        _ => {
            let problem = format!("count for more than {MAX_COUNTED} limits; send fewer at once");
            Refusal::invalid("debits", problem)
        }
    }
}

/// How many limits an attempt may count for.
fn most_counts(attempt: &Attempt<'_>) -> usize {
    match attempt.request.ask {
        Ask::Hold { .. } => MAX_HELD,
        _ => MAX_COUNTED,
    }
}

/// Whether all `attempts` together count for more limits than one write can.
pub fn counts_too_many(attempts: &[Attempt<'_>]) -> bool {
    let counters = attempts.iter().flat_map(|attempt| &attempt.limits.counts);
    let counters: BTreeSet<Counter> = counters.map(Counted::counter).collect();
    let most = attempts.iter().map(most_counts).min().unwrap_or(MAX_COUNTED);
    counters.len() > most
}

/// The entry after which archived entries may include one of the attempts. None: it is excluded that
/// one of them is archived.
pub(super) fn unseen_from(
    attempts: &[Attempt<'_>],
    account: &Account,
    route: Route,
) -> Option<Seq> {
    let may_have_left = |attempt: &Attempt<'_>| account.dedup_floor >= attempt.id.time();
    match route {
        Route::Fast => attempts.iter().any(may_have_left).then_some(0),
        Route::LookedUp(seq) => (account.archived_seq > seq).then_some(seq),
    }
}
