//! Fields whose values are words of a list.

use serde_json::Value;

use super::Fields;

impl Fields {
    /// An optional text that is the name of one of `known`.
    pub(in crate::http) fn choice<T: Copy>(
        &mut self,
        field: &'static str,
        known: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let value = self.take(field)?;
        self.one_of(field, &value, known, name)
    }

    /// An optional list of texts, each the name of one of `known`.
    pub(in crate::http) fn choices<T: Copy>(
        &mut self,
        field: &'static str,
        known: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Option<Vec<T>> {
        let Value::Array(values) = self.take(field)? else {
            self.wrong(field, "must be a list");
            return None;
        };
        let mut chosen = Vec::new();
        for (place, value) in values.iter().enumerate() {
            chosen.extend(self.one_of(&format!("{field}[{place}]"), value, known, &name));
        }
        Some(chosen)
    }

    fn one_of<T: Copy>(
        &mut self,
        field: &str,
        value: &Value,
        known: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let found = known.iter().copied().find(|known| *value == name(*known));
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|known| name(*known)).collect();
            let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            let (last, first) = quoted.split_last().expect("something can be chosen");
            let problem = match first.is_empty() {
                true => format!("must be {last}"),
                false => format!("must be {} or {last}", first.join(", ")),
            };
            self.wrong_word(field, problem, value.as_str().unwrap_or_default(), names);
        }
        found
    }
}
