//! The names of the attributes and keys in both tables.
//!
//! Names are short because DynamoDB charges for them. Only this file and its parts know them.

mod limits;

use aws_smithy_types::base64;
pub(super) use limits::{
    LIMITS, counter_key, reached_key, read_counter_key, read_reached_key, subject_key,
};

use crate::domain::hash::short_hash;
use crate::domain::payment::IntentId;
use crate::domain::period::Day;
use crate::domain::subscription::SubscriptionId;
use crate::domain::{Instant, Key, KeySpace, OperationId, Seq};

/// Key of both tables: the account.
pub(super) const ACCOUNT: &str = "a";
/// Sort key of `ledger`: the kind of the item.
pub(super) const SORT: &str = "s";

/// The partition key of the catalog: no account id has a `#`.
pub(super) const CATALOG: &str = "#catalog";
/// The catalog in force.
pub(super) const CATALOG_LATEST: &str = "C#latest";

/// `C#<version>`: a catalog that is or was in force.
pub(super) fn catalog_key(version: u32) -> String {
    format!("C#{version:09}")
}

/// `C#<version>#<table>`: a rate table of that catalog.
pub(super) fn rate_table_key(version: u32, table: &str) -> String {
    format!("C#{version:09}#{table}")
}

/// Attributes of an account.
pub(super) mod account {
    /// Available, micro-credits.
    pub(crate) const AVAILABLE: &str = "av";
    /// Debt, micro-credits; absent: none.
    pub(crate) const DEBTS: &str = "de";
    /// The burn order at the last advance, packed.
    pub(crate) const BURN_ORDER: &str = "bo";
    /// Changes that the next advance folds in, a list of packed ones; absent: none.
    pub(crate) const PENDING_CHANGES: &str = "pc";
    /// Valid until, ms.
    pub(crate) const VALID_UNTIL: &str = "vu";
    /// The gate: a sum of the three bits below; absent: open.
    pub(crate) const GATE: &str = "gt";
    pub(crate) const GATE_FROZEN: u8 = 1;
    pub(crate) const GATE_NO_PLAN: u8 = 2;
    pub(crate) const GATE_IN_DEBT: u8 = 4;
    /// Open holds, a map from id to hold: the map of the three below.
    pub(crate) const HOLDS: &str = "ho";
    /// Of a hold: its amount, micro-credits.
    pub(crate) const HOLD_AMOUNT: &str = "a";
    /// Of a hold for an action: how much of its quantity was captured.
    pub(crate) const HOLD_CAPTURED: &str = "q";
    /// Of a hold: all else, packed. No part that is captured changes it.
    pub(crate) const HOLD_TERMS: &str = "f";
    /// Consumed this period, a map from action number to micro-credits.
    pub(crate) const CONSUMED: &str = "co";
    /// The version of its own limits; absent: it never had one. What was used of a limit is an
    /// attribute of its own, named by `counter_key`: all other names are lower-case.
    pub(crate) const LIMITS_VERSION: &str = "li";
    /// The threshold of its auto top-up, micro-credits, and the number of the setting; absent: off.
    pub(crate) const THRESHOLD: &str = "tb";
    pub(crate) const THRESHOLD_SET: &str = "tv";
    /// Plan, status, anchor and the allowances of the current periods, packed.
    pub(crate) const PLAN_STATE: &str = "ps";
    /// Operations ever applied.
    pub(crate) const SEQ: &str = "sq";
    /// How many entries are in segments.
    pub(crate) const ARCHIVED_SEQ: &str = "ar";
    /// The number of the latest advance.
    pub(crate) const ADVANCED_SEQ: &str = "ad";
    /// When the latest advance was, ms.
    pub(crate) const ADVANCED_AT: &str = "aa";
    /// The dedup floor, ms.
    pub(crate) const DEDUP_FLOOR: &str = "df";
    /// The time in the key of the latest segment, ms.
    pub(crate) const ARCHIVED_AT: &str = "st";
    /// Ids of the recent entries, a list.
    pub(crate) const RECENT_IDS: &str = "ri";
    /// Payloads of the recent entries, a list of packed ones in the same order.
    pub(crate) const RECENT_PAYLOADS: &str = "rp";
}

