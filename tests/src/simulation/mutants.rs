//! Mutants: the protocol with one of its rules removed. The simulation must catch every one of
//! them, or it proves nothing.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::base64;
use aws_smithy_types::body::SdkBody;
use regex::Regex;
use serde_json::{Value, json};
use shared::decide::{DEDUP_WINDOW, MAX_CLOCK_AHEAD, STAMP_MARGIN};
use shared::domain::account::PendingChange;
use shared::domain::grant::BurnOrder;
use shared::domain::hold::HeldFor;
use shared::domain::limit::{HeldLimits, OwnLimits};
use shared::domain::{Credits, Entry, EntryKind, Grant, Held, Instant, OperationId};
use shared::store::packed;

use super::rates::{self, Call, Flaw};
use crate::support::wire::{appended_to, response};

/// A mutant: the rule that is broken, and how.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    pub name: &'static str,
    /// A seed in which it dies.
    pub seed: u64,
    pub change: Change,
}

/// The place where a mutant differs.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// In its requests: changes the body of a request of this operation.
    Request(fn(&str, &mut Value)),
    /// On the wire.
    Wire(Misdeed),
    /// In front of the handler.
    Front(Deceit),
    /// In the rates that are published.
    Rates(Flaw),
}

/// A fault that a mutant's wire commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misdeed {
    TrimsFirst,
    TrimsItsOwnCount,
    LowersTheFloor,
    KeysPagesByTheirFirst,
    LooksUpWithoutMargin,
    LooksUpInTheWindowOnly,
    ForgetsNames,
    ChecksNoClock,
    CountsAfter,
}

/// A change that a mutant makes to a request before the handler reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deceit {
    /// A known key gets the request that it was first sent with.
    ComparesNoContent,
    /// The body, not the route, names the account.
    BelievesTheBody,
    /// An id that lies ahead becomes a key alias of another id.
    NamesWhatIsAhead,
    /// Of a usage object that counts cached tokens inside the input, the whole is input, too.
    CountsCachedTwice,
    /// A refusal of a batch of mode each tells what was available before the batch.
    RefusesFromBefore,
    /// Of a batch of mode each the small debits go first.
    PassesOutOfOrder,
    /// A debit that a batch of mode each refused once is refused each time.
    RemembersRefusals,
}

use Change::{Front, Rates, Request, Wire};

/// Operations of a mutant's seed: half of another's is enough to kill each of them.
pub const PER_MUTANT: u64 = 504;

