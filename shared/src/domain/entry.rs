//! Entries: the lines of an account's ledger.

mod explanation;
mod group;
mod quantity;

pub use explanation::Explanation;
pub use group::EntryGroup;
pub use quantity::Quantity;

use super::catalog::ActionNumber;
use super::grant::{BurnOrder, GrantId, GrantKind, Movement};
use super::limit::{Counted, Per, Subject};
use super::meters::Meters;
use super::payment::Cause;
use super::rates::ModelNumber;
use super::{Credits, DebtChange, Debts, Instant, NextPlan, OperationId, PlanTerms, Seq};

/// One line of the ledger: what changed, when, by whom and by how much.
///
/// Entries are numbered 1, 2, 3, ... by their place; the changes of available and of held up to an
/// entry sum to the balance after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: OperationId,
    /// One reading of the handler's clock. Order is by number; two stamps may be out of order.
    pub at: Instant,
    /// The change of available.
    pub available: Credits,
    /// The change of held.
    pub held: Credits,
    /// The version of the catalog that was in force; of a charge by meters, the one by whose rates
    /// it is priced.
    pub catalog: u32,
    /// The caller's own name for the operation, where that is not the id.
    pub key: Option<String>,
    /// The user of the product that it is for.
    pub user: Option<String>,
    /// Who of the company asked for it, by an IAM principal: of an operator's act, of a refund, and
    /// of the credits that the release of a payment brings. No customer ever reads it.
    pub actor: Option<String>,
    /// The purpose, in the caller's words.
    pub reference: Option<String>,
    /// Why an operator did it, for the company's own people: no customer ever reads it.
    pub reason: Option<String>,
    /// The text that the customer reads.
    pub message: Option<String>,
    /// The subjects that the request named beside its user, in order.
    pub subjects: Vec<Subject>,
    /// The limits that it counts for: of a capture, those that what it took beyond its hold does.
    pub counts: Vec<Counted>,
    pub kind: EntryKind,
}

/// Who did what an entry records, whatever they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A user of the product.
    User,
    /// Somebody of the company, by an IAM principal.
    Operator,
    /// A service of the product, for no user in particular.
    Service,
    /// Scrip itself: time passed, or money moved at Stripe that the buyer did not move.
    Scrip,
    /// Nobody can say: a later version of Scrip wrote the entry.
    Unknown,
}

impl Entry {
    /// The record of `what` under the catalog of this version, by nobody and of no credits: what is
    /// different is said beside it.
    pub fn new(id: OperationId, at: Instant, catalog: u32, kind: EntryKind) -> Entry {
        Entry {
            id,
            at,
            available: Credits::ZERO,
            held: Credits::ZERO,
            catalog,
            key: None,
            user: None,
            actor: None,
            reference: None,
            reason: None,
            message: None,
            subjects: Vec::new(),
            counts: Vec::new(),
            kind,
        }
    }

    /// The charge. None if it is neither a debit nor a capture.
    pub fn charged(&self) -> Option<Charged> {
        match self.kind {
            EntryKind::Debit { action, quantity } => {
                let (credits, model) = (-self.available, quantity.model());
                Some(Charged { credits, burnt: credits, action, model })
            }
            EntryKind::Captured { action, quantity, credits, lapsed, .. } => {
                let (burnt, model) = (credits - lapsed, quantity.model());
                Some(Charged { credits, burnt, action, model })
            }
            _ => None,
        }
    }

    /// The credits that a capture took of what was available, beyond what was held. They are among
    /// those that it charged.
    pub fn beyond(&self) -> Credits {
        match self.kind {
            EntryKind::Captured { .. } => (-self.available).max(Credits::ZERO),
            _ => Credits::ZERO,
        }
    }

    /// The credits that it counts for limits.
    pub fn counted(&self) -> Credits {
        match self.kind {
            EntryKind::Debit { .. } => -self.available,
            EntryKind::Held { .. } => self.held,
            _ => self.beyond(),
        }
    }