/// Attributes of the items in `ledger`.
pub(super) mod ledger {
    /// Segment: its entries, packed.
    pub(crate) const ENTRIES: &str = "en";
    /// Limits of an account's own: all of them, packed.
    pub(crate) const LIMITS: &str = "lm";
    /// Name of a subject, limit reached: the subject.
    pub(crate) const SUBJECT: &str = "sj";
    /// Limit reached: its number, what was used of it and what the charge needed, micro-credits.
    pub(crate) const AT_MOST: &str = "am";
    pub(crate) const USED: &str = "ud";
    pub(crate) const REQUIRED: &str = "rq";
    /// Limit reached: when its window ends, ms; absent: never.
    pub(crate) const RESETS_AT: &str = "rs";
    /// Refunds of a debit or a capture: credits given back, micro-credits.
    pub(crate) const RETURNED: &str = "re";
    /// Segment, limit reached: available after its last entry or then, micro-credits.
    pub(crate) const AVAILABLE: &str = "av";
    /// Segment, limit reached: held, likewise.
    pub(crate) const HELD: &str = "he";
    /// Key alias and idempotency record: the operation's id.
    pub(crate) const ID: &str = "op";
    /// Key alias and idempotency record: the caller's key. Customer: the subject.
    pub(crate) const KEY: &str = "ky";
    /// Idempotency record: the content of the request.
    pub(crate) const CONTENT: &str = "cn";
    /// Usage of a day: its totals, packed.
    pub(crate) const USAGE: &str = "us";
    /// Usage of a day: the number of the last entry that was counted when it was written.
    pub(crate) const COUNTED: &str = "ct";
    /// Usage of a day: the time in the key of that entry's segment, ms.
    pub(crate) const COUNTED_TIME: &str = "st";
    /// Catalog, rate table: its text.
    pub(crate) const TEXT: &str = "tx";
    /// Catalog: its version. Payment, orders, reconcile's state: the number of its writes.
    pub(crate) const VERSION: &str = "ve";
    /// Order: the address where the customer pays.
    pub(crate) const URL: &str = "ur";
    /// Order: its payment.
    pub(crate) const INTENT: &str = "pi";
    /// Order: present if its session ended without a payment.
    pub(crate) const EXPIRED: &str = "ex";
    /// Event: when it arrived, ms. Limit reached: when the charge was refused.
    pub(crate) const AT: &str = "ra";
    /// Event: the operator's decision, JSON.
    pub(crate) const DECIDED: &str = "dc";
    /// Sort keys under `#order#`, `#payment#` and `#event#`.
    pub(crate) const ORDER: &str = "order";
    pub(crate) const PAYMENT: &str = "payment";
    pub(crate) const EVENT: &str = "event";
    /// Sort key under `#reconcile`.
    pub(crate) const RECONCILE: &str = "reconcile";
    /// Session that a link opened: its id, which is the link's.
    pub(crate) const SESSION: &str = "se";
    /// Session that a link opened: present if the customer left.
    pub(crate) const LEFT: &str = "le";
    /// Directory: the name that an operator gave the account; empty: none.
    pub(crate) const NAME: &str = "nm";
    /// Directory: its labels, a list of texts.
    pub(crate) const LABELS: &str = "lb";
    /// Directory: the number of the entry after which the account was in this state.
    pub(crate) const SEQ: &str = "sq";
    /// Under `#customer#` and `#subscription#`: the account.
    pub(crate) const OF: &str = "ac";
    /// Sort key under `#subscription#`.
    pub(crate) const SUBSCRIPTION: &str = "subscription";
    /// Sort key under `#customer#`.
    pub(crate) const CUSTOMER: &str = "customer";
    /// Service key: the id of the key, in the stack's secret, that sealed it.
    pub(crate) const SEALED_BY: &str = "sb";
    /// Session that a link opened, payment without an order, and limit reached: when DynamoDB may
    /// delete it, in seconds. By then the session and the window are long over, and the payment has
    /// proved not to be ours.
    pub(crate) const DELETE_AT_S: &str = "ttl";
}

/// The partition key of reconcile's state.
pub(super) const RECONCILE: &str = "#reconcile";
/// The partition key of the marks of parked payments and events.
pub(super) const PARKED: &str = "#parked";

/// The partition key of the directory. Its sort keys are the ids of the accounts.
pub(super) const DIRECTORY: &str = "#directory";
/// The partition key of all orders and payments in the order of time.
pub(super) const PAYMENTS: &str = "#payments";

/// The partition key of the service keys, and of those that are revoked.
pub(super) const SERVICE_KEYS: &str = "#keys";

/// `key#<id>`: a service key. They sort in the order in which they were made.
pub(super) fn service_key_key(id: OperationId) -> String {
    format!("key#{id}")
}

/// The id of a service key's key.
pub(super) fn read_service_key(key: &str) -> Option<OperationId> {
    OperationId::parse(key.strip_prefix("key#")?)
}

/// `revoked#<end>#<id>`: a revoked key. Those that have ended by themselves sort before the others.
pub(super) fn revoked_key(expires_at: Instant, id: OperationId) -> String {
    format!("revoked#{}", place_key(expires_at, &id.to_string()))
}

/// Sorts after every revoked key that had ended before `at`, and before all others.
pub(super) fn revoked_keys_from(at: Instant) -> String {
    format!("revoked#{}", place_key(at, ""))
}

/// Sorts after every revoked key, and before all that sorts after those: `$` comes next to `#`.
pub(super) const REVOKED_KEYS_TO: &str = "revoked$";

/// The end and the id of a revoked key's key.
pub(super) fn read_revoked_key(key: &str) -> Option<(Instant, OperationId)> {
    let (expires_at, id) = key.strip_prefix("revoked#")?.split_once('#')?;
    Some((Instant::from_ms(expires_at.parse().ok()?), OperationId::parse(id)?))
}

