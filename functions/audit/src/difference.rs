//! The kinds of difference that an audit reports: one for each comparison, with its code and text.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use shared::decide::Returned;
use shared::decide::directory::Found;
use shared::decide::rollup::RolledUp;
use shared::decide::{IdempotencyRecord, KeyAlias, Segment};
use shared::domain::catalog::ActionNumber;
use shared::domain::limit::{Counter, OwnLimits};
use shared::domain::payment::IntentId;
use shared::domain::subscription::{Followed, SubscriptionId};
use shared::domain::{AccountId, AccountState, Credits, Entry, Instant, OperationId, Seq};

/// Two values that should be equal and are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// None: the payment's account is not known.
    pub account: Option<AccountId>,
    pub kind: Kind,
    pub expected: String,
    pub found: String,
    /// An operator knows of it: the account is frozen for it, or it is parked.
    pub parked: bool,
}

/// The kind of a difference, with the data that its repair needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    // The account, against its entries.
    Unreadable {
        item: String,
    },
    Account,
    Number,
    Available,
    Held,
    Debt,
    Hold(OperationId),
    /// The consumption by an action differs by `off`, as of this entry.
    Consumed {
        seq: Seq,
        action: ActionNumber,
        off: Credits,
    },
    /// What was used of a limit, as of this entry: `of` names it, `credits` is what the entries say.
    Used {
        seq: Seq,
        counter: Counter,
        of: String,
        credits: Credits,
    },
    /// The account's own limits, as of this entry; `own` is what the entries say.
    OwnLimits {
        seq: Seq,
        own: OwnLimits,
    },
    BurnOrder,
    AddPending,
    ValidUntil,
    Plan,
    Frozen,
    DedupFloor,
    ArchivedAt,
    // The ledger, against itself and the account.
    /// This is the first entry whose kind only a later version knows.
    Unknown(Seq),
    Gap {
        first: Seq,
        last: Seq,
    },
    Closing {
        time: Instant,
        first: Seq,
    },
    Segment(Box<Segment>),
    Ahead(Box<Segment>),
    Repeated(OperationId),
    /// The charge of this debit or capture, or what this hold holds.
    Price(OperationId),
    /// This debit or hold, or what this capture took beyond its hold.
    Limit(OperationId),
    /// This revocation.
    Revoked(OperationId),
    KeyAliasMissing(KeyAlias),
    KeyAliasDiffers {
        there: KeyAlias,
        id: OperationId,
    },
    RecordMissing(Box<Entry>),
    RecordAlone(IdempotencyRecord),
    Returned(Returned),
    Day(Box<RolledUp>),
    Catalog,
    // Payments, against the account, their orders and Stripe.
    Order(OperationId),
    Payment {
        intent: IntentId,
        order: OperationId,
        got: Credits,
    },
    Due(IntentId),
    Mark(IntentId),
    Stripe(IntentId),
    // Subscriptions, against Stripe and the account.
    Subscription(SubscriptionId),
    /// What the row of this mode says that the plan follows; None: neither row says anything. `by`
    /// is what the entries say.
    Followed {
        live: Option<bool>,
        by: Option<Box<Followed>>,
    },
    /// Payments could not be compared with Stripe.
    StripeUnreachable,
    /// The account's row in the directory as it was found, with the state that it should have, as
    /// of an entry; None: there is no account.
    Directory {
        found: Found,
        state: Option<(AccountState, Seq)>,
    },
    /// The account could not be audited within one invocation.
    TooLarge,
}

