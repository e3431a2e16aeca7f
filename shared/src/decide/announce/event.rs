//! Events: what the rest of the company is told about an account.

use crate::domain::auto_top_up::{Failed, OffReason};
use crate::domain::catalog::ActionNumber;
use crate::domain::grant::GrantId;
use crate::domain::limit::Counted;
use crate::domain::meters::Meters;
use crate::domain::rates::ModelNumber;
use crate::domain::refusal::HoldEnd;
use crate::domain::{
    AccountId, Credits, GrantKind, Instant, Money, NextPlan, OperationId, PlanTerms, Seq,
};

/// Something that happened to an account, or is about to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same however often the event is sent.
    pub id: String,
    pub account: AccountId,
    pub at: Instant,
    /// The number of the entry that records it. None for something that is about to happen.
    pub seq: Option<Seq>,
    /// Available and held credits after it.
    pub balance: (Credits, Credits),
    pub about: About,
}

/// The subject of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A debit or a capture spent credits.
    Debited {
        credits: Credits,
        action: Option<ActionNumber>,
        call: Option<(ModelNumber, Meters)>,
        user: Option<String>,
    },
    Held {
        hold: OperationId,
        credits: Credits,
        action: Option<ActionNumber>,
        call: Option<(ModelNumber, Meters)>,
        expires_at: Instant,
    },
    /// Held credits that were not spent are not held any more.
    Released {
        hold: OperationId,
        credits: Credits,
        how: HoldEnd,
    },
    /// An operator put credits in.
    Granted {
        kind: GrantKind,
        credits: Credits,
        expires_at: Option<Instant>,
    },
    /// An operator took back what was free of a grant: 0 if nothing was.
    Revoked {
        grant: GrantId,
        kind: GrantKind,
        credits: Credits,
    },
    /// The credits of a week or of a plan period arrived.
    Recharged {
        grant: GrantId,
        kind: GrantKind,
        credits: Credits,
        expires_at: Option<Instant>,
    },
    /// Credits that a debit had charged were given back.
    Refunded {
        debit: OperationId,
        credits: Credits,
    },
    /// A payment arrived, and its credits with it.
    ToppedUp {
        order: OperationId,
        credits: Credits,
        expires_at: Option<Instant>,
    },
    /// Money went back: so many credits are taken back or become debt.
    Reversed {
        order: OperationId,
        credits: Credits,
    },
    /// An operator waived the account's debt.
    DebtWaived {
        credits: Credits,
    },
    PlanChanged {
        terms: PlanTerms,
        /// The change that is due to come after it.
        next: Option<NextPlan>,
    },
    /// At most `percent` hundredths of a full account are left.
    Low {
        percent: u8,
        of: Credits,
    },
    Exhausted,
    /// A grant expires in so many days.
    Expiring {
        grant: GrantId,
        kind: GrantKind,
        credits: Credits,
        expires_at: Instant,
        days: u8,
    },
    /// At least 80 hundredths of a limit were used.
    LimitLow {
        limit: Counted,
        used: Credits,
        resets_at: Option<Instant>,
    },
    /// A limit did not let a charge pass, for the first time in its window.
    LimitReached {
        limit: Counted,
        used: Credits,
        required: Credits,
        resets_at: Option<Instant>,
    },
    AutoTopUp(AutoNews),
}

impl About {
    /// The event's type on the bus.
    pub fn name(&self) -> &'static str {
        match self {
            About::Debited { .. } => "CreditsDebited",
            About::Held { .. } => "CreditsHeld",
            About::Released { .. } => "CreditsReleased",
            About::Granted { .. } => "CreditsGranted",
            About::Revoked { .. } => "CreditsRevoked",
            About::Recharged { .. } => "CreditsRecharged",
            About::Refunded { .. } => "CreditsRefunded",
            About::ToppedUp { .. } => "CreditsToppedUp",
            About::Reversed { .. } => "CreditsReversed",
            About::DebtWaived { .. } => "DebtWaived",
            About::PlanChanged { .. } => "PlanChanged",
            About::Low { .. } => "CreditsLow",
            About::Exhausted => "CreditsExhausted",
            About::Expiring { .. } => "CreditsExpiring",
            About::LimitLow { .. } => "LimitLow",
            About::LimitReached { .. } => "LimitReached",
            About::AutoTopUp(news) => news.name(),
        }
    }
}

/// News of an auto top-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutoNews {
    /// A pack was bought, and its credits are in the account.
    Done { order: OperationId, pack: String, credits: Credits, price: Money },
    /// A pack was not bought. Without an order none was placed, which is told once in a month for
    /// each reason.
    Failed { order: Option<OperationId>, reason: Failed },
    /// It is off from now on.
    Off { reason: OffReason },
}

impl AutoNews {
    /// The event's type on the bus.
    fn name(&self) -> &'static str {
        match self {
            AutoNews::Done { .. } => "AutoTopUpDone",
            AutoNews::Failed { .. } => "AutoTopUpFailed",
            AutoNews::Off { .. } => "AutoTopUpOff",
        }
    }
}