/// One mutant for each rule.
pub const MUTANTS: [Mutant; 58] = [
    Mutant { name: "an id is not looked for in the list", seed: 1, change: Request(no_contains) },
    Mutant {
        name: "no dedup floor: segments are not looked at",
        seed: 1,
        change: Request(no_floor),
    },
    Mutant { name: "a look-up is not guarded", seed: 13, change: Request(no_archived_guard) },
    Mutant {
        name: "the burn order is spent after it lapsed",
        seed: 2,
        change: Request(no_validity),
    },
    Mutant { name: "credits lapse when a TTL job comes", seed: 7, change: Request(ttl_expiry) },
    Mutant { name: "the balance is not compared", seed: 3, change: Request(no_balance) },
    Mutant { name: "the gate is not looked at", seed: 1, change: Request(no_gate) },
    Mutant { name: "an advance is not compared and set", seed: 2, change: Request(no_sequence) },
    Mutant { name: "a trim is not compared and set", seed: 3, change: Request(no_trim_guard) },
    Mutant { name: "a name is given again", seed: 1, change: Request(no_name_guard) },
    Mutant { name: "a receipt is written again", seed: 1, change: Request(no_receipt_guard) },
    Mutant {
        name: "a freeze is valid_until = 0, without an entry",
        seed: 1,
        change: Request(freeze_by_x),
    },
    Mutant { name: "reads are not consistent", seed: 1, change: Request(inconsistent) },
    Mutant { name: "a look-up finds nothing", seed: 1, change: Request(blind_look_up) },
    Mutant {
        name: "a segment's balance is off by one",
        seed: 1,
        change: Request(segment_balance_off),
    },
    Mutant {
        name: "a hold is not compared: late capture",
        seed: 6,
        change: Request(no_hold_guard),
    },
    Mutant {
        name: "refunds of a debit are not counted",
        seed: 3,
        change: Request(no_refund_count),
    },
    Mutant {
        name: "what comes back arrives after what was spent",
        seed: 3,
        change: Request(returned_late),
    },
    Mutant { name: "what is owed stays owed", seed: 6, change: Request(debts_stay) },
    Mutant { name: "a refund into any burn order", seed: 57, change: Request(no_advanced_guard) },
    Mutant {
        name: "an advance does not tell what was burnt",
        seed: 1,
        change: Request(burnt_untold),
    },
    Mutant { name: "trim before segment", seed: 2, change: Wire(Misdeed::TrimsFirst) },
    Mutant { name: "trim by one's own count", seed: 1, change: Wire(Misdeed::TrimsItsOwnCount) },
    Mutant {
        name: "the dedup floor is not the maximum",
        seed: 8,
        change: Wire(Misdeed::LowersTheFloor),
    },
    Mutant {
        name: "segment keys go back in time",
        seed: 2,
        change: Wire(Misdeed::KeysPagesByTheirFirst),
    },
    Mutant {
        name: "look-up without margin",
        seed: 27,
        change: Wire(Misdeed::LooksUpWithoutMargin),
    },
    Mutant {
        name: "look-up in the window only",
        seed: 3,
        change: Wire(Misdeed::LooksUpInTheWindowOnly),
    },
    Mutant { name: "a name expires", seed: 2, change: Wire(Misdeed::ForgetsNames) },
    Mutant { name: "clocks are not compared", seed: 1, change: Wire(Misdeed::ChecksNoClock) },
    Mutant { name: "no fingerprint", seed: 1, change: Front(Deceit::ComparesNoContent) },
    Mutant { name: "the account of the body", seed: 1, change: Front(Deceit::BelievesTheBody) },
    Mutant {
        name: "an id ahead taken as a name",
        seed: 1,
        change: Front(Deceit::NamesWhatIsAhead),
    },
    Mutant { name: "an advance's id can be a key", seed: 1, change: Request(common_ids) },
    Mutant { name: "one set of keys for all callers", seed: 2, change: Request(one_key_space) },
    Mutant { name: "one reading for several writes", seed: 2, change: Request(old_stamps) },
    Mutant { name: "a revocation takes what is held", seed: 17, change: Request(revokes_held) },
    Mutant { name: "a revocation takes of another grant", seed: 5, change: Request(revokes_other) },
    Mutant { name: "a revocation is folded in twice", seed: 5, change: Request(revokes_twice) },
    Mutant { name: "a revocation is not compared", seed: 21, change: Request(no_revoked_guard) },
    Mutant { name: "a part of more than is left", seed: 17, change: Request(no_amount_guard) },
    Mutant { name: "left uncharged without a reason", seed: 4, change: Request(uncharged) },
    Mutant {
        name: "a batch refuses by what was there before it",
        seed: 3,
        change: Front(Deceit::RefusesFromBefore),
    },
    Mutant {
        name: "a batch passes the small debits first",
        seed: 2,
        change: Front(Deceit::PassesOutOfOrder),
    },
    Mutant {
        name: "a batch remembers its refusals",
        seed: 3,
        change: Front(Deceit::RemembersRefusals),
    },
    Mutant { name: "each meter is rounded", seed: 1, change: Request(rounds_each_meter) },
    Mutant {
        name: "a hold forgets the version that priced it",
        seed: 1,
        change: Request(version_forgotten),
    },
    Mutant {
        name: "cached input counts as input, too",
        seed: 1,
        change: Front(Deceit::CountsCachedTwice),
    },
    Mutant { name: "the tier is by input alone", seed: 1, change: Rates(Flaw::TierByInputAlone) },
    Mutant { name: "a limit is not compared", seed: 4, change: Request(no_limit_guard) },
    Mutant {
        name: "what was charged is counted in another write",
        seed: 4,
        change: Wire(Misdeed::CountsAfter),
    },
    Mutant { name: "nothing returns to counts", seed: 4, change: Request(never_uncounted) },
    Mutant { name: "what returns is of another window", seed: 4, change: Request(other_window) },
    Mutant { name: "a lapsed hold stays counted", seed: 4, change: Request(lapsed_counted) },
    Mutant { name: "days are of another time zone", seed: 4, change: Request(local_days) },
    Mutant { name: "a plan's limit beats an account's", seed: 4, change: Request(own_forgotten) },
    Mutant {
        name: "a change of limits is not compared",
        seed: 4,
        change: Request(no_version_guard),
    },
    Mutant { name: "a batch counts one of its debits", seed: 4, change: Request(counts_one) },
    Mutant { name: "a hold forgets what it counts for", seed: 4, change: Request(hold_uncounted) },
];

impl Mutant {
    pub fn misdeed(&self) -> Option<Misdeed> {
        match self.change {
            Wire(misdeed) => Some(misdeed),
            _ => None,
        }
    }

    pub fn deceit(&self) -> Option<Deceit> {
        match self.change {
            Front(deceit) => Some(deceit),
            _ => None,
        }
    }

    pub fn flaw(&self) -> Option<Flaw> {
        match self.change {
            Rates(flaw) => Some(flaw),
            _ => None,
        }
    }

    /// How far the clocks of this mutant's handlers are
    /// off: beyond the checked range, if none is checked.
    pub fn skews_ms(mutant: Option<Mutant>) -> [i64; 4] {
        match mutant.and_then(|mutant| mutant.misdeed()) {
            Some(Misdeed::ChecksNoClock) => [0, 20_000, -1_500, 400],
            _ => [0, 1_500, -1_500, 400],
        }
    }
}

/// The request as a mutant sends it.
pub fn rewrite(request: &mut HttpRequest, change: impl FnOnce(&str, &mut Value)) {
    let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
    let operation = target.rsplit('.').next().unwrap_or_default();
    let body = request.body().bytes().unwrap_or_default();
    if let Ok(mut body) = serde_json::from_slice(body) {
        change(operation, &mut body);
        *request.body_mut() = SdkBody::from(body.to_string());
    }
}

/// The latest time inside the repeatable ids of the segment that was put last, by account.
pub type Floors = BTreeMap<String, i64>;

