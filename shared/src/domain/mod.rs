//! Values and arithmetic: everything a rule is made of, nothing that reads or writes.

pub mod account;
pub mod catalog;
pub mod credits;
pub mod currency;
pub mod dated;
pub mod debt;
pub mod entry;
mod facts;
pub mod grant;
pub mod id;
pub mod instant;
pub mod ledger;
pub mod money;
pub mod orders;
pub mod payment;
pub mod period;
mod price;
pub mod refusal;
pub mod status;
pub mod usage;

pub use account::{Account, Gate, Given, Held, Note, Standing};
pub use catalog::{Action, Catalog, Pack, Plan};
pub use credits::Credits;
pub use currency::Currency;
pub use dated::Dated;
pub use debt::{Debt, DebtChange, Debts};
pub use entry::{Entry, Movement, What};
pub use grant::{Grant, GrantId, GrantKind};
pub use id::{AccountId, Key, KeySpace, OperationId, Seq};
pub use instant::Instant;
pub use money::Money;
pub use orders::Orders;
pub use payment::{CheckoutRequest, Order, Payment};
pub use refusal::Refusal;
pub use status::Status;
pub use usage::Usage;
