//! What the audit compared, in words for a person.

use std::collections::BTreeMap;

use shared::domain::usage::{DayUsage, Used};
use shared::domain::{GrantId, NextPlan, PlanTerms};

use crate::micro::{Micro, micro, shown};

/// The debts, each with its grant.
pub(crate) fn owed(debts: &BTreeMap<GrantId, Micro>) -> String {
    let debts = debts.iter().map(|(grant, credits)| format!("{} for {grant}", shown(*credits)));
    let debts: Vec<String> = debts.collect();
    if debts.is_empty() { "none".to_owned() } else { debts.join(", ") }
}

pub(crate) fn balance(available: Micro, held: Micro) -> String {
    format!("{} available, {} held", shown(available), shown(held))
}

pub(crate) fn on_plan(terms: &PlanTerms, next: Option<&NextPlan>) -> String {
    let PlanTerms { plan, status, anchor, seats } = terms;
    let next = next.map_or(String::new(), |next| {
        let NextPlan { plan, status, seats, at } = next;
        format!("; {plan}, {}, {seats} seats at {at}", status.name())
    });
    format!("{plan}, {}, {}, {seats} seats{next}", status.name(), anchor.0)
}

pub(crate) fn uses(day: &DayUsage) -> String {
    let DayUsage { usage, counted, .. } = day;
    let sum = |used: Vec<&Used>| {
        let credits = used.iter().map(|used| micro(used.credits)).sum::<Micro>();
        let count = used.iter().map(|used| used.count).sum::<u64>();
        format!("{} by {count} uses", shown(credits))
    };
    let actions = sum(usage.actions.values().collect());
    let models = sum(usage.models.values().collect());
    let users = sum(usage.users.values().collect());
    let (several, called, people) = (usage.actions.len(), usage.models.len(), usage.users.len());
    format!(
        "{actions} of {several} actions, {models} of {called} models, {users} of {people} users, \
         up to entry {}",
        counted.seq
    )
}
