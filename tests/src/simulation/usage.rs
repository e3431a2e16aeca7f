//! Calls as they are sent: by their meters, or by the usage object of a provider. Each sending of a
//! request draws its forms anew, so a retry is mostly of another form than what it repeats.

use std::cell::RefCell;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

/// The forms that calls are sent in. They are drawn beside all else: no other choice depends on
/// them.
pub struct Forms(RefCell<StdRng>);

impl Forms {
    pub fn new(seed: u64) -> Forms {
        Forms(RefCell::new(StdRng::seed_from_u64(!seed)))
    }

    /// The body of a request, each of its calls in some form.
    pub fn spelled(&self, body: &str) -> String {
        each_call(body, |call| {
            let Some(Value::Object(meters)) = call.get("meters") else { return };
            let count = |meter: &str| meters.get(meter).and_then(Value::as_u64).unwrap_or(0);
            let counts = [count("input"), count("cached_input"), count("output")];
            let (form, part) = {
                let mut random = self.0.borrow_mut();
                (random.random_range(0..6), random.random_range(0..=counts[2]))
            };
            if let Some((format, usage)) = usage(form, counts, part) {
                call.shift_remove("meters");
                call.insert("usage".to_owned(), usage);
                call.insert("usage_format".to_owned(), format.into());
            }
        })
    }
}

/// A provider's count of these tokens, of which so many were thought. None: they are sent as meters.
fn usage(
    form: u32,
    [input, cached, output]: [u64; 3],
    thoughts: u64,
) -> Option<(&'static str, Value)> {
    let (prompt, total) = (input + cached, input + cached + output);
    Some(match form {
        0 => (
            "openai",
            json!({
                "prompt_tokens": prompt,
                "prompt_tokens_details": { "cached_tokens": cached },
                "completion_tokens": output,
                "completion_tokens_details": { "reasoning_tokens": thoughts },
                "total_tokens": total,
            }),
        ),
        1 => (
            "openai",
            json!({
                "input_tokens": prompt,
                "input_tokens_details": { "cached_tokens": cached },
                "output_tokens": output,
                "output_tokens_details": { "reasoning_tokens": thoughts },
                "total_tokens": total,
            }),
        ),
        2 => (
            "anthropic",
            json!({
                "input_tokens": input,
                "cache_read_input_tokens": cached,
                "cache_creation_input_tokens": 0,
                "output_tokens": output,
            }),
        ),
        3 => (
            "google",
            json!({
                "promptTokenCount": prompt,
                "cachedContentTokenCount": cached,
                "candidatesTokenCount": output - thoughts,
                "thoughtsTokenCount": thoughts,
                "totalTokenCount": total,
            }),
        ),
        _ => return None,
    })
}

/// The body of a request, its usage objects read by who takes the whole input of OpenAI and Google
/// for what was not cached of it.
pub fn cached_counted_twice(body: &str) -> String {
    each_call(body, |call| {
        let Some(usage) = call.get("usage") else { return };
        let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
        let first = |paths: [&str; 3]| paths.into_iter().find_map(count).unwrap_or(0);
        let cached = [
            "/prompt_tokens_details/cached_tokens",
            "/input_tokens_details/cached_tokens",
            "/cachedContentTokenCount",
        ];
        let (input, cached, output) = (
            first(["/prompt_tokens", "/input_tokens", "/promptTokenCount"]),
            first(cached),
            first(["/completion_tokens", "/output_tokens", "/candidatesTokenCount"]),
        );
        let output = output + count("/thoughtsTokenCount").unwrap_or(0);
        if call.get("usage_format").is_none_or(|format| format == "anthropic") {
            return;
        }
        call.shift_remove("usage");
        call.shift_remove("usage_format");
        let meters = json!({ "input": input, "cached_input": cached, "output": output });
        call.insert("meters".to_owned(), meters);
    })
}

/// The body with a change to the fields of each operation in it: of each debit, if it is a batch.
fn each_call(body: &str, change: impl Fn(&mut Map<String, Value>)) -> String {
    let mut request: Value = serde_json::from_str(body).expect("clients send JSON");
    let fields = request.as_object_mut().expect("clients send objects");
    match fields.get_mut("debits").and_then(Value::as_array_mut) {
        Some(debits) => debits.iter_mut().filter_map(Value::as_object_mut).for_each(change),
        None => change(fields),
    }
    request.to_string()
}
