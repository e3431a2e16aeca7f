//! The fields of a request: each is read by name, and all errors are reported together.

mod call;
mod choice;

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use serde_json::error::Category;

use super::object::{DEEPEST, Object, is_within, repeated_within};
use crate::domain::nearest::nearest;
use crate::domain::number::whole;
use crate::domain::refusal::FieldProblem;
use crate::domain::{Credits, Currency, Instant, Refusal};

/// The longest name in a catalog, in bytes.
pub(super) const NAME_BYTES: usize = 64;
/// The longest name of a model, in bytes.
pub(super) const MODEL_BYTES: usize = 128;

/// A JSON object being read, and the errors found so far in the request. [`Fields::finish`] returns
/// them.
#[derive(Default)]
pub(super) struct Fields {
    left: Vec<(String, Value)>,
    /// The fields that were read, present or not.
    asked: Vec<&'static str>,
    problems: Vec<FieldProblem>,
    /// Whether the body is no object: then none of its fields counts as missing.
    unread: bool,
}

impl Fields {
    /// The fields of a body. A body that is no JSON object is recorded as an error.
    pub(super) fn parse(body: &[u8]) -> Fields {
        let mut fields = Fields::default();
        match serde_json::from_slice::<Object<Value>>(body) {
            Ok(object) => {
                for (name, value) in object.0 {
                    match fields.sent(&name) {
                        true => fields.wrong(&name, "is repeated"),
                        false => fields.left.push((name, value)),
                    }
                }
                fields.check_nested(body);
            }
            Err(error) => {
                fields.unread = true;
                fields.wrong("body", no_object(body, &error));
            }
        }
        fields
    }

    /// Records what is wrong within the values of fields: they are nested too deep, or have
    /// repeated fields.
    fn check_nested(&mut self, body: &[u8]) {
        let deep = self.left.iter().filter(|(_, value)| !is_within(value, DEEPEST));
        let deep: Vec<String> = deep.map(|(name, _)| name.clone()).collect();
        if !deep.is_empty() {
            let problem = format!("must not be nested more than {DEEPEST} deep");
            deep.iter().for_each(|field| self.wrong(field, problem.as_str()));
        } else if self.left.iter().any(|(_, value)| value.is_object() || value.is_array()) {
            let repeated = repeated_within(body);
            repeated.iter().for_each(|field| self.wrong(field, "is repeated"));
        }
    }

    /// Records that a field is wrong.
    pub(super) fn wrong(&mut self, field: &str, problem: impl Into<String>) {
        self.problems.push(FieldProblem::new(&shown(field), problem));
    }

