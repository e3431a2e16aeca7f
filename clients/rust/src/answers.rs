//! The answers of the API, by the names that `openapi.yaml` gives them. Credits are decimal text
//! and times are RFC 3339 in UTC. What a type does not name is in its `more`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Problem};
use crate::metered::Meters;

/// A debit of a batch that passed by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Whether it had happened before.
    pub replayed: bool,
    pub receipt: DebitReceipt,
}

/// One result of a batch whose debits stand alone.
pub(crate) fn result(result: Value) -> Result<Result<Passed, Problem>, Error> {
    let status = result["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    match (status, result.get("receipt"), result.get("problem")) {
        (_, Some(receipt), _) => {
            let replayed = result["replayed"].as_bool().unwrap_or_default();
            Ok(Ok(Passed { replayed, receipt: read(receipt.clone())? }))
        }
        (Some(status), _, Some(problem)) => Ok(Err(Problem::new(status, Some(problem)))),
        _ => Err(Error::Unreadable(result.to_string())),
    }
}

pub(crate) fn read<R: DeserializeOwned>(answer: Value) -> Result<R, Error> {
    serde_json::from_value(answer).map_err(|error| Error::Unreadable(error.to_string()))
}

/// Declares an answer: its fields, and `more` for those of a later version.
macro_rules! answers {
    ($($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty,)* })*) => { $(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$of])* pub $field: $type,)*
            /// The fields that this version of the client does not name.
            #[serde(flatten)]
            pub more: Map<String, Value>,
        }
    )* };
}

answers! {
    /// The balance after an entry.
    Balance {
        available: String,
        held: String,
    }

    /// A debit that happened.
    DebitReceipt {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        account: String,
        /// Absent, like `quantity`, if credits were spent by amount.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quantity: Option<u64>,
        /// The model, by the table's name for it, with its meters in place of a quantity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meters: Option<Meters>,
        credits: String,
        seq: u64,
        at: String,
        balance: Balance,
    }

    /// Debits that happened together.
    BatchReceipt {
        account: String,
        /// In the order of the debits in the request.
        receipts: Vec<DebitReceipt>,
    }

    /// Credits that are held.
    HoldReceipt {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        account: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quantity: Option<u64>,
        /// The model, by the table's name for it, with its meters in place of a quantity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meters: Option<Meters>,
        credits: String,
        /// The first instant at which the hold is lapsed.
        expires_at: String,
        seq: u64,
        at: String,
        balance: Balance,
    }

    /// Work that was charged: by the capture of its hold, or by a debit if that had lapsed.
    CaptureReceipt {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        account: String,
        /// Absent if a debit charged it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quantity: Option<u64>,
        /// The model, by the table's name for it, with its meters in place of a quantity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meters: Option<Meters>,
        /// The credits that were charged in all.
        credits: String,
        /// The credits that were taken beyond the hold, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beyond: Option<String>,
        /// The credits that were delivered and not charged, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uncharged: Option<String>,
        /// Whether this capture ended the hold.
        #[serde(default, rename = "final", skip_serializing_if = "Option::is_none")]
        is_final: Option<bool>,
        seq: u64,
        at: String,
        balance: Balance,
    }

    /// A hold that was given back.
    ReleaseReceipt {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        account: String,
        hold: String,
        seq: u64,
        at: String,
        balance: Balance,
    }

    /// A hold that lives longer.
    ExtendReceipt {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        account: String,
        hold: String,
        expires_at: String,
        seq: u64,
        at: String,
        balance: Balance,
    }

    /// A debit or a capture that was given back, or a part of it.
    RefundReceipt {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        account: String,
        debit: String,
        /// The credits that were asked for.
        credits: String,
        /// The credits that came back.
        returned: String,
        seq: u64,
        at: String,
        balance: Balance,
    }

    /// What a debit costs, and whether it would pass.
    Quote {
        account: String,
        credits: String,
        available: String,
        /// The code with which a debit would be refused now.
        refusal: Option<String>,
    }

    /// What an account has.
    AccountBalance {
        account: String,
        plan: String,
        status: String,
        /// `open` if the account may spend, otherwise the code with which debits are refused.
        gate: String,
        available: String,
        held: String,
        /// The credits still owed for a refunded or disputed payment.
        debt: String,
        grants: Vec<Grant>,
        /// When credits come back, and how many; none if the plan grants no more.
        recharge: Option<Recharge>,
    }

    /// A grant with credits remaining.
    Grant {
        id: String,
        kind: String,
        amount: String,
        remaining: String,
        granted_at: String,
        expires_at: Option<String>,
    }

    /// The limits of an account, in the windows that run now.
    Limits {
        limits: Vec<Limit>,
        /// Those that the plan sets, each for every subject of a kind.
        defaults: Vec<PlanLimit>,
    }

    /// A limit with what is used of it and what is left.
    Limit {
        /// The subject; none if its name is not kept.
        of: Option<String>,
        per: String,
        /// None, like `left`, if the number comes with each request.
        at_most: Option<String>,
        used: String,
        left: Option<String>,
        /// None of `ever`.
        resets_at: Option<String>,
        /// What says the number: `account`, `plan` or `request`.
        source: String,
    }

    /// A limit that the plan sets for every subject of a kind.
    PlanLimit {
        of: String,
        per: String,
        at_most: String,
    }

    /// A limit of the account's own that was set, or removed.
    LimitReceipt {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        account: String,
        of: String,
        per: String,
        /// None if it was removed.
        at_most: Option<String>,
        seq: u64,
        at: String,
        balance: Balance,
    }

    /// When credits come back, and how many.
    Recharge {
        at: String,
        credits: String,
    }

    /// What was consumed on each day.
    Usage {
        account: String,
        from: String,
        to: String,
        credits: String,
        days: Vec<UsageOfDay>,
    }

    /// The actions add up to the day's credits, and so do the users.
    UsageOfDay {
        day: String,
        credits: String,
        actions: Vec<UsageByAction>,
        /// What was consumed by the models of the actions with rates.
        #[serde(default)]
        models: Vec<UsageByModel>,
        users: Vec<UsageByUser>,
    }

    /// What was consumed by one action.
    UsageByAction {
        /// Absent for credits that were spent by amount.
        action: Option<String>,
        credits: String,
        count: u64,
    }

    /// What was consumed by one model.
    UsageByModel {
        action: String,
        model: String,
        credits: String,
        count: u64,
    }

    /// What was consumed by one user.
    UsageByUser {
        /// Absent if the requests named no user.
        user: Option<String>,
        credits: String,
        count: u64,
    }

    /// An entry of the ledger. The fields of its kind are in `more`.
    Entry {
        seq: u64,
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        kind: String,
        by: String,
        at: String,
        /// The change of the available credits.
        available: String,
        /// The change of the held credits.
        held: String,
        balance: Balance,
    }

    /// A page of the ledger.
    Listing {
        entries: Vec<Entry>,
        next_cursor: Option<String>,
    }

    /// A session for a customer's browser.
    Session {
        account: String,
        /// The link for the customer's browser. It works once.
        url: String,
        /// The token for the widget.
        token: String,
        expires_at: String,
    }
}
