//! Each mistake in a changed template is found by its check, which names the place.

mod access;
mod callers;
mod change;
mod conditions;
mod data;
mod domain;
mod door;
mod failures;
mod limits;
mod mistake;
mod monitoring;
mod questions;

use std::collections::BTreeSet;

use local::template::Template;
use mistake::Mistake;
use serde_json::Value;

use super::{CHECKS, complaints};

/// The mistakes, by subject.
const MISTAKES: [&[Mistake]; 11] = [
    access::MISTAKES,
    callers::MISTAKES,
    change::MISTAKES,
    conditions::MISTAKES,
    data::MISTAKES,
    domain::MISTAKES,
    door::MISTAKES,
    failures::MISTAKES,
    limits::MISTAKES,
    monitoring::MISTAKES,
    questions::MISTAKES,
];

#[test]
fn every_mistake_is_found() {
    for (check, said, place, value) in MISTAKES.into_iter().flatten() {
        let mut changed = Template::written().clone();
        change(&mut changed, place, value());
        let complaints = complaints(check, find(check), &changed);
        assert!(
            complaints.iter().any(|complaint| complaint.contains(said)),
            "{check}, {place}: {complaints:?}"
        );
    }
}

#[test]
fn every_check_has_a_mistake() {
    let tried: BTreeSet<&str> = MISTAKES.into_iter().flatten().map(|(check, ..)| *check).collect();
    assert_eq!(tried, CHECKS.iter().map(|(name, _)| *name).collect());
}

fn find(name: &str) -> super::Check {
    CHECKS.iter().find(|(check, _)| *check == name).expect("a check").1
}

/// Sets `value` at a place of the template: a path below the resources, or one from the root.
fn change(template: &mut Value, place: &str, value: Value) {
    let place = match place.strip_prefix('/') {
        Some(_) => place.to_owned(),
        None => format!("/Resources/{place}"),
    };
    let (parent, name) = place.rsplit_once('/').expect("a path");
    let key = name.replace("~1", "/");
    let parent = template.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match (parent, value) {
        (Value::Object(fields), Value::Null) => {
            assert!(fields.remove(&key).is_some(), "{place} is not there");
        }
        (Value::Object(fields), value) => {
            fields.insert(key, value);
        }
        (Value::Array(items), value) => items[name.parse::<usize>().expect("a place")] = value,
        (other, _) => panic!("{place} is within {other}"),
    }
}
