//! DynamoDB's units of a request, refused writes included.

use serde_json::Value;

/// The write units of a write of this item: one for each started KB, and one if there is no item.
pub fn units(item: &Value) -> f64 {
    let item = serde_json::from_value::<dynoxide::Item>(item.clone());
    let size = item.map_or(0, |item| dynoxide::types::item_size(&item));
    u32::try_from(size.div_ceil(1024).max(1)).map_or(f64::NAN, f64::from)
}

/// Asks, in the body of a request, for its units and for the items that refuse it.
pub fn ask_for_units(body: &mut Value) {
    let refusing = |write: &mut Value| {
        if write.get("ConditionExpression").is_some() {
            write["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD".into();
        }
    };
    body["ReturnConsumedCapacity"] = "TOTAL".into();
    refusing(body);
    let parts = body.get_mut("TransactItems").and_then(Value::as_array_mut);
    let parts = parts.into_iter().flatten().filter_map(Value::as_object_mut);
    parts.flat_map(|part| part.values_mut()).for_each(refusing);
}

/// The units that a request cost, by its body and its answer's.
///
/// A refused write costs by the item that refuses it ("Read and write operations", DynamoDB's
/// manual, November 2026), and no emulator reports it. AWS documents nothing for a cancelled
/// transaction: each of its parts counts as if it had been written.
pub fn of(sent: &Value, answer: &Value) -> f64 {
    let kind = answer["__type"].as_str().unwrap_or_default();
    if kind.ends_with("ConditionalCheckFailedException") {
        return units(&answer["Item"]);
    }
    if kind.contains("TransactionCanceled") {
        let parts = sent["TransactItems"].as_array().map_or(0, Vec::len);
        let refusing = |part: usize| &answer["CancellationReasons"][part]["Item"];
        return (0..parts).map(|part| 2.0 * units(refusing(part))).sum();
    }
    consumed(answer, "CapacityUnits")
}

/// The read units of a transaction that was done before, and is sent again with its token.
pub fn read_again(answer: &Value) -> f64 {
    consumed(answer, "ReadCapacityUnits")
}

fn consumed(answer: &Value, units: &str) -> f64 {
    let tables = match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.as_slice(),
        one => std::slice::from_ref(one),
    };
    tables.iter().filter_map(|table| table[units].as_f64()).sum()
}
