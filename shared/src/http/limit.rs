//! The subjects that charges count for, and the limits that they bring.

use super::fields::Fields;
use crate::domain::limit::{MAX_ASKED, MAX_SUBJECTS, Per};
use crate::domain::{Limit, Subject};

/// The subjects that a charge names beside its user, in order and those of its limits among them;
/// and its limits.
pub(super) fn limited(fields: &mut Fields, user: Option<&str>) -> (Vec<Subject>, Vec<Limit>) {
    let subjects = fields.list("subjects", MAX_SUBJECTS, |value| {
        let subject = value.as_str().unwrap_or_default().parse::<Subject>();
        subject.map_err(|problem| problem.to_string())
    });
    let mut subjects = subjects.unwrap_or_default();
    let limits = fields.objects("limits", MAX_ASKED, limit).unwrap_or_default();
    let limits: Vec<Limit> = limits.into_iter().flatten().flatten().collect();
    let user = user.map(Subject::user);
    subjects.extend(limits.iter().map(|limit| limit.of.clone()));
    subjects.retain(|subject| Some(subject) != user.as_ref());
    subjects.sort();
    subjects.dedup();
    (subjects, limits)
}

/// A limit that a request brings: in a window that never ends, unless it says another.
fn limit(fields: &mut Fields) -> Option<Limit> {
    let of = fields.read("of");
    let of = fields.required("of", of);
    let at_most = fields.credits_or_none("at_most");
    let at_most = fields.required("at_most", at_most);
    let per = fields.choice("per", &Per::ALL, Per::name).unwrap_or(Per::Ever);
    Some(Limit { of: of?, per, at_most: at_most? })
}
