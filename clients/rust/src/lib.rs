#![doc = include_str!("../README.md")]

mod amount;
mod answers;
mod charge;
mod coalesce;
mod connection;
mod error;
mod key;
mod ledger;
mod metered;
mod operation;
mod owed;
mod path;
mod reads;
mod request;
mod scrip;
mod send;
mod stream;
mod tasks;
mod work;

pub use amount::InvalidCredits;
pub use answers::{
    AccountBalance, Balance, BatchReceipt, CaptureReceipt, DebitReceipt, Entry, ExtendReceipt,
    Grant, HoldReceipt, Limit, LimitReceipt, Limits, Listing, Passed, PlanLimit, Quote, Recharge,
    RefundReceipt, ReleaseReceipt, Session, Usage, UsageByAction, UsageByModel, UsageByUser,
    UsageOfDay,
};
pub use charge::{Charge, ChargeError, Charged};
pub use connection::{OptionsError, SignError};
pub use error::{Error, Problem, ReachedLimit, WrongField};
pub use ledger::Ledger;
pub use metered::{Meters, UsageFormat};
pub use operation::{Debit, Operation};
pub use request::{
    BatchDebit, Days, LedgerFilter, LimitAsked, Part, SessionRequest, Spend, Unpaid,
};
pub use scrip::{Options, Scrip};
pub use stream::Charging;
pub use work::{ReportError, Work};
