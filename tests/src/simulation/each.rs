//! Batches of mode `each`: a model of what their answers may say, and the mutants that break it.
//!
//! The auditor knows the debits of a batch as operations of their own. This knows that they were
//! sent in one order: a debit that is refused saw those before it, and none behind it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::exchange::{Answered, Audited, Wanted, micro, ms};
use super::mutants::Deceit;
use super::rates;

/// A stamp may be of another clock, and its write may arrive a call later.
const MARGIN_MS: i64 = 20_000;

/// A batch and its results. Times are of the simulation.
#[derive(Clone, Debug)]
pub struct Batch {
    pub sent_ms: i64,
    pub answered_ms: i64,
    /// By place.
    pub asked: Vec<Wanted>,
    pub results: Vec<Value>,
}

/// The answer that a debit of a batch would have got alone.
pub fn answered(result: &Value) -> Answered {
    let body = result.get("receipt").unwrap_or(&result["problem"]).clone();
    let status = result["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let replayed = result["replayed"] == true;
    Answered { status: status.expect("a status"), replayed, body }
}

/// Checks the batches of an account against its ledger. `began_ms`: when the simulation began.
///
/// # Errors
/// What is wrong with an answer.
pub fn check(entries: &[Value], batches: &[Batch], began_ms: i64) -> Audited<()> {
    for batch in batches {
        if batch.results.len() != batch.asked.len() {
            return Err(format!("not a result for each debit: {batch:?}"));
        }
        for place in 0..batch.results.len() {
            let problem = &batch.results[place]["problem"];
            if problem["code"] == "insufficient_credits" {
                refused(entries, batch, place, began_ms)?;
            }
        }
    }
    Ok(())
}

/// Checks a refusal: what it says was available then, after the debits before it and before those
/// behind it.
fn refused(entries: &[Value], batch: &Batch, place: usize, began_ms: i64) -> Audited<()> {
    let problem = &batch.results[place]["problem"];
    let number = |field: &str| micro(&problem[field]);
    let (required, available) = (number("required")?, number("available")?);
    let costs = match &batch.asked[place] {
        Wanted::Credits(credits) => required == -credits,
        Wanted::Call(call) => {
            rates::VERSIONS.into_iter().any(|version| required == call.price(version).up())
        }
        Wanted::Limit(_) => false,
    };
    if !costs || number("shortfall")? != required - available {
        return Err(format!("{problem} refuses a debit of {:?}", batch.asked[place]));
    }
    if available >= required {
        return Err(format!("refused with enough: {problem}"));
    }
    let made = |result: &Value| result["receipt"]["seq"].as_u64();
    let before = batch.results[..place].iter().filter_map(made).max().unwrap_or(0);
    let fresh = |result: &&Value| result["replayed"] == false;
    let behind = batch.results[place..].iter().filter(fresh).filter_map(made).min();
    let (from_ms, to_ms) =
        (began_ms + batch.sent_ms - MARGIN_MS, began_ms + batch.answered_ms + MARGIN_MS);
    let mut gained = false;
    let mut fits = false;
    for (n, entry) in entries.iter().enumerate() {
        let seq = n as u64 + 1;
        let at_ms = ms(&entry["at"])?;
        let until_ms = entries.get(n + 1).map_or(Ok(i64::MAX), |next| ms(&next["at"]))?;
        let meanwhile = (from_ms..=to_ms).contains(&at_ms);
        gained |= meanwhile && micro(&entry["available"])? > 0;
        let was = micro(&entry["balance"]["available"])? == available;
        let then = at_ms <= to_ms && until_ms >= from_ms;
        // With credits that came meanwhile a debit may be tried again, after those behind it.
        fits |= was && then && seq >= before && (gained || behind.is_none_or(|made| seq < made));
    }
    match fits {
        true => Ok(()),
        false => Err(format!("{available} was not what place {place} of {batch:?} left")),
    }
}

/// The batches of mode `each` as a mutant sends and answers them.
pub struct Batches {
    deceit: Option<Deceit>,
    /// The results that were refusals, by path and id.
    refused: RefCell<BTreeMap<(String, String), Value>>,
}

impl Batches {
    pub fn new(deceit: Option<Deceit>) -> Batches {
        Batches { deceit, refused: RefCell::default() }
    }

    /// The places of the debits that are sent, in the order in which they are sent. None: the
    /// request is sent as it is.
    pub fn places(&self, path: &str, body: &str) -> Option<Vec<usize>> {
        let debits = debits(body, self.deceit?)?;
        let mut places: Vec<usize> = (0..debits.len()).collect();
        match self.deceit? {
            Deceit::PassesOutOfOrder => {
                let credits = |n: &usize| micro(&debits[*n]["credits"]).unwrap_or_default();
                places.sort_by_key(credits);
            }
            Deceit::RemembersRefusals => {
                let refused = self.refused.borrow();
                places.retain(|n| !refused.contains_key(&named(path, &debits[*n])));
                if places.is_empty() {
                    places.push(0);
                }
            }
            _ => {}
        }
        Some(places)
    }

    /// The body of the answer to the whole batch, of which the debits of these places were sent.
    pub fn answered(
        &self,
        (path, sent): (&str, &str),
        places: Option<&[usize]>,
        mut body: Value,
    ) -> Value {
        let debits = self.deceit.and_then(|deceit| debits(sent, deceit));
        let answered = body["results"].as_array();
        let (Some(debits), Some(places), Some(answered)) = (debits, places, answered) else {
            return body;
        };
        let mut refused = self.refused.borrow_mut();
        let known = |debit: &Value| refused.get(&named(path, debit)).cloned().unwrap_or_default();
        let mut results: Vec<Value> = debits.iter().map(known).collect();
        for (place, result) in places.iter().zip(answered) {
            results[*place] = result.clone();
        }
        if self.deceit == Some(Deceit::RefusesFromBefore) {
            let mut taken = 0;
            for result in &mut results {
                match result["replayed"] == false {
                    true => taken += micro(&result["receipt"]["credits"]).unwrap_or_default(),
                    false => give_back(&mut result["problem"], taken),
                }
            }
        }
        for (debit, result) in debits.iter().zip(&results) {
            if result["problem"]["code"] == "insufficient_credits" {
                refused.insert(named(path, debit), result.clone());
            }
        }
        body["results"] = results.into();
        body
    }
}

/// The body with the debits of these places alone, in this order.
pub fn picked(body: &str, places: Option<&[usize]>) -> String {
    let Some(places) = places else { return body.to_owned() };
    let mut fields: Value = serde_json::from_str(body).expect("a batch");
    let debits: Vec<Value> = places.iter().map(|n| fields["debits"][n].clone()).collect();
    fields["debits"] = debits.into();
    fields.to_string()
}

/// The debits of a batch of mode `each`, if it is one and the mutant looks at them.
fn debits(body: &str, deceit: Deceit) -> Option<Vec<Value>> {
    use Deceit::{PassesOutOfOrder, RefusesFromBefore, RemembersRefusals};
    let looks = matches!(deceit, PassesOutOfOrder | RefusesFromBefore | RemembersRefusals);
    let fields: Value = serde_json::from_str(body).ok().filter(|_| looks)?;
    fields["debits"].as_array().filter(|_| fields["mode"] == "each").cloned()
}

fn named(path: &str, debit: &Value) -> (String, String) {
    (path.to_owned(), debit["id"].as_str().unwrap_or_default().to_owned())
}

/// Makes a refusal say that so many more micro-credits were available, if it still is one.
fn give_back(problem: &mut Value, more: i64) {
    let number = |problem: &Value, field: &str| micro(&problem[field]).ok();
    let (Some(required), Some(available)) =
        (number(problem, "required"), number(problem, "available"))
    else {
        return;
    };
    if available + more < required {
        let text = |micro: i64| json!(format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000));
        problem["available"] = text(available + more);
        problem["shortfall"] = text(required - available - more);
    }
}
