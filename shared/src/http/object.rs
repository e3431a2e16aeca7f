//! A JSON object as it was sent: serde's own map would keep one of two fields of one name.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// A JSON object with its fields as they were sent, including repeated ones.
pub(super) struct Object<V>(pub(super) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Object<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<V>, D::Error> {
        struct Fields<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Fields<V> {
            type Value = Object<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<V>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// How many levels of lists and objects a field may have: a provider's usage object in a batch has
/// six. To look for repeated fields costs the bytes of a body once for each.
pub(super) const DEEPEST: usize = 12;

/// Whether a value has at most so many levels.
pub(super) fn is_within(value: &Value, levels: usize) -> bool {
    let deeper = |value: &Value| is_within(value, levels - 1);
    match value {
        Value::Array(values) => levels > 0 && values.iter().all(deeper),
        Value::Object(fields) => levels > 0 && fields.values().all(deeper),
        _ => true,
    }
}

/// The fields that are repeated within the fields of a body, by their paths: `meters.input`.
pub(super) fn repeated_within(body: &[u8]) -> Vec<String> {
    let mut repeated = Vec::new();
    if let Ok(Object(fields)) = serde_json::from_slice::<Object<Shape>>(body) {
        fields.iter().for_each(|(name, value)| value.repeated(name, &mut repeated));
    }
    repeated
}

/// What a JSON value is made of, without its texts and numbers.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Shape {
    Object(Object<Shape>),
    List(Vec<Shape>),
    Other(IgnoredAny),
}

impl Shape {
    /// Adds the fields that are repeated in it to `found`; its own path is `at`.
    fn repeated(&self, at: &str, found: &mut Vec<String>) {
        match self {
            Shape::Object(Object(fields)) => {
                let mut names = BTreeSet::new();
                for (name, value) in fields {
                    let path = format!("{at}.{name}");
                    value.repeated(&path, found);
                    if !names.insert(name) {
                        found.push(path);
                    }
                }
            }
            Shape::List(values) => {
                for (place, value) in values.iter().enumerate() {
                    value.repeated(&format!("{at}[{place}]"), found);
                }
            }
            Shape::Other(_) => {}
        }
    }
}