/// The request as the wire of a mutant lets it through, at `now_ms`.
pub fn prepare(misdeed: Misdeed, request: &mut HttpRequest, now_ms: i64, floors: &mut Floors) {
    rewrite(request, |operation, body| match misdeed {
        Misdeed::LowersTheFloor => lower_floor(operation, body, floors),
        Misdeed::KeysPagesByTheirFirst => key_by_first(operation, body),
        Misdeed::LooksUpWithoutMargin if is_look_up(operation, body) => {
            let latest_ms = look_up_ms(body) + DEDUP_WINDOW.ms();
            body["ExpressionAttributeValues"][":last"]["S"] = format!("P#{latest_ms:015}#~").into();
        }
        Misdeed::ForgetsNames => forget_name(operation, body, now_ms),
        _ => {}
    });
}

/// An answer as a mutant sees it.
pub fn conceal(
    misdeed: Misdeed,
    operation: &str,
    request: &Value,
    answer: HttpResponse,
) -> Result<HttpResponse, ConnectorError> {
    let status = answer.status().as_u16();
    let text = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default()).into_owned();
    if misdeed == Misdeed::ChecksNoClock {
        // The answer is rebuilt, without a date.
        return response(status, text);
    }
    let hides = [Misdeed::LooksUpWithoutMargin, Misdeed::LooksUpInTheWindowOnly].contains(&misdeed);
    if !hides || !is_look_up(operation, request) {
        return Ok(answer);
    }
    let mut body: Value = serde_json::from_str(&text).unwrap_or_default();
    let too_old = |item: &Value, limit_ms: i64| page_ms(&item["s"]).is_some_and(|t| t < limit_ms);
    if let Some(items) = body["Items"].as_array_mut() {
        let kept = match misdeed {
            Misdeed::LooksUpWithoutMargin => {
                let limit_ms = look_up_ms(request) + STAMP_MARGIN.ms() - MAX_CLOCK_AHEAD.ms();
                items.iter().position(|item| too_old(item, limit_ms)).map(|place| place + 1)
            }
            _ => {
                let limit_ms = look_up_ms(request) - MAX_CLOCK_AHEAD.ms() - STAMP_MARGIN.ms();
                items.iter().position(|item| too_old(item, limit_ms))
            }
        };
        if let Some(kept) = kept {
            items.truncate(kept);
            body["LastEvaluatedKey"] = Value::Null;
        }
    }
    response(status, body.to_string())
}

/// A listing of the ledger reads eight segments; a look-up reads sixteen.
fn is_look_up(operation: &str, body: &Value) -> bool {
    operation == "Query" && body["Limit"] == 16
}

/// The time inside the id that is looked up: the last key is that of its latest segment.
fn look_up_ms(body: &Value) -> i64 {
    let last = &body["ExpressionAttributeValues"][":last"];
    page_ms(last).unwrap_or_default() - DEDUP_WINDOW.ms() - STAMP_MARGIN.ms()
}

/// The time in the key of a segment.
fn page_ms(key: &Value) -> Option<i64> {
    key["S"].as_str()?.split('#').nth(1)?.parse().ok()
}

/// The segment that a request puts, with its entries.
fn page_put(operation: &str, body: &Value) -> Option<Vec<shared::domain::Entry>> {
    let is_segment = body["Item"]["s"]["S"].as_str().is_some_and(|key| key.starts_with("P#"));
    let bytes = base64::decode(body["Item"]["en"]["B"].as_str()?).ok()?;
    packed::read_entries(&bytes).ok().filter(|_| operation == "PutItem" && is_segment)
}

/// The dedup floor becomes the segment's, even if it was higher before.
fn lower_floor(operation: &str, body: &mut Value, floors: &mut Floors) {
    if let Some(entries) = page_put(operation, body) {
        let ids = entries.iter().map(|entry| entry.id).filter(|id| !id.is_own());
        let ids = ids.map(|id| id.time().ms());
        let account = body["Item"]["a"]["S"].as_str().unwrap_or_default();
        floors.insert(account.to_owned(), ids.max().unwrap_or_default());
    }
    let trims = body["UpdateExpression"].as_str().is_some_and(|update| update.contains("ri[0]"));
    if operation == "UpdateItem" && trims {
        let account = body["Key"]["a"]["S"].as_str().unwrap_or_default();
        if let Some(floor_ms) = floors.get(account) {
            *value_of(body, "df =") = serde_json::json!({ "N": floor_ms.to_string() });
        }
    }
}

fn key_by_first(operation: &str, body: &mut Value) {
    if let Some(first) = page_put(operation, body).and_then(|entries| entries.into_iter().next()) {
        let key = body["Item"]["s"]["S"].as_str().unwrap_or_default();
        let number = key.rsplit('#').next().unwrap_or_default();
        body["Item"]["s"]["S"] = Value::from(format!("P#{:015}#{number}", first.at.ms()));
    }
}

/// A key alias older than ten minutes disappears.
fn forget_name(operation: &str, body: &mut Value, now_ms: i64) {
    let is_name = body["Item"]["s"]["S"].as_str().is_some_and(|key| key.starts_with("K#"));
    if operation == "PutItem" && is_name && body["ConditionExpression"] == "attribute_not_exists(a)"
    {
        let mut oldest = [0; 16];
        oldest[..6].copy_from_slice(&(now_ms - 600_000).to_be_bytes()[2..]);
        body["ConditionExpression"] = Value::from("attribute_not_exists(a) OR op < :oldest");
        body["ExpressionAttributeValues"] =
            serde_json::json!({ ":oldest": { "B": base64::encode(oldest) } });
    }
}