    /// Records that a word is unknown, and the known word that was probably meant.
    pub(super) fn wrong_word<'a>(
        &mut self,
        field: &str,
        problem: impl Into<String>,
        sent: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let did_you_mean = nearest(sent, known);
        let problem = FieldProblem { did_you_mean, ..FieldProblem::new(&shown(field), problem) };
        self.problems.push(problem);
    }

    /// Records a field as missing, unless it was wrong, or the body could not be read.
    pub(super) fn missing(&mut self, field: &str, problem: &str) {
        if !self.unread && !self.has_problem(field) {
            self.wrong(field, problem);
        }
    }

    /// A value that was read outside the body. If it is wrong, that is recorded, and the value is
    /// None.
    pub(super) fn checked<T>(
        &mut self,
        field: &str,
        read: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        read.map_err(|problem| self.wrong(field, problem.to_string())).ok()
    }

    /// Whether a field was sent and has not been taken yet.
    pub(super) fn sent(&self, field: &str) -> bool {
        self.left.iter().any(|(name, _)| name == field)
    }

    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.asked.push(field);
        let place = self.left.iter().position(|(name, _)| name == field)?;
        Some(self.left.swap_remove(place).1)
    }

    /// An optional text of 1 to `longest` bytes in UTF-8, without a control character.
    pub(super) fn text(&mut self, field: &'static str, longest: usize) -> Option<String> {
        match self.take(field)? {
            Value::String(text) if is_text(&text, longest) => Some(text),
            _ => {
                self.wrong(field, no_text(longest));
                None
            }
        }
    }

    /// An optional text as of [`Fields::text`], or `""`.
    pub(super) fn text_or_none(&mut self, field: &'static str, longest: usize) -> Option<String> {
        match self.left.iter().any(|(name, value)| name == field && *value == "") {
            true => self.take(field).map(|_| String::new()),
            false => self.text(field, longest),
        }
    }

    /// An optional list of up to `most` different texts of 1 to `longest` bytes in UTF-8, each
    /// without a control character.
    pub(super) fn texts(
        &mut self,
        field: &'static str,
        most: usize,
        longest: usize,
    ) -> Option<Vec<String>> {
        self.list(field, most, |value| match value {
            Value::String(text) if is_text(text, longest) => Ok(text.clone()),
            _ => Err(no_text(longest)),
        })
    }

    /// An optional list of up to `most` different values, each read by `read`. An error in an
    /// element is named by its position: `subjects[1]`.
    pub(super) fn list<T: PartialEq>(
        &mut self,
        field: &'static str,
        most: usize,
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let Value::Array(values) = self.take(field)? else {
            self.wrong(field, "must be a list");
            return None;
        };
        if values.len() > most {
            self.wrong(field, format!("must have at most {most} elements"));
        }
        let mut read_so_far = Vec::new();
        for (place, value) in values.iter().take(most).enumerate() {
            let name = format!("{field}[{place}]");
            match read(value) {
                Ok(value) if read_so_far.contains(&value) => self.wrong(&name, "is repeated"),
                Ok(value) => read_so_far.push(value),
                Err(problem) => self.wrong(&name, problem),
            }
        }
        Some(read_so_far)
    }

    /// An optional whole number from 1 up.
    pub(super) fn quantity(&mut self, field: &'static str) -> Option<u64> {
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
        field: &'static str,
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
    pub(super) fn flag(&mut self, field: &'static str) -> Option<bool> {
        let flag = self.take(field)?.as_bool();
        if flag.is_none() {
            self.wrong(field, "must be true or false");
        }
        flag
    }

    /// An optional amount of credits.
    pub(super) fn credits(&mut self, field: &'static str) -> Option<Credits> {
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

    /// An optional amount of credits, or `"0"`.
    pub(super) fn credits_or_none(&mut self, field: &'static str) -> Option<Credits> {
        let nothing = |(name, value): &(String, Value)| name == field && *value == "0";
        match self.left.iter().any(nothing) {
            true => self.take(field).map(|_| Credits::ZERO),
            false => self.credits(field),
        }
    }

    /// A required amount of credits, `"0"`, or null, which is `Some(None)`.
    pub(super) fn credits_or_null(&mut self, field: &'static str) -> Option<Option<Credits>> {
        match self.left.iter().any(|(name, value)| name == field && value.is_null()) {
            true => self.take(field).map(|_| None),
            false => {
                let credits = self.credits_or_none(field);
                self.required(field, credits).map(Some)
            }
        }
    }

    /// An optional instant in RFC 3339.
    pub(super) fn instant(&mut self, field: &'static str) -> Option<Instant> {
        let value = self.take(field)?;
        let instant = value.as_str().and_then(Instant::parse);
        if instant.is_none() {
            self.wrong(field, "must be a time such as \"2026-11-23T00:00:00Z\"");
        }
        instant
    }

    /// An optional value that `read` parses from a text; `expected` describes it.
    pub(super) fn parsed<T>(
        &mut self,
        field: &'static str,
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

    /// An optional currency that Stripe takes payments in.
    pub(super) fn currency(&mut self, field: &'static str) -> Option<Currency> {
        let expected = "the code in lower case of a currency that Stripe accepts, such as \"usd\"";
        let known = |currency: &Currency| currency.known().is_some();
        self.parsed(field, expected, |text| text.parse().ok().filter(known))
    }

    /// An optional text that `T` parses.
    pub(super) fn read<T: FromStr<Err: fmt::Display>>(&mut self, field: &'static str) -> Option<T> {
        let value = self.take(field)?;
        self.checked(field, value.as_str().unwrap_or_default().parse())
    }

    /// An optional list of 1 to `most` objects, each read by `read`; None for an element that is no
    /// object. An error in an element is named by its position: `debits[3].quantity`. If the list
    /// is too long, only the first elements are checked.
    pub(super) fn objects<T>(
        &mut self,
        field: &'static str,
        most: usize,
        read: impl Fn(&mut Fields) -> T,
    ) -> Option<Vec<Option<T>>> {
        let Value::Array(objects) = self.take(field)? else {
            self.wrong(field, "must be a list");
            return None;
        };
        if !(1..=most).contains(&objects.len()) {
            self.wrong(field, format!("must have 1 to {most} elements"));
        }
        let mut values = Vec::new();
        for (place, object) in objects.into_iter().take(most).enumerate() {
            let name = format!("{field}[{place}]");
            let Value::Object(object) = object else {
                self.wrong(&name, "must be an object");
                values.push(None);
                continue;
            };
            let left = object.into_iter().collect();
            let mut fields = Fields { left, ..Fields::default() };
            values.push(Some(read(&mut fields)));
            fields.name_unknown();
            self.problems.extend(fields.problems.into_iter().map(|problem| problem.within(&name)));
        }
        Some(values)
    }

    /// Whether something is wrong with a field.
    pub(super) fn has_problem(&self, field: &str) -> bool {
        self.problems.iter().any(|problem| problem.field == field)
    }

    /// Takes a field that must be there. None is recorded as missing, unless it was wrong.
    pub(super) fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.missing(field, "is required");
        }
        value
    }

    /// Records the fields that were sent and never read.
    fn name_unknown(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        for (name, _) in std::mem::take(&mut self.left) {
            self.wrong_word(&name, "is unknown", &name, asked.iter().copied());
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`], which names every field that is wrong, missing or unknown.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Refusal> {
        self.name_unknown();
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Refusal::InvalidRequest { fields: self.problems }),
        }
    }
}

fn is_text(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn no_text(longest: usize) -> String {
    format!("must be a string of 1 to {longest} bytes in UTF-8 without control characters")
}

/// The name of a field as it was sent, cut so that it cannot flood a log.
fn shown(field: &str) -> String {
    field.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Why a body is no JSON object, in our own words: the parser's would not help the caller.
fn no_object(body: &[u8], error: &serde_json::Error) -> String {
    match error.classify() {
        _ if body.trim_ascii().is_empty() => "must be a JSON object".to_owned(),
        Category::Data => "must be a JSON object".to_owned(),
        _ => {
            let (line, column) = (error.line(), error.column());
            format!("cannot be read as JSON: see line {line}, column {column}")
        }
    }
}