impl Kind {
    /// The code of the difference in a log.
    pub fn name(&self) -> &'static str {
        self.told().0
    }

    /// The description of the difference.
    pub fn words(&self) -> &'static str {
        self.told().1
    }

    /// The code and the description.
    fn told(&self) -> (&'static str, &'static str) {
        match self {
            Kind::Unreadable { .. } => ("unreadable", "an item cannot be read"),
            Kind::Account => {
                ("account", "the ledger has entries, records or limits of a missing account")
            }
            Kind::Number => (
                "number",
                "the number of entries is not the sum of the archived and the recent ones",
            ),
            Kind::Available => {
                ("available", "the available credits are not the sum of the entries")
            }
            Kind::Held => ("held", "the held credits are not the sum of the entries"),
            Kind::Debt => ("debt", "the debt is not the sum of the entries"),
            Kind::Hold(_) => ("hold", "a hold does not match its entries"),
            Kind::Consumed { .. } => {
                ("consumed", "the consumption of this period does not match the entries")
            }
            Kind::Used { .. } => ("used", "what was used of a limit does not match the entries"),
            Kind::OwnLimits { .. } => {
                ("own_limits", "the limits of the account's own do not match the entries")
            }
            Kind::BurnOrder => ("burn_order", "the burn order does not match the latest advance"),
            Kind::AddPending => (
                "pending_changes",
                "the pending changes do not match the entries since the latest advance",
            ),
            Kind::ValidUntil => {
                ("valid_until", "the burn order is valid for longer than one of its grants")
            }
            Kind::Plan => ("plan", "the plan does not match the latest entry"),
            Kind::Frozen => ("frozen", "the frozen state does not match the entries"),
            Kind::DedupFloor => (
                "dedup_floor",
                "an archived id is above the dedup floor: its operation could be applied again",
            ),
            Kind::ArchivedAt => {
                ("archived_at", "the time of the latest segment does not match its key")
            }
            Kind::Gap { .. } => ("gap", "entries are in no segment"),
            Kind::Unknown(_) => {
                ("unknown_kind", "an entry is of a later version: what it did cannot be checked")
            }
            Kind::Closing { .. } => {
                ("closing", "the balance after a segment is not the sum of the entries")
            }
            Kind::Segment(_) => {
                ("segment", "the entries of a segment do not match those of the account")
            }
            Kind::Ahead(_) => ("ahead", "a segment has entries that the account does not have"),
            Kind::Price(_) => {
                ("price", "a charge by meters is not what the rates of its catalog version make it")
            }
            Kind::Limit(_) => {
                ("limit", "a charge went beyond a limit, or counted in a window that did not run")
            }
            Kind::Revoked(_) => ("revoked", "a revocation took more than was free of its grant"),
            Kind::Repeated(_) => ("repeated", "an operation was applied twice"),
            Kind::KeyAliasMissing(_) => (
                "key_alias_missing",
                "a key alias is missing: a retry would apply its operation again",
            ),
            Kind::KeyAliasDiffers { .. } => {
                ("key_alias_differs", "a key alias names a different operation than its entry")
            }
            Kind::RecordMissing(_) => (
                "idempotency_record_missing",
                "an idempotency record is missing: a retry would apply its operation again",
            ),
            Kind::RecordAlone(_) => (
                "idempotency_record_alone",
                "an idempotency record names an operation that the account does not have",
            ),
            Kind::Returned(_) => {
                ("returned", "the refunded total of a debit does not match the entries")
            }
            Kind::Day(_) => ("day", "the usage of a day does not match the entries"),
            Kind::Catalog => ("catalog", "entries name a catalog that is not published"),
            Kind::Order(_) => ("order", "the order of purchased credits is missing"),
            Kind::Payment { .. } => {
                ("payment", "a payment does not match the credits that the account got for it")
            }
            Kind::Due(_) => ("due", "a payment's credits are not those that are due for it"),
            Kind::Mark(_) => {
                ("mark", "a parked payment is not listed, or a listed payment is not parked")
            }
            Kind::Stripe(_) => ("stripe", "a payment does not match Stripe"),
            Kind::Subscription(_) => {
                ("subscription", "what is stored of a subscription does not match Stripe")
            }
            Kind::Followed { .. } => (
                "followed",
                "what the plan follows of a subscription does not match the account's entries",
            ),
            Kind::StripeUnreachable => {
                ("stripe_unreachable", "payments could not be compared with Stripe")
            }
            Kind::Directory { .. } => {
                ("directory", "the account's row in the directory does not match the account")
            }
            Kind::TooLarge => (
                "too_large",
                "the account is too large for the daily audit: run scrip audit --account",
            ),
        }
    }

    /// Whether the difference is about payments or subscriptions, not about what an account may do.
    pub fn is_of_money(&self) -> bool {
        matches!(
            self,
            Kind::Order(_)
                | Kind::Payment { .. }
                | Kind::Due(_)
                | Kind::Mark(_)
                | Kind::Stripe(_)
                | Kind::Subscription(_)
                | Kind::Followed { .. }
        )
    }

    /// The part of the account that the difference is about, where there may be several.
    pub fn about(&self) -> String {
        match self {
            Kind::Unreadable { item } => item.clone(),
            Kind::Hold(id)
            | Kind::Repeated(id)
            | Kind::Price(id)
            | Kind::Limit(id)
            | Kind::Revoked(id)
            | Kind::Order(id) => id.to_string(),
            Kind::Consumed { action, .. } => format!("action {action}"),
            Kind::Used { of, .. } => of.clone(),
            Kind::Gap { first, last } => format!("entries {first} to {last}"),
            Kind::Unknown(seq) => format!("entry {seq}"),
            Kind::Closing { first, .. } => format!("the segment of entry {first}"),
            Kind::Segment(segment) | Kind::Ahead(segment) => {
                format!("the segment of entry {}", segment.first)
            }
            Kind::KeyAliasMissing(name) | Kind::KeyAliasDiffers { there: name, .. } => {
                format!("{:?}", name.key.as_str())
            }
            Kind::RecordMissing(entry) => format!("{:?}", entry.key.as_deref().unwrap_or("")),
            Kind::RecordAlone(receipt) => format!("{:?}", receipt.key.as_str()),
            Kind::Returned(count) => format!("debit {}", count.debit),
            Kind::Day(day) => day.after.day.to_string(),
            Kind::Payment { intent, .. }
            | Kind::Due(intent)
            | Kind::Mark(intent)
            | Kind::Stripe(intent) => intent.to_string(),
            Kind::Subscription(id) => id.to_string(),
            _ => String::new(),
        }
    }
}