    /// Who did it. Of a refund, `user` is not who did it, but whose debit it gives back, and `actor`
    /// is who asked for it, if that is known.
    pub fn by(&self) -> By {
        match &self.kind {
            // A subscription changed it.
            EntryKind::PlanChanged { .. } if self.reference.is_some() => By::Scrip,
            EntryKind::Opened { .. }
            | EntryKind::Granted { .. }
            | EntryKind::Revoked { .. }
            | EntryKind::PlanChanged { .. }
            | EntryKind::Frozen
            | EntryKind::Unfrozen
            | EntryKind::DebtWaived { .. } => By::Operator,
            EntryKind::Debit { .. }
            | EntryKind::Held { .. }
            | EntryKind::Captured { .. }
            | EntryKind::Released { .. }
            | EntryKind::Extended { .. }
            | EntryKind::LimitSet { .. } => match self.user {
                Some(_) => By::User,
                None => By::Service,
            },
            EntryKind::Refunded { .. } => By::Service,
            EntryKind::ToppedUp { undone, .. } if undone.is_zero() => By::User,
            EntryKind::ToppedUp { .. }
            | EntryKind::Reversed { .. }
            | EntryKind::TimePassed { .. } => By::Scrip,
            EntryKind::Unknown { .. } => By::Unknown,
        }
    }
}

/// The charge of a debit or a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    pub credits: Credits,
    /// How much of them was burnt from the burn order: credits that had expired while held were
    /// no longer part of it.
    pub burnt: Credits,
    pub action: Option<ActionNumber>,
    pub model: Option<ModelNumber>,
}

/// The kinds of change that an entry records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// The account was opened with these grants.
    Opened {
        terms: PlanTerms,
        moved: Vec<Movement>,
    },
    /// Credits were spent: a quantity of an action, or an amount by itself (no action).
    Debit {
        action: Option<ActionNumber>,
        quantity: Quantity,
    },
    /// Credits were put in by an operator.
    Granted {
        kind: GrantKind,
        expires_at: Option<Instant>,
    },
    /// An operator took back what was free of a grant: as much as available is less by, or
    /// nothing. The entry of an advance follows in the same write.
    Revoked {
        grant: GrantId,
        kind: GrantKind,
    },
    /// Time passed, or pending changes were folded in: grants expired or arrived, holds lapsed.
    TimePassed {
        moved: Vec<Movement>,
        /// The holds that lapsed.
        lapsed: Vec<OperationId>,
        /// The number of the advance before this one, or of the opening, and when it was.
        before: (Seq, Instant),
        /// The credits burnt from its burn order, by grant: a refund needs them.
        burnt: BurnOrder,
        /// The credits taken back, owed and repaid, in that order.
        debts: Vec<DebtChange>,
    },
    /// Credits were held.
    Held {
        action: Option<ActionNumber>,
        quantity: Quantity,
        expires_at: Instant,
    },
    /// Credits that were held were spent.
    Captured {
        hold: OperationId,
        action: Option<ActionNumber>,
        quantity: Quantity,
        credits: Credits,
        /// How much of them was of a grant that had expired while they were held.
        lapsed: Credits,
        /// Whether the hold ended with it. The credits that it still held then went back.
        ends: bool,
        /// The credits that it asked for, or cost, beyond the hold and did not charge: it might not,
        /// or the account could not pay them, or might not.
        uncharged: Credits,
    },
    /// A hold ended, and what it held went back.
    Released {
        hold: OperationId,
    },
    /// A hold got another end.
    Extended {
        hold: OperationId,
        expires_at: Instant,
    },
    /// The charge of a debit or a capture was given back, or a part of it.
    Refunded {
        debit: OperationId,
        /// The credits asked for.
        credits: Credits,
        action: Option<ActionNumber>,
        model: Option<ModelNumber>,
        /// If the burn order was another one by then: the number of the debit, and how much less
        /// was burnt from its burn order because of this.
        of: Option<(Seq, Credits)>,
        /// The grants that it came back to, if the burn order was another one by then: the credits
        /// that would be there by now if they had never left.
        moved: Vec<Movement>,
        /// The debts that are not owed any more: those that would not be if it had never left.
        unowed: Debts,
    },
    /// The terms of the plan changed, or what is due to come after them.
    PlanChanged {
        terms: PlanTerms,
        next: Option<NextPlan>,
    },
    Frozen,
    Unfrozen,
    /// Credits arrived that were paid for, or the money for them came back to us.
    ToppedUp {
        /// The order, which is also the id of the grant: of a second payment of it another.
        order: OperationId,
        /// Why they are due, if not by being paid for alone.
        cause: Option<Cause>,
        /// The credits of it that are due after this.
        due: Credits,
        /// The grant that they are.
        grant: GrantId,
        expires_at: Option<Instant>,
        /// How much of it had been taken back, and is not any more.
        undone: Credits,
        /// The grants that came back by that, as of a refund.
        moved: Vec<Movement>,
        /// The debts that are not owed any more, as of a refund.
        unowed: Debts,
    },
    /// Money went back: so many credits are to be taken back. The advance that follows records how
    /// much was left of them, and how much is debt.
    Reversed {
        order: OperationId,
        cause: Cause,
        due: Credits,
        credits: Credits,
    },
    /// An operator let an account off its debt.
    DebtWaived {
        debts: Debts,
    },
    /// A limit of the account's own was set; or removed, if it is None.
    LimitSet {
        of: Subject,
        per: Per,
        at_most: Option<Credits>,
        /// Whether what was used of it is forgotten: nothing else limits the subject in a window
        /// that never ends.
        forgotten: bool,
    },
    /// Something that only a later version of Scrip knows. Its changes of the balance are known,
    /// and all of it is kept as it was written.
    Unknown {
        /// The tag that the later version gave the kind.
        tag: u8,
        /// The fields of the kind, as they were written.
        fields: Vec<u8>,
    },
}