/// The value that the part of the update beginning with `start` sets.
fn value_of<'a>(body: &'a mut Value, start: &str) -> &'a mut Value {
    let update = body["UpdateExpression"].as_str().unwrap_or_default();
    let part = update.split(start).nth(1).unwrap_or_default().trim_start();
    let name = part.split([' ', ',']).next().unwrap_or_default().to_owned();
    &mut body["ExpressionAttributeValues"][name]
}

/// Takes the condition that begins with `start` out of an update.
fn without(operation: &str, body: &mut Value, start: &str) {
    let Some(condition) = body["ConditionExpression"].as_str().map(str::to_owned) else { return };
    if operation != "UpdateItem" || !condition.contains(start) {
        return;
    }
    let parts: Vec<&str> = condition.split(" AND ").collect();
    let (dropped, kept): (Vec<&str>, Vec<&str>) =
        parts.into_iter().partition(|part| part.starts_with(start));
    let condition = match kept.is_empty() {
        true => "attribute_exists(a)".to_owned(),
        false => kept.join(" AND "),
    };
    // DynamoDB refuses values that no expression uses.
    let update = body["UpdateExpression"].as_str().unwrap_or_default().to_owned();
    let values = body["ExpressionAttributeValues"].as_object_mut().expect("an update has values");
    for word in dropped.iter().flat_map(|part| part.split([' ', ',', ')'])) {
        let used = |text: &str| text.split([' ', ',', ')']).any(|other| other == word);
        if word.starts_with(':') && !used(&update) && !used(&condition) {
            values.remove(word);
        }
    }
    body["ConditionExpression"] = Value::from(condition);
}

fn no_contains(operation: &str, body: &mut Value) {
    without(operation, body, "NOT contains(");
}

fn no_floor(operation: &str, body: &mut Value) {
    without(operation, body, "df <");
}

fn no_archived_guard(operation: &str, body: &mut Value) {
    without(operation, body, "ar <=");
}

fn no_validity(operation: &str, body: &mut Value) {
    without(operation, body, "vu >");
}

fn no_balance(operation: &str, body: &mut Value) {
    without(operation, body, "av >=");
}

fn no_gate(operation: &str, body: &mut Value) {
    without(operation, body, "attribute_not_exists(gt)");
}

fn no_sequence(operation: &str, body: &mut Value) {
    without(operation, body, "sq =");
}

fn no_trim_guard(operation: &str, body: &mut Value) {
    without(operation, body, "ar =");
}

fn no_name_guard(operation: &str, body: &mut Value) {
    let is_name = body["Item"]["s"]["S"].as_str().is_some_and(|key| key.starts_with("K#"));
    if operation == "PutItem" && is_name {
        let fields = body.as_object_mut().expect("a request");
        fields.retain(|name, _| !name.starts_with("Condition") && !name.starts_with("Expression"));
        fields.shift_remove("ReturnValuesOnConditionCheckFailure");
    }
}

fn no_receipt_guard(operation: &str, body: &mut Value) {
    if operation == "TransactWriteItems" {
        // The idempotency record is the first part of operators' transactions.
        let put = body["TransactItems"][0]["Put"].as_object_mut().expect("a receipt");
        put.shift_remove("ConditionExpression");
        put.shift_remove("ReturnValuesOnConditionCheckFailure");
    }
    // Nor is it read before.
    if operation == "GetItem" && body["Key"]["s"]["S"].as_str().is_some_and(|k| k.starts_with("G#"))
    {
        body["Key"]["s"]["S"] = Value::from("G#o#none");
    }
}

fn blind_look_up(operation: &str, body: &mut Value) {
    if is_look_up(operation, body) {
        body["ExpressionAttributeValues"][":last"]["S"] = Value::from("P#0");
    }
}

fn segment_balance_off(operation: &str, body: &mut Value) {
    let is_segment = body["Item"]["s"]["S"].as_str().is_some_and(|key| key.starts_with("P#"));
    if operation == "PutItem" && is_segment {
        let micro: i64 = body["Item"]["av"]["N"].as_str().map_or(0, |n| n.parse().unwrap_or(0));
        body["Item"]["av"]["N"] = Value::from((micro + 1).to_string());
    }
}

/// DynamoDB deletes expired items within two days: this mutant does not check the expiry itself.
fn ttl_expiry(operation: &str, body: &mut Value) {
    const TWO_DAYS_MS: i64 = 2 * 86_400_000;
    let later = |value: &mut Value| {
        if let Some(ms) = value["N"].as_str().and_then(|n| n.parse::<i64>().ok()).filter(|n| *n > 0)
        {
            value["N"] = Value::from((ms + TWO_DAYS_MS).to_string());
        }
    };
    let sets = body["UpdateExpression"].as_str().is_some_and(|update| update.contains(" vu = "));
    if operation == "UpdateItem" && sets {
        later(value_of(body, " vu ="));
    }
    if operation == "TransactWriteItems" {
        body.pointer_mut("/TransactItems/1/Put/Item/x").into_iter().for_each(later);
    }
}

fn no_hold_guard(operation: &str, body: &mut Value) {
    without(operation, body, "ho.");
}

/// A part is taken of a hold, whatever other parts have left of it.
fn no_amount_guard(operation: &str, body: &mut Value) {
    without(operation, body, "ho.#0.a >");
}

