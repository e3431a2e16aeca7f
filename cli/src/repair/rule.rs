//! Which differences a repair has a rule for, and in which order the rules apply.

use ::audit::Kind;

/// The order of the rules: a later rule relies on the repairs of the earlier ones. None: there is
/// no rule.
pub(super) fn rule(kind: &Kind) -> Option<u8> {
    match kind {
        Kind::Account | Kind::Segment(_) | Kind::Ahead(_) => Some(0),
        Kind::KeyAliasMissing(_) | Kind::KeyAliasDiffers { .. } | Kind::RecordAlone(_) => Some(1),
        Kind::RecordMissing(_) => Some(2),
        Kind::Returned(_)
        | Kind::Day(_)
        | Kind::Consumed { .. }
        | Kind::Used { .. }
        | Kind::OwnLimits { .. } => Some(3),
        Kind::Payment { .. } | Kind::Due(_) | Kind::Mark(_) | Kind::Followed { .. } => Some(4),
        _ => None,
    }
}