/// The partition key of an order: no account id has a `#`.
pub(super) fn order_key(id: OperationId) -> String {
    format!("#order#{id}")
}

/// The partition key of a payment.
pub(super) fn payment_key(intent: &IntentId) -> String {
    format!("#payment#{intent}")
}

/// `S#live#<hash>` or `S#test#<hash>` of a subject: the Stripe customer of a buyer. Services choose
/// subjects freely, so a key holds only the hash of one.
pub(super) fn customer_key(subject: &str, live: bool) -> String {
    format!("S#{}#{}", if live { "live" } else { "test" }, short_hash(subject))
}

/// `S#billing#live` or `S#billing#test`: the subscriptions of an account.
pub(super) fn billing_key(live: bool) -> &'static str {
    if live { "S#billing#live" } else { "S#billing#test" }
}

/// The partition key of a subscription.
pub(super) fn subscription_key(id: &SubscriptionId) -> String {
    format!("#subscription#{id}")
}

/// The partition key of a Stripe customer.
pub(super) fn customer_account_key(customer: &str) -> String {
    format!("#customer#{customer}")
}

/// Before the key of an order or a payment among the rows of its account.
pub(super) const PAYMENTS_OF_ACCOUNT: &str = "S#payment#";

/// The latest orders of an account.
pub(super) const ORDERS: &str = "S#orders";

/// The auto top-up of an account.
pub(super) const AUTO_TOP_UP: &str = "S#top-up";

/// `S#consent#<id>`: a consent to auto top-up. They sort in the order in which they were given.
pub(super) fn consent_key(id: OperationId) -> String {
    format!("S#consent#{id}")
}

/// The partition key of the accounts whose auto top-up `reconcile` looks at. Their sort keys are
/// `<time>#<account>`.
pub(super) const AUTO_DUE: &str = "#auto";

/// The partition key of an event that was kept.
pub(super) fn event_key(id: &str) -> String {
    format!("#event#{id}")
}

/// `<time>#<id>`: the place of an order or a payment, or the mark of a payment or an event, in the
/// order of time.
pub(super) fn place_key(at: Instant, id: &str) -> String {
    format!("{:015}#{id}", at.ms())
}

/// `P#<time>#<seq>`: fixed width, so that the keys sort like the segments.
pub(super) fn segment_key(time: Instant, first: Seq) -> String {
    format!("P#{:015}#{first:015}", time.ms())
}

/// Sorts after every segment of `time` or earlier.
pub(super) fn segments_until(time: Instant) -> String {
    format!("P#{:015}#~", time.ms())
}

/// Time and first number of a segment's key.
pub(super) fn read_page_key(key: &str) -> Option<(Instant, Seq)> {
    let (time, first) = key.strip_prefix("P#")?.split_once('#')?;
    Some((Instant::from_ms(time.parse().ok()?), first.parse().ok()?))
}

/// `U#<day>`: the usage of a day. Days sort by their keys.
pub(super) fn usage_key(day: Day) -> String {
    format!("U#{day}")
}

/// The day of a key.
pub(super) fn read_usage_key(key: &str) -> Option<Day> {
    Day::parse(key.strip_prefix("U#")?)
}

/// `K#<hash>` of a caller's string. If two strings had one hash, it would be caught: the item holds
/// the string itself.
pub(super) fn key_alias_key(key: &Key) -> String {
    format!("K#{}", short_hash(key.as_str()))
}

/// `G#<space>#<hash>` of a key that has an idempotency record.
pub(super) fn record_key(space: KeySpace, key: &Key) -> String {
    format!("G#{}#{}", key_space(space), short_hash(key.as_str()))
}

fn key_space(space: KeySpace) -> &'static str {
    match space {
        KeySpace::Customers => "c",
        KeySpace::Services => "s",
        KeySpace::Operators => "o",
        KeySpace::Repair => "r",
    }
}

/// The key space of an idempotency record's key.
pub(super) fn read_receipt_key(key: &str) -> Option<KeySpace> {
    let space = key.strip_prefix("G#")?.split('#').next()?;
    KeySpace::ALL.into_iter().find(|known| key_space(*known) == space)
}

/// The key of a hold in the map of holds: its id in base64, 22 characters in place of 36.
pub(super) fn hold_key(id: &OperationId) -> String {
    base64::encode(id.bytes()).trim_end_matches('=').to_owned()
}

/// The id of a hold's key.
pub(super) fn read_hold_key(key: &str) -> Option<OperationId> {
    let bytes = base64::decode(format!("{key}==")).ok()?;
    bytes.try_into().ok().map(OperationId::from_bytes)
}

/// `R#<id>`: the credits given back of a debit or a capture.
pub(super) fn refunds_key(debit: OperationId) -> String {
    format!("R#{debit}")
}

/// `A#<key>`: the item with the key `key` that `repair` quarantined.
pub(super) fn quarantine_key(key: &str) -> String {
    format!("A#{key}")
}

/// `E#<id>`: the session that this link opened.
pub(super) fn redemption_key(id: OperationId) -> String {
    format!("E#{id}")
}