impl Difference {
    /// Whether `other` is the same difference in another read: its amounts may have changed
    /// meanwhile.
    pub fn is_again(&self, other: &Difference) -> bool {
        self.account == other.account
            && self.kind.name() == other.kind.name()
            && self.kind.about() == other.kind.about()
    }

    /// Logs the difference where the alarm reads it.
    pub fn log(&self) {
        let account = self.account.as_ref().map(AccountId::as_str);
        let Difference { expected, found, parked, .. } = self;
        let (difference, about) = (self.kind.name(), self.kind.about());
        let words = self.kind.words();
        tracing::error!(
            alarm = "audit_difference",
            account,
            difference,
            about,
            expected,
            found,
            parked,
            "{words}"
        );
    }
}

/// As it is logged, for a script: without the data of its repair.
impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Difference { account, kind, expected, found, parked } = self;
        let mut fields = serializer.serialize_struct("Difference", 7)?;
        fields.serialize_field("account", account)?;
        fields.serialize_field("difference", kind.name())?;
        fields.serialize_field("about", &kind.about())?;
        fields.serialize_field("words", kind.words())?;
        fields.serialize_field("expected", expected)?;
        fields.serialize_field("found", found)?;
        fields.serialize_field("parked", parked)?;
        fields.end()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let account = self.account.as_ref().map_or("-", AccountId::as_str);
        let about = self.kind.about();
        let about = if about.is_empty() { about } else { format!(" ({about})") };
        let parked = if self.parked { " [parked]" } else { "" };
        let (name, words) = (self.kind.name(), self.kind.words());
        let Difference { expected, found, .. } = self;
        write!(f, "{account}  {name}: {words}{about}: expected {expected}, found {found}{parked}")
    }
}