/// A capture beyond its hold takes only what is held, though the account could pay the rest.
fn uncharged(operation: &str, body: &mut Value) {
    if operation != "UpdateItem" || !updates(body, "REMOVE ho.") {
        return;
    }
    let left = Cell::new(Credits::ZERO);
    appended(body, |id, payload| {
        if let Ok(mut entry) = packed::read_entry(OperationId::from_bytes(*id), payload) {
            let beyond = entry.beyond();
            let EntryKind::Captured { credits, uncharged, .. } = &mut entry.kind else { return };
            (*credits, *uncharged) = (*credits - beyond, *uncharged + beyond);
            entry.available += beyond;
            left.set(beyond);
            *payload = packed::entry(&entry);
        }
    });
    if !left.get().is_zero() {
        *value_of(body, "av = av +") = json!({ "N": "0" });
    }
}

/// A debit by meters costs the sum of what each meter costs, rounded up.
fn rounds_each_meter(operation: &str, body: &mut Value) {
    if operation != "UpdateItem" || !updates(body, "av = av +") {
        return;
    }
    let more = Cell::new(0);
    appended(body, |id, payload| {
        let Ok(mut entry) = packed::read_entry(OperationId::from_bytes(*id), payload) else {
            return;
        };
        let EntryKind::Debit { quantity, .. } = &entry.kind else { return };
        let Some((number, meters)) = quantity.call() else { return };
        let model = rates::MODELS.into_iter().find(|(_, known)| *known == number);
        let counted = meters.counted().map(|(meter, count)| (meter.name().to_owned(), count));
        let (model, _) = model.expect("a model of the simulation");
        let call = Call { model: model.to_owned(), meters: counted.collect() };
        let each: i64 = call.parts(entry.catalog).into_iter().map(|part| part.up()).sum();
        let off = each + entry.available.micro();
        entry.available -= Credits::from_micro(off);
        more.set(more.get() + off);
        *payload = packed::entry(&entry);
    });
    if more.get() != 0 {
        let available = value_of(body, "av = av +");
        let micro = available["N"].as_str().and_then(|micro| micro.parse::<i64>().ok());
        let micro = micro.expect("credits") - more.get();
        *available = json!({ "N": micro.to_string() });
    }
}

/// A hold for a call keeps the first version that had rates, not the one that priced it.
fn version_forgotten(operation: &str, body: &mut Value) {
    if operation != "UpdateItem" {
        return;
    }
    let values = body["ExpressionAttributeValues"].as_object_mut();
    for terms in values.into_iter().flat_map(|values| values.values_mut()) {
        let Some(terms) = terms.pointer_mut("/M/f") else { continue };
        let bytes = terms["B"].as_str().and_then(|text| base64::decode(text).ok());
        let held = packed::read_hold_terms(&bytes.expect("terms"), Credits::ZERO, 0);
        let mut held = held.expect("a hold");
        if let HeldFor::Call(call) = &mut held.purpose {
            call.catalog = *rates::VERSIONS.start();
        }
        *terms = json!({ "B": base64::encode(packed::hold_terms(&held)) });
    }
}

/// Stores the count of refunded credits under another key each time: no read finds it.
fn no_refund_count(operation: &str, body: &mut Value) {
    let is_count = |key: &Value| key["s"]["S"].as_str().is_some_and(|key| key.starts_with("R#"));
    if operation == "GetItem" && is_count(&body["Key"]) {
        body["Key"]["s"]["S"] = Value::from("none");
    }
    if operation == "TransactWriteItems" {
        for part in body["TransactItems"].as_array_mut().into_iter().flatten() {
            let is_count = is_count(&part["Put"]["Item"]);
            if let Some(put) = part["Put"].as_object_mut().filter(|_| is_count) {
                put.retain(|name, _| name == "TableName" || name == "Item");
            }
        }
    }
}

/// Pending changes that return credits become pending changes that grant them.
fn returned_late(operation: &str, body: &mut Value) {
    if operation != "TransactWriteItems" {
        return;
    }
    for part in body["TransactItems"].as_array_mut().into_iter().flatten() {
        let values = part.pointer_mut("/Update/ExpressionAttributeValues");
        let values = values.and_then(Value::as_object_mut);
        let lists = values.into_iter().flat_map(|values| values.values_mut());
        let lists = lists.filter_map(|value| value.get_mut("L").and_then(Value::as_array_mut));
        for note in lists.flatten() {
            let Some(packed) = note["B"].as_str().and_then(|text| base64::decode(text).ok()) else {
                continue;
            };
            if let Ok(PendingChange::Returned(grant)) = packed::read_pending_change(&packed) {
                let at = grant.granted_at;
                let late = packed::pending_change(&PendingChange::Grant { grant, at });
                *note = json!({ "B": base64::encode(late) });
            }
        }
    }
}

/// The changes that a request makes to debts are lost, unless it advances.
fn debts_stay(operation: &str, body: &mut Value) {
    if operation == "TransactWriteItems" {
        for part in body["TransactItems"].as_array_mut().into_iter().flatten() {
            let Some(update) = part.pointer_mut("/Update/UpdateExpression") else { continue };
            let lost =
                [("SET d =", "SET none ="), (", d =", ", none ="), ("REMOVE d", "REMOVE none")];
            let text = update.as_str().unwrap_or_default().to_owned();
            *update = lost.iter().fold(text, |text, (from, to)| text.replace(from, to)).into();
        }
    }
}

/// A refund adds to the available credits even if the account advanced since it was read.
fn no_advanced_guard(operation: &str, body: &mut Value) {
    if operation == "TransactWriteItems" {
        for part in body["TransactItems"].as_array_mut().into_iter().flatten() {
            if part.get("Update").is_some() {
                without("UpdateItem", &mut part["Update"], "ad =");
            }
        }
    }
}

