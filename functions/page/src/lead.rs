//! The one panel that leads the page: what happened, when credits come back, and what to do.

use shared::domain::{Account, EntryKind, Status};

/// What the panel is about, in order of precedence: what keeps the customer from spending leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Frozen,
    /// The plan does not include AI, or was canceled.
    Plan,
    /// A payment's credits were spent before its money went back.
    Debt,
    /// A payment for the plan failed.
    PastDue,
    Empty,
    /// Nothing was used yet.
    New,
}

impl About {
    /// The start of its texts' keys.
    pub fn name(self) -> &'static str {
        match self {
            About::Frozen => "frozen",
            About::Plan => "plan",
            About::Debt => "debt",
            About::PastDue => "past_due",
            About::Empty => "empty",
            About::New => "new",
        }
    }
}

/// The first thing to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    TopUp,
    Subscribe,
    /// Change the card, on Stripe's page.
    Manage,
    /// Use credits, in the product.
    Begin,
    Contact,
}

impl Action {
    /// Its word for the template.
    pub fn name(self) -> &'static str {
        match self {
            Action::TopUp => "top_up",
            Action::Subscribe => "subscribe",
            Action::Manage => "manage",
            Action::Begin => "begin",
            Action::Contact => "contact",
        }
    }
}

/// What the session can do here.
#[derive(Clone, Copy, Debug)]
pub struct Offered {
    pub packs: bool,
    pub plans: bool,
    pub portal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    pub about: About,
    pub action: Action,
    /// Nothing can be spent now, for whatever reason.
    pub is_closed: bool,
    /// Nothing is left.
    pub is_empty: bool,
}

/// The panel of an account. None: nothing is in the way, and credits were used.
pub fn lead(account: &Account, offered: Offered) -> Option<Lead> {
    let gate = account.gate;
    let is_empty = account.available.is_zero();
    let in_debt = !account.debt().is_zero();
    let past_due = account.plan_state.terms.status == Status::PastDue;
    let reasons = [
        (gate.frozen, About::Frozen),
        (gate.no_plan, About::Plan),
        (in_debt, About::Debt),
        (past_due, About::PastDue),
        (is_empty, About::Empty),
        (is_new(account), About::New),
    ];
    let (_, about) = reasons.into_iter().find(|(is, _)| *is)?;
    let action = match about {
        About::Plan if offered.plans => Action::Subscribe,
        About::Debt | About::Empty if offered.packs => Action::TopUp,
        About::Empty if offered.plans => Action::Subscribe,
        About::PastDue if offered.portal => Action::Manage,
        About::New => Action::Begin,
        _ => Action::Contact,
    };
    Some(Lead { about, action, is_closed: !gate.is_open(), is_empty })
}

/// An account with more entries than this is not new. So few are all in the account: a segment has
/// more.
const MAX_NEW_ENTRIES: u64 = 8;

/// Whether nothing was ever spent or held.
fn is_new(account: &Account) -> bool {
    let is_use =
        |kind: &EntryKind| matches!(kind, EntryKind::Debit { .. } | EntryKind::Held { .. });
    account.seq <= MAX_NEW_ENTRIES && !account.recent.iter().any(|entry| is_use(&entry.kind))
}
