//! What a caller asks for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::metered::{Meters, UsageFormat};

/// An amount to spend or to hold, for whom, and what for.
///
/// ```
/// use scrip_client::{LimitAsked, Meters, Spend};
///
/// let images = Spend::action("custom_image", 4).user("ada").reference("job 1842");
/// let amount = Spend::credits("1.25").subject("team:ops").limit(LimitAsked::new("run:7f", "50"));
/// let used = Meters { input: 1200, output: 350, ..Meters::default() };
/// let call = Spend::meters("chat", "claude-sonnet-4-5", used);
/// # let _ = (images, amount, call);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// An action of the catalog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Units of the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u64>,
    /// Decimal credits, in place of an action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<String>,
    /// The model, by its provider's own name, if the action has the rates of models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the model used, or the most that it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meters: Option<Meters>,
    /// In place of `meters`: the object in which the provider told what was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_format: Option<UsageFormat>,
    /// The person it is for: 1 to 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What it counts for beside its user, such as `team:ops`: at most 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// The limits that it brings, at most 4; it counts for each `of`, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitAsked>,
    /// Free text for your own records: 1 to 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Spend {
    /// So much of an action of the catalog.
    pub fn action(action: impl Into<String>, quantity: u64) -> Spend {
        let (action, quantity) = (Some(action.into()), Some(quantity));
        Spend { action, quantity, ..Spend::default() }
    }

    /// So many credits, as decimal text.
    pub fn credits(credits: impl Into<String>) -> Spend {
        Spend { credits: Some(credits.into()), ..Spend::default() }
    }

    /// What a model used, or the most that it may.
    pub fn meters(action: impl Into<String>, model: impl Into<String>, meters: Meters) -> Spend {
        Spend { meters: Some(meters), ..Spend::model(action, model) }
    }

    /// What a model used, by the usage object of its provider.
    pub fn usage(
        action: impl Into<String>,
        model: impl Into<String>,
        format: UsageFormat,
        usage: Value,
    ) -> Spend {
        let (usage, usage_format) = (Some(usage), Some(format));
        Spend { usage, usage_format, ..Spend::model(action, model) }
    }

    fn model(action: impl Into<String>, model: impl Into<String>) -> Spend {
        let (action, model) = (Some(action.into()), Some(model.into()));
        Spend { action, model, ..Spend::default() }
    }

    /// Names the person it is for: usage is counted by it.
    pub fn user(self, user: impl Into<String>) -> Spend {
        Spend { user: Some(user.into()), ..self }
    }

    /// Counts it for a subject, such as `team:ops`, which has limits of the account or its plan.
    pub fn subject(mut self, subject: impl Into<String>) -> Spend {
        self.subjects.push(subject.into());
        self
    }

    /// Adds a limit that needs no configuration.
    pub fn limit(mut self, limit: LimitAsked) -> Spend {
        self.limits.push(limit);
        self
    }

    /// Adds a text for your own records.
    pub fn reference(self, reference: impl Into<String>) -> Spend {
        Spend { reference: Some(reference.into()), ..self }
    }
}

/// A limit that a request brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitAsked {
    /// The subject that is limited, such as `run:7f`.
    pub of: String,
    /// The credits that may be charged in a window.
    pub at_most: String,
    /// The window: `day`, `week`, `month`, `period`, or `ever`, which it is if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
}

impl LimitAsked {
    /// A limit for all time.
    pub fn new(of: impl Into<String>, at_most: impl Into<String>) -> LimitAsked {
        LimitAsked { of: of.into(), at_most: at_most.into(), per: None }
    }

    /// Counts by windows of this kind.
    pub fn per(self, per: impl Into<String>) -> LimitAsked {
        LimitAsked { per: Some(per.into()), ..self }
    }
}

/// How much of a hold is captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Units of its action.
    Quantity(u64),
    /// Decimal credits, of a hold that has no action.
    Credits(String),
    /// Of a hold by meters, what the model used.
    Meters(Meters),
    /// The same by the usage object of its provider.
    Usage(UsageFormat, Value),
}

/// One debit of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchDebit {
    /// Its key; the client makes one if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(flatten)]
    pub spend: Spend,
}

impl From<Spend> for BatchDebit {
    fn from(spend: Spend) -> BatchDebit {
        BatchDebit { id: None, spend }
    }
}

/// A session for a customer's browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRequest {
    /// The customer, by the id that your product gave them.
    pub subject: String,
    /// `view`, `buy`, `limits`.
    pub scopes: Vec<String>,
    /// Where the customer's page leads back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
}

/// Which entries of the ledger to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerFilter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Entries from this time on: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Entries before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How many entries one request asks for: at most 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The days of a usage report, in UTC: `2026-11-01`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Days {
    /// The first day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The day after the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A charge without a known outcome. [`Scrip::pay`](crate::Scrip::pay) sends it later; it is plain
/// data, to be stored as JSON. However often it is paid, it is charged once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpaid {
    /// Names the charge for good.
    pub key: String,
    pub account: String,
    #[serde(flatten)]
    pub spend: Spend,
    /// The hold that it captures, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// Whether it may charge more than was held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beyond: bool,
    /// The meters that are charged if Scrip cannot read its usage object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Meters>,
}