/// Advances have ids that callers could choose.
fn common_ids(operation: &str, body: &mut Value) {
    if operation == "UpdateItem" && updates(body, "ad =") {
        appended(body, |id, _| id[6] = id[6] & 0x0f | 0x70);
    }
}

/// Advances do not report what was burnt of the previous burn order.
fn burnt_untold(operation: &str, body: &mut Value) {
    if operation == "UpdateItem" && updates(body, "ad =") {
        appended(body, |id, payload| {
            let id = OperationId::from_bytes(*id);
            if let Ok(mut entry) = packed::read_entry(id, payload)
                && let EntryKind::TimePassed { burnt, .. } = &mut entry.kind
            {
                *burnt = BurnOrder::default();
                *payload = packed::entry(&entry);
            }
        });
    }
}

/// The idempotency records of operators and of services share one key space.
fn one_key_space(operation: &str, body: &mut Value) {
    let file = |key: &mut Value| {
        if let Some(hash) = key.as_str().and_then(|key| key.strip_prefix("G#o#")) {
            *key = format!("G#s#{hash}").into();
        }
    };
    match operation {
        "GetItem" => body.pointer_mut("/Key/s/S").into_iter().for_each(file),
        "TransactWriteItems" => {
            body.pointer_mut("/TransactItems/0/Put/Item/s/S").into_iter().for_each(file);
        }
        _ => {}
    }
}

/// Entries are stamped by a clock that was read before other calls.
fn old_stamps(operation: &str, body: &mut Value) {
    if operation == "UpdateItem" && !updates(body, "ad =") {
        appended(body, |id, payload| {
            let id = OperationId::from_bytes(*id);
            if let Ok(mut entry) = packed::read_entry(id, payload) {
                entry.at = Instant::from_ms(entry.at.ms() - 2 * STAMP_MARGIN.ms());
                *payload = packed::entry(&entry);
            }
        });
    }
}

/// The update of a revocation, its entry and the burn order that it leaves.
fn revocation(operation: &str, body: &mut Value, change: impl Fn(&mut Entry, &mut Vec<Grant>)) {
    if operation != "TransactWriteItems" {
        return;
    }
    for part in body["TransactItems"].as_array_mut().into_iter().flatten() {
        let update = &mut part["Update"];
        if !updates(update, "bo =") {
            continue;
        }
        let bytes = value_of(update, "bo =")["B"].as_str().and_then(|b| base64::decode(b).ok());
        let order = bytes.and_then(|bytes| packed::read_burn_order(&bytes).ok());
        let left = RefCell::new(order.expect("a burn order").into_grants().collect::<Vec<_>>());
        let before: Credits = left.borrow().iter().map(|grant| grant.left).sum();
        appended(update, |id, payload| {
            let entry = packed::read_entry(OperationId::from_bytes(*id), payload);
            if let Ok(mut entry) = entry
                && matches!(entry.kind, EntryKind::Revoked { .. })
            {
                change(&mut entry, &mut left.borrow_mut());
                *payload = packed::entry(&entry);
            }
        });
        let order = BurnOrder::new(left.into_inner());
        let available = value_of(update, "av =")["N"].as_str().and_then(|n| n.parse::<i64>().ok());
        let available = available.expect("credits") - (before - order.left()).micro();
        *value_of(update, "av =") = json!({ "N": available.to_string() });
        *value_of(update, "bo =") = json!({ "B": base64::encode(packed::burn_order(&order)) });
    }
}

/// All that is left of the grant is taken, though a hold keeps it.
fn revokes_held(operation: &str, body: &mut Value) {
    revocation(operation, body, |entry, left| {
        let EntryKind::Revoked { grant, .. } = entry.kind else { return };
        left.retain(|known| {
            if known.id == grant {
                entry.available -= known.left;
            }
            known.id != grant
        });
    });
}

/// The entry names another grant than the one that was taken from.
fn revokes_other(operation: &str, body: &mut Value) {
    revocation(operation, body, |entry, left| {
        let EntryKind::Revoked { grant, .. } = &mut entry.kind else { return };
        let other = left.iter().find(|known| known.id != *grant && known.kind.is_revocable());
        if let Some(other) = other {
            *grant = other.id;
        }
    });
}

/// What a revocation takes leaves the burn order once more, from whatever is there.
fn revokes_twice(operation: &str, body: &mut Value) {
    revocation(operation, body, |entry, left| {
        let mut order = BurnOrder::new(std::mem::take(left));
        order.take(-entry.available, |_| true);
        left.extend(order.into_grants());
    });
}

/// A debit between the reading and the write of a revocation is lost.
fn no_revoked_guard(operation: &str, body: &mut Value) {
    if operation == "TransactWriteItems" {
        for part in body["TransactItems"].as_array_mut().into_iter().flatten() {
            if updates(&part["Update"], "bo =") {
                without("UpdateItem", &mut part["Update"], "sq =");
            }
        }
    }
}

/// The updates of accounts in a request.
fn each_update(operation: &str, body: &mut Value, change: impl Fn(&mut Value)) {
    match operation {
        "UpdateItem" => change(body),
        "TransactWriteItems" => {
            let parts = body["TransactItems"].as_array_mut().into_iter().flatten();
            parts.filter_map(|part| part.get_mut("Update")).for_each(change);
        }
        _ => {}
    }
}

