//! The directory: what operators find accounts by, and what a listing of accounts shows.

use super::hash::short_hash;
use super::{Account, AccountId, Credits, Gate, PlanTerms, Seq, Status};

/// The longest name of an account, in bytes.
pub const NAME_BYTES: usize = 128;
/// The longest label, in bytes.
pub const LABEL_BYTES: usize = 64;
/// How many labels an account has at most.
pub const MAX_LABELS: usize = 10;

/// The name and the labels that an operator gives an account. None: it keeps those that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountNames {
    /// Empty: the account gets no name.
    pub name: Option<String>,
    /// All labels that it has from now on.
    pub labels: Option<Vec<String>>,
}

impl AccountNames {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == AccountNames::default()
    }

    /// The names in one word, for the idempotency record of a request: a hash, because the record
    /// is kept for good, and a name may be a person's.
    pub fn content(&self) -> String {
        // No text has a control character, so each is told from its neighbours.
        let name = self.name.as_ref().map_or("-".to_owned(), |name| format!("={name}"));
        let labels = self.labels.as_ref().map(|labels| format!("={}", labels.join("\n")));
        short_hash(format!("{name}\n{}", labels.unwrap_or_default()))
    }
}

/// What a listing of accounts shows of the state of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    pub plan: String,
    pub status: Status,
    pub gate: Gate,
    pub debt: Credits,
}

impl AccountState {
    /// The state of an account, with a change of plan that no advance has folded in yet.
    pub fn of(account: &Account) -> AccountState {
        let PlanTerms { plan, status, .. } = account.latest_plan().0.clone();
        AccountState { plan, status, gate: account.gate, debt: account.debt() }
    }
}

impl std::fmt::Display for AccountState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let AccountState { plan, status, gate, debt } = self;
        write!(f, "plan {plan}, {}, {}, debt {debt}", status.name(), gate.name())
    }
}

/// An account in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    pub account: AccountId,
    pub name: Option<String>,
    pub labels: Vec<String>,
    pub state: AccountState,
    /// The number of the account's latest entry when it was in this state.
    pub seq: Seq,
}

/// Which accounts are listed: those that match all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// A part of the name or of a label, or the beginning of the id, in any case.
    pub text: Option<String>,
    pub plan: Option<String>,
    /// One of [`Gate::NAMES`].
    pub gate: Option<&'static str>,
    /// Whether it owes credits.
    pub in_debt: Option<bool>,
}

impl AccountFilter {
    pub fn fits(&self, listed: &ListedAccount) -> bool {
        let state = &listed.state;
        self.text.as_deref().is_none_or(|text| is_found(listed, text))
            && self.plan.as_deref().is_none_or(|plan| plan == state.plan)
            && self.gate.is_none_or(|gate| gate == state.gate.name())
            && self.in_debt.is_none_or(|in_debt| in_debt != state.debt.is_zero())
    }

    /// Whether every account matches.
    pub fn is_open(&self) -> bool {
        *self == AccountFilter::default()
    }
}

/// Whether the id of an account begins with a text, or its name or a label has it, in any case.
fn is_found(listed: &ListedAccount, text: &str) -> bool {
    let part = text.to_lowercase();
    let has = |name: &String| name.to_lowercase().contains(&part);
    listed.account.as_str().to_lowercase().starts_with(&part)
        || listed.name.as_ref().is_some_and(has)
        || listed.labels.iter().any(has)
}
