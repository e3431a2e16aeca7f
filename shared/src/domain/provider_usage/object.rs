//! A JSON object of a provider, read by field: a refusal names the path of the field that is wrong.

use serde_json::{Map, Value};

use super::super::meters::MAX_COUNT;
use super::super::number::whole;
use super::super::refusal::FieldProblem;

/// An object inside the usage object, with its name for a refusal. Without fields it was not sent.
pub(super) struct UsageObject<'a> {
    name: String,
    fields: Option<&'a Map<String, Value>>,
}

impl<'a> UsageObject<'a> {
    pub(super) fn of(name: &str, fields: &'a Map<String, Value>) -> UsageObject<'a> {
        UsageObject { name: name.to_owned(), fields: Some(fields) }
    }

    /// A field's value. ProtoJSON lets a field have either of two names, and Google's Python
    /// library writes the second.
    fn value(&self, field: &str) -> Option<&'a Value> {
        let fields = self.fields?;
        let sent = |name: &str| fields.get(name).filter(|value| !value.is_null());
        sent(field).or_else(|| sent(&snake_case(field)))
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    pub(super) fn wrong(&self, field: &str, problem: impl Into<String>) -> FieldProblem {
        FieldProblem::new(&format!("{}.{field}", self.name), problem)
    }

    /// A count; 0 if it is absent.
    pub(super) fn count(&self, field: &str) -> Result<u64, FieldProblem> {
        let Some(value) = self.value(field) else { return Ok(0) };
        let count = whole(value).and_then(|count| u64::try_from(count).ok());
        count.filter(|count| *count <= MAX_COUNT).ok_or_else(|| {
            self.wrong(field, format!("must be a whole number from 0 to {MAX_COUNT}"))
        })
    }

    pub(super) fn required(&self, field: &str) -> Result<u64, FieldProblem> {
        match self.has(field) {
            true => self.count(field),
            false => Err(self.wrong(field, "is required")),
        }
    }

    /// A count that is included in `sum`, the count of the field `of`.
    pub(super) fn part_of(&self, sum: u64, of: &str, field: &str) -> Result<u64, FieldProblem> {
        let count = self.count(field)?;
        match count <= sum {
            true => Ok(count),
            false => Err(self.wrong(field, format!("must not be more than {of}"))),
        }
    }

    pub(super) fn object(&self, field: &str) -> Result<UsageObject<'a>, FieldProblem> {
        let name = format!("{}.{field}", self.name);
        match self.value(field) {
            None => Ok(UsageObject { name, fields: None }),
            Some(Value::Object(fields)) => Ok(UsageObject { name, fields: Some(fields) }),
            Some(_) => Err(self.wrong(field, "must be an object")),
        }
    }

    /// The objects of a list; none if it is absent.
    pub(super) fn list(&self, field: &str) -> Result<Vec<UsageObject<'a>>, FieldProblem> {
        let values = match self.value(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(_) => return Err(self.wrong(field, "must be a list")),
        };
        let object = |(place, value): (usize, &'a Value)| {
            let place = format!("{field}[{place}]");
            match value {
                Value::Object(fields) => {
                    Ok(UsageObject { name: format!("{}.{place}", self.name), fields: Some(fields) })
                }
                _ => Err(self.wrong(&place, "must be an object")),
            }
        };
        values.iter().enumerate().map(object).collect()
    }

    /// A text; empty if it is absent.
    pub(super) fn text(&self, field: &str) -> &'a str {
        self.value(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// `promptTokenCount` as `prompt_token_count`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