/// A part of an update that adds to a count: its text, the name of the count and the credits.
struct CountStep {
    text: String,
    name: String,
    value: String,
    micro: i64,
}

fn count_steps(update: &Value) -> Vec<CountStep> {
    let step = Regex::new(r"(#\d+) = if_not_exists\(#\d+, :\d+\) \+ (:\d+)").expect("a pattern");
    let expression = update["UpdateExpression"].as_str().unwrap_or_default();
    let steps = step.captures_iter(expression).filter_map(|found| {
        let micro = update["ExpressionAttributeValues"][&found[2]]["N"].as_str()?;
        let (name, value) = (found[1].to_owned(), found[2].to_owned());
        Some(CountStep { text: found[0].to_owned(), name, value, micro: micro.parse().ok()? })
    });
    steps.filter(|step| !expression.contains(&format!(".{}", step.text))).collect()
}

/// Takes the steps that add to counts out of an update, and returns a second one of them alone.
pub fn take_counts(body: &mut Value) -> Option<Value> {
    let steps = count_steps(body);
    let texts: Vec<&str> = steps.iter().map(|step| &*step.text).collect();
    if texts.is_empty() {
        return None;
    }
    let mut second = body.clone();
    let fields = second.as_object_mut()?;
    fields.retain(|name, _| !name.starts_with("Condition"));
    let (update, names) =
        (texts.join(", "), ["ExpressionAttributeNames", "ExpressionAttributeValues"]);
    for map in names {
        let words = fields.get_mut(map).and_then(Value::as_object_mut)?;
        words.retain(|word, _| is_used(&update, word));
    }
    fields.insert("UpdateExpression".to_owned(), format!("SET {update}").into());
    for step in &steps {
        *body = drop_step(body.take(), step);
    }
    Some(second)
}

/// Whether an expression has the placeholder.
fn is_used(expression: &str, word: &str) -> bool {
    expression.split([' ', ',', '(', ')', '.']).any(|other| other == word)
}

/// The update without a step, and without the placeholders that it alone uses.
fn drop_step(mut update: Value, step: &CountStep) -> Value {
    let expression = update["UpdateExpression"].as_str().unwrap_or_default();
    let left = expression.replacen(&format!(", {}", step.text), "", 1);
    let left = left.replacen(&format!("SET {}, ", step.text), "SET ", 1);
    let condition = update["ConditionExpression"].as_str().unwrap_or_default().to_owned();
    for map in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        if let Some(words) = update[map].as_object_mut() {
            words.retain(|word, _| is_used(&left, word) || is_used(&condition, word));
        }
    }
    if update["ExpressionAttributeNames"].as_object().is_some_and(serde_json::Map::is_empty) {
        update.as_object_mut().expect("an update").shift_remove("ExpressionAttributeNames");
    }
    update["UpdateExpression"] = left.into();
    update
}

/// A charge is written without a look at what was used of its limits.
fn no_limit_guard(operation: &str, body: &mut Value) {
    without(operation, body, "(attribute_not_exists(#");
}

/// What a release, a capture or a refund gives back stays counted.
fn never_uncounted(operation: &str, body: &mut Value) {
    each_update(operation, body, |update| {
        for step in count_steps(update).iter().filter(|step| step.micro < 0) {
            *update = drop_step(update.take(), step);
        }
    });
}

/// What comes back to the count of a day comes back to another, that of a week which begins then.
fn other_window(operation: &str, body: &mut Value) {
    each_update(operation, body, |update| {
        for step in count_steps(update).iter().filter(|step| step.micro < 0) {
            let names = &mut update["ExpressionAttributeNames"];
            let counter = names[&step.name].as_str().unwrap_or_default();
            let Some(other) = counter.strip_prefix('D').map(|rest| format!("W{rest}")) else {
                continue;
            };
            // Of a Monday it may be the week's that changes as well.
            if names.as_object().is_some_and(|names| names.values().any(|known| *known == other)) {
                continue;
            }
            let name = format!("{}o", step.name);
            names[&name] = other.into();
            let to = step.text.replace(&step.name, &name);
            let expression = update["UpdateExpression"].as_str().unwrap_or_default();
            update["UpdateExpression"] = expression.replacen(&step.text, &to, 1).into();
        }
    });
}

/// An advance does not give back what lapsed holds counted.
fn lapsed_counted(operation: &str, body: &mut Value) {
    if operation != "UpdateItem" || !updates(body, "ad =") {
        return;
    }
    let step = Regex::new(r"#\d+ = (:\d+), ").expect("a pattern");
    let expression = body["UpdateExpression"].as_str().unwrap_or_default().to_owned();
    let left = step.replace_all(&expression, "").into_owned();
    for map in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        let condition = body["ConditionExpression"].as_str().unwrap_or_default().to_owned();
        if let Some(words) = body[map].as_object_mut() {
            words.retain(|word, _| is_used(&left, word) || is_used(&condition, word));
        }
    }
    if body["ExpressionAttributeNames"].as_object().is_some_and(serde_json::Map::is_empty) {
        body.as_object_mut().expect("an update").shift_remove("ExpressionAttributeNames");
    }
    body["UpdateExpression"] = left.into();
}

