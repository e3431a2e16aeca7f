//! The fields of a JSON body: each is asked for by name, and every one that is wrong is named.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::domain::refusal::FieldProblem;
use crate::domain::{Credits, Instant, Refusal};

/// A JSON object being taken apart. Wrong fields are collected until [`Fields::finish`].
pub(super) struct Fields {
    left: Vec<(String, Value)>,
    problems: Vec<FieldProblem>,
}

impl Fields {
    /// # Errors
    /// [`Refusal::InvalidRequest`] if the body is not a JSON object, or a field is repeated.
    pub(super) fn parse(body: &[u8]) -> Result<Fields, Refusal> {
        let object: Object =
            serde_json::from_slice(body).map_err(|e| Refusal::invalid("body", e.to_string()))?;
        let mut fields = Fields { left: Vec::new(), problems: Vec::new() };
        for (name, value) in object.0 {
            match fields.left.iter().any(|(known, _)| *known == name) {
                true => fields.wrong(&name, "is repeated"),
                false => fields.left.push((name, value)),
            }
        }
        Ok(fields)
    }

    /// Records that a field is wrong.
    pub(super) fn wrong(&mut self, field: &str, problem: impl Into<String>) {
        // A name is shown as it was sent, but never so much of it that it floods a log.
        let field = field.chars().filter(|c| !c.is_control()).take(64).collect();
        self.problems.push(FieldProblem { field, problem: problem.into() });
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        let place = self.left.iter().position(|(name, _)| name == field)?;
        Some(self.left.swap_remove(place).1)
    }

    /// An optional text of 1 to `longest` bytes in UTF-8, without a control character.
    pub(super) fn text(&mut self, field: &str, longest: usize) -> Option<String> {
        match self.take(field)? {
            Value::String(text)
                if (1..=longest).contains(&text.len()) && !text.chars().any(char::is_control) =>
            {
                Some(text)
            }
            _ => {
                let problem = format!(
                    "must be a text of 1 to {longest} bytes in UTF-8, without a control character"
                );
                self.wrong(field, problem);
                None
            }
        }
    }

    /// An optional whole number from 1 up.
    pub(super) fn quantity(&mut self, field: &str) -> Option<u64> {
        let quantity = whole(&self.take(field)?).and_then(|n| u64::try_from(n).ok());
        let quantity = quantity.filter(|n| *n > 0);
        if quantity.is_none() {
            self.wrong(field, "must be a whole number, at least 1");
        }
        quantity
    }

    /// An optional whole number within a range.
    pub(super) fn integer(
        &mut self,
        field: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let number = whole(&self.take(field)?).and_then(|n| i64::try_from(n).ok());
        let number = number.filter(|n| range.contains(n));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.wrong(field, format!("must be a whole number from {least} to {most}"));
        }
        number
    }

    /// An optional `true` or `false`.
    pub(super) fn flag(&mut self, field: &str) -> Option<bool> {
        let flag = self.take(field)?.as_bool();
        if flag.is_none() {
            self.wrong(field, "must be true or false");
        }
        flag
    }

    /// An optional amount of credits.
    pub(super) fn credits(&mut self, field: &str) -> Option<Credits> {
        let Value::String(text) = self.take(field)? else {
            self.wrong(field, "must be a decimal in a string, such as \"25\" or \"0.5\"");
            return None;
        };
        text.parse()
            .map_err(|e: crate::domain::credits::CreditsError| {
                self.wrong(field, e.to_string());
            })
            .ok()
    }

    /// The same, or `"0"`.
    pub(super) fn credits_or_none(&mut self, field: &str) -> Option<Credits> {
        let nothing = |(name, value): &(String, Value)| name == field && *value == "0";
        match self.left.iter().any(nothing) {
            true => self.take(field).map(|_| Credits::ZERO),
            false => self.credits(field),
        }
    }

    /// An optional instant in RFC 3339.
    pub(super) fn instant(&mut self, field: &str) -> Option<Instant> {
        let value = self.take(field)?;
        let instant = value.as_str().and_then(Instant::parse);
        if instant.is_none() {
            self.wrong(field, "must be a time such as \"2026-11-23T00:00:00Z\"");
        }
        instant
    }

    /// An optional value that `read` makes of a text; `expected` says what it should be.
    pub(super) fn parsed<T>(
        &mut self,
        field: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(field)?;
        let parsed = value.as_str().and_then(read);
        if parsed.is_none() {
            self.wrong(field, format!("must be {expected}"));
        }
        parsed
    }

    /// An optional list of words, each of them one of `known`.
    pub(super) fn words<'a>(&mut self, field: &str, known: &[&'a str]) -> Option<Vec<&'a str>> {
        let value = self.take(field)?;
        let words = value.as_array().and_then(|words| {
            let known = |word: &Value| known.iter().find(|known| word == *known).copied();
            words.iter().map(known).collect::<Option<Vec<_>>>()
        });
        if words.is_none() {
            self.wrong(field, format!("must be a list of {}", known.join(", ")));
        }
        words
    }

    /// An optional list of 1 to `most` objects, each read by `read`. What is wrong in one of them is
    /// named by its place: `debits[3].quantity`.
    pub(super) fn objects<T>(
        &mut self,
        field: &str,
        most: usize,
        read: impl Fn(&mut Fields) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Array(objects) = self.take(field)? else {
            self.wrong(field, "must be a list");
            return None;
        };
        if !(1..=most).contains(&objects.len()) {
            self.wrong(field, format!("must have 1 to {most} elements"));
            return None;
        }
        let mut values = Vec::new();
        for (place, object) in objects.into_iter().enumerate() {
            let Value::Object(object) = object else {
                self.wrong(&format!("{field}[{place}]"), "must be an object");
                continue;
            };
            let mut fields = Fields { left: object.into_iter().collect(), problems: Vec::new() };
            let value = read(&mut fields);
            match fields.finish(value) {
                Ok(value) => values.push(value),
                Err(Refusal::InvalidRequest { fields }) => {
                    let named = fields.into_iter().map(|problem| FieldProblem {
                        field: format!("{field}[{place}].{}", problem.field),
                        ..problem
                    });
                    self.problems.extend(named);
                }
                Err(_) => unreachable!("reading names fields"),
            }
        }
        Some(values)
    }

    /// Whether the field was sent and nothing is known to be wrong with it.
    pub(super) fn has_problem(&self, field: &str) -> bool {
        self.problems.iter().any(|problem| problem.field == field)
    }

    /// Takes a field that must be there. None is recorded as missing, unless it was wrong.
    pub(super) fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.has_problem(field) {
            self.wrong(field, "is required");
        }
        value
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] naming every field that is wrong, missing or unknown.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Refusal> {
        for (name, _) in std::mem::take(&mut self.left) {
            self.wrong(&name, "is unknown");
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Refusal::InvalidRequest { fields: self.problems }),
        }
    }
}

/// A whole number, however JSON writes it: `1`, `1.0` and `1e0` are one number (RFC 8259, 6), and some
/// languages write the second.
fn whole(value: &Value) -> Option<i128> {
    let Value::Number(number) = value else { return None };
    // Written anew, what is whole and was no integer ends in `.0`.
    let text = number.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}

/// A JSON object with its fields as they were sent, repeated ones too.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
