//! Mutations of valid samples: bits flipped, parts cut, doubled or taken from another sample, and
//! JSON fields dropped, renamed or given other values.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// Draws from the seed of one case only.
pub(super) struct Mutator(StdRng);

impl Mutator {
    pub(super) fn new(seed: u64) -> Mutator {
        Mutator(StdRng::seed_from_u64(seed))
    }

    /// A random number in 0..bound; 0 if bound is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound.max(1))
    }

    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let place = self.below(choices.len());
        &choices[place]
    }

    pub(super) fn random<const N: usize>(&mut self) -> [u8; N] {
        self.0.random()
    }

    /// One of the samples, changed in one to four places; one in fifty is noise.
    pub(super) fn bytes(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        if self.below(50) == 0 {
            return (0..self.below(200)).map(|_| self.0.random()).collect();
        }
        let mut bytes = self.pick(samples).clone();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, samples);
        }
        bytes
    }

    /// As [`Mutator::bytes`], for input that can only be text.
    pub(super) fn text(&mut self, samples: &[String]) -> String {
        let samples: Vec<Vec<u8>> = samples.iter().map(|text| text.clone().into_bytes()).collect();
        String::from_utf8_lossy(&self.bytes(&samples)).into_owned()
    }

    fn change(&mut self, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        let end = (at + 1 + self.below(16)).min(bytes.len());
        match self.below(8) {
            _ if bytes.is_empty() => bytes.push(self.0.random()),
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = *self.pick(b"\0\x7f\x80\xff0-.,:;=\"{}[]\\/#%+ \n"),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            5 => bytes.insert(at, self.0.random()),
            6 => bytes[at] = bytes[at].wrapping_add(*self.pick(&[1, 2, 16, 127, 255])),
            _ => {
                let other = self.pick(samples).clone();
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
        }
    }

    /// A JSON sample, changed in one to four values.
    pub(super) fn json(&mut self, samples: &[Value]) -> Value {
        let mut value = self.pick(samples).clone();
        for _ in 0..=self.below(4) {
            let other = self.pick(samples).clone();
            self.change_json(&mut value, &other);
        }
        value
    }

    fn change_json(&mut self, value: &mut Value, other: &Value) {
        // Mostly further in: the outer object has a handful of fields.
        if self.below(8) > 0 {
            match value {
                Value::Object(fields) if !fields.is_empty() => {
                    let place = self.below(fields.len());
                    let (name, inner) = fields.iter_mut().nth(place).expect("a field");
                    let name = name.clone();
                    let same = other.get(&name).unwrap_or(other);
                    match self.below(10) {
                        0 => drop(fields.shift_remove(&name)),
                        1 => {
                            let inner = fields.shift_remove(&name);
                            let name = self.text(&[name]);
                            fields.insert(name, inner.unwrap_or_default());
                        }
                        _ => self.change_json(inner, same),
                    }
                    return;
                }
                Value::Array(items) if !items.is_empty() => {
                    let place = self.below(items.len());
                    match self.below(6) {
                        0 => drop(items.remove(place)),
                        1 => items.push(items[place].clone()),
                        _ => self.change_json(&mut items[place], other),
                    }
                    return;
                }
                _ => {}
            }
        }
        *value = match (self.below(3), &*value) {
            (0, Value::String(text)) => Value::from(self.text(std::slice::from_ref(text))),
            (0, _) => other.clone(),
            _ => self.odd(),
        };
    }

    /// A value that is valid somewhere else.
    fn odd(&mut self) -> Value {
        let odd = [
            Value::Null,
            json!(true),
            json!(0),
            json!(-1),
            json!(0.5),
            json!(1e300),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(""),
            json!("0"),
            json!("-1"),
            json!("9223372036854.775807"),
            json!("9223372036854775808"),
            json!("0.0000001"),
            json!("a".repeat(300)),
            json!("acme#P\u{0}\u{202e}"),
            json!("2026-11-18T12:00:00Z"),
            json!("9999-12-31T23:59:59.999Z"),
            json!("01a20132-08af-7fb3-8350-6bdcd05e3b83"),
            json!([]),
            json!({}),
            json!([[[[[[]]]]]]),
        ];
        self.pick(&odd).clone()
    }
}
