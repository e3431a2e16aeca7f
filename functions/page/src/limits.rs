//! The limits of an account, for the page.

use serde_json::{Value, json};
use shared::domain::{Credits, Subject};
use shared::query::limits::{Limits, Source};

/// The limits that have a number, with how much of each was used in thousandths; and those of the
/// plan. A limit whose number comes with each request has none to show.
pub(super) fn shown(limits: &Limits) -> Value {
    let rows = limits.now.iter().filter_map(|limit| {
        let (of, at_most, left) = (limit.of.as_ref()?, limit.at_most?, limit.left()?);
        let share = match left.is_zero() {
            true => 1000,
            false => limit.used.max(Credits::ZERO).micro() / (at_most.micro() / 1000).max(1),
        };
        let is_user = of.kind() == Subject::USER;
        let is_own = limit.source == Source::Account;
        Some(json!({
            "of": of, "name": named(of.as_str()), "per": limit.per, "at_most": at_most,
            "used": limit.used, "left": left, "share": share.min(1000),
            "resets_at": limit.resets_at, "user": is_user.then(|| of.name()), "own": is_own,
        }))
    });
    let defaults = limits
        .defaults
        .iter()
        .map(|((of, per), at_most)| json!({ "of": of, "per": per, "at_most": at_most }));
    json!({ "rows": rows.collect::<Vec<_>>(), "defaults": defaults.collect::<Vec<_>>() })
}

/// A subject in the form that a person reads: of a user the name alone.
pub(super) fn named(of: &str) -> &str {
    of.strip_prefix("user:").unwrap_or(of)
}