/// A charge in the last two hours of a day counts for the next: it is tomorrow there.
fn local_days(operation: &str, body: &mut Value) {
    const LATE_MS: i64 = 22 * 3_600_000;
    let late = Cell::new(false);
    if operation != "UpdateItem" {
        return;
    }
    appended(body, |id, payload| {
        if let Ok(entry) = packed::read_entry(OperationId::from_bytes(*id), payload) {
            late.set(entry.at.ms().rem_euclid(86_400_000) >= LATE_MS);
        }
    });
    for step in count_steps(body).into_iter().filter(|step| late.get() && step.micro > 0) {
        let counter = &mut body["ExpressionAttributeNames"][&step.name];
        let key = counter.as_str().unwrap_or_default().to_owned();
        let Some(day) = key.strip_prefix('D').and_then(|key| key.get(8..)) else { continue };
        let padded = format!("{day}{}", &"==="[..(4 - day.len() % 4) % 4]);
        let mut bytes = base64::decode(padded).expect("a day");
        *bytes.last_mut().expect("a day") += 1;
        *counter = format!("{}{}", &key[..9], base64::encode(bytes).trim_end_matches('=')).into();
    }
}

/// The account's own limits of users are not kept: the plan's are in force.
fn own_forgotten(operation: &str, body: &mut Value) {
    if operation != "TransactWriteItems" {
        return;
    }
    for part in body["TransactItems"].as_array_mut().into_iter().flatten() {
        let Some(item) = part.pointer_mut("/Put/Item") else { continue };
        if item["s"]["S"] == "L#own" {
            let bytes = item["lm"]["B"].as_str().and_then(|text| base64::decode(text).ok());
            let mut limits = packed::read_limits(&bytes.expect("limits")).expect("limits");
            limits.retain(|(of, _), _| of.kind() != "user");
            let own = OwnLimits { version: 0, limits };
            item["lm"] = json!({ "B": base64::encode(packed::limits(&own)) });
        }
    }
}

/// A charge is written whatever the account's own limits have become.
fn no_version_guard(operation: &str, body: &mut Value) {
    if operation == "UpdateItem" && !count_steps(body).is_empty() {
        without(operation, body, "li =");
        without(operation, body, "attribute_not_exists(li)");
    }
}

/// Of a batch only the first debit counts.
fn counts_one(operation: &str, body: &mut Value) {
    if operation != "UpdateItem" {
        return;
    }
    let first = Cell::new(None);
    let count = Cell::new(0);
    appended(body, |id, payload| {
        if let Ok(entry) = packed::read_entry(OperationId::from_bytes(*id), payload) {
            first.set(first.get().or(Some(-entry.available.micro())));
            count.set(count.get() + 1);
        }
    });
    for step in count_steps(body).into_iter().filter(|step| count.get() > 1 && step.micro > 0) {
        let micro = first.get().unwrap_or(0).min(step.micro);
        body["ExpressionAttributeValues"][&step.value] = json!({ "N": micro.to_string() });
    }
}

/// A hold does not remember the limits that it counts for.
fn hold_uncounted(operation: &str, body: &mut Value) {
    if operation != "UpdateItem" {
        return;
    }
    let values = body["ExpressionAttributeValues"].as_object_mut();
    for terms in values.into_iter().flat_map(|values| values.values_mut()) {
        let Some(terms) = terms.pointer_mut("/M/f") else { continue };
        let bytes = terms["B"].as_str().and_then(|text| base64::decode(text).ok());
        let held = packed::read_hold_terms(&bytes.expect("terms"), Credits::ZERO, 0);
        let held = Held { limits: HeldLimits::default(), ..held.expect("a hold") };
        *terms = json!({ "B": base64::encode(packed::hold_terms(&held)) });
    }
}

fn updates(body: &Value, part: &str) -> bool {
    body["UpdateExpression"].as_str().is_some_and(|update| update.contains(part))
}

/// Changes the entries that an update appends.
fn appended(body: &mut Value, change: impl Fn(&mut [u8; 16], &mut Vec<u8>)) {
    let [ids, payloads] = ["ri", "rp"].map(|list| appended_to(list, body));
    let bytes = |value: &Value| base64::decode(value["B"].as_str()?).ok();
    let count = body["ExpressionAttributeValues"][&ids]["L"].as_array().map_or(0, Vec::len);
    for place in 0..count {
        let values = &mut body["ExpressionAttributeValues"];
        let id = bytes(&values[&ids]["L"][place]).and_then(|id| id.try_into().ok());
        let payload = bytes(&values[&payloads]["L"][place]);
        let (Some(mut id), Some(mut payload)) = (id, payload) else { continue };
        change(&mut id, &mut payload);
        values[&ids]["L"][place] = json!({ "B": base64::encode(id) });
        values[&payloads]["L"][place] = json!({ "B": base64::encode(payload) });
    }
}

fn inconsistent(_: &str, body: &mut Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.shift_remove("ConsistentRead");
    }
}

/// A freeze closes the account by `x = 0`, which every advance opens again.
fn freeze_by_x(operation: &str, body: &mut Value) {
    if operation != "TransactWriteItems" {
        return;
    }
    let Some(update) = body.pointer_mut("/TransactItems/1/Update") else { return };
    let Some(expression) = update["UpdateExpression"].as_str().map(str::to_owned) else { return };
    if expression.starts_with("SET gt =") {
        let gate = value_of(update, "SET gt =").clone();
        if gate["N"] == "1" {
            *value_of(update, "SET gt =") = serde_json::json!({ "N": "0" });
            update["UpdateExpression"] = Value::from(expression.replacen("SET gt =", "SET x =", 1));
        }
    }
}