impl EntryKind {
    /// Whether it can happen while the burn order waits for an advance to fold in its pending
    /// change: all that follows it, up to that advance, can. Of a revocation, its own advance
    /// follows at once.
    pub fn needs_no_line(&self) -> bool {
        match self {
            EntryKind::Granted { .. }
            | EntryKind::Revoked { .. }
            | EntryKind::ToppedUp { .. }
            | EntryKind::Refunded { .. }
            | EntryKind::PlanChanged { .. }
            | EntryKind::Reversed { .. }
            | EntryKind::DebtWaived { .. }
            | EntryKind::Frozen
            | EntryKind::Unfrozen
            | EntryKind::LimitSet { .. }
            | EntryKind::Unknown { .. } => true,
            EntryKind::Opened { .. }
            | EntryKind::Debit { .. }
            | EntryKind::TimePassed { .. }
            | EntryKind::Held { .. }
            | EntryKind::Captured { .. }
            | EntryKind::Released { .. }
            | EntryKind::Extended { .. } => false,
        }
    }

    /// The action that it is for, and the model of a call.
    pub fn bought(&self) -> Option<(ActionNumber, Option<ModelNumber>)> {
        match self {
            EntryKind::Debit { action, quantity }
            | EntryKind::Held { action, quantity, .. }
            | EntryKind::Captured { action, quantity, .. } => {
                action.map(|action| (action, quantity.model()))
            }
            EntryKind::Refunded { action, model, .. } => action.map(|action| (action, *model)),
            _ => None,
        }
    }

    /// The model and its meters, of a call.
    pub fn call(&self) -> Option<(ModelNumber, Meters)> {
        match self {
            EntryKind::Debit { quantity, .. }
            | EntryKind::Held { quantity, .. }
            | EntryKind::Captured { quantity, .. } => quantity.call(),
            _ => None,
        }
    }

    /// The word for it in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            EntryKind::Opened { .. } => "opened",
            EntryKind::Debit { .. } => "debit",
            EntryKind::Granted { .. } => "granted",
            EntryKind::Revoked { .. } => "revoked",
            EntryKind::TimePassed { .. } => "time_passed",
            EntryKind::Held { .. } => "held",
            EntryKind::Captured { .. } => "captured",
            EntryKind::Released { .. } => "released",
            EntryKind::Extended { .. } => "extended",
            EntryKind::Refunded { .. } => "refunded",
            EntryKind::PlanChanged { .. } => "plan_changed",
            EntryKind::Frozen => "frozen",
            EntryKind::Unfrozen => "unfrozen",
            EntryKind::ToppedUp { .. } => "topped_up",
            EntryKind::Reversed { .. } => "reversed",
            EntryKind::DebtWaived { .. } => "debt_waived",
            EntryKind::LimitSet { .. } => "limit_set",
            EntryKind::Unknown { .. } => "unknown",
        }
    }

    /// Whether a later version of Scrip wrote it, and what it did is not known.
    pub fn is_unknown(&self) -> bool {
        matches!(self, EntryKind::Unknown { .. })
    }

    /// The change of debt. The changes up to an entry sum to the debt after it, if this version
    /// knows the kind of each.
    pub fn debt(&self) -> Credits {
        match self {
            EntryKind::TimePassed { debts, .. } => debts.iter().map(DebtChange::owed).sum(),
            EntryKind::Refunded { unowed, .. } | EntryKind::ToppedUp { unowed, .. } => {
                -unowed.total()
            }
            EntryKind::DebtWaived { debts } => -debts.total(),
            _ => Credits::ZERO,
        }
    }
}
