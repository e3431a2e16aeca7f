//! Amounts of the audit: wider than credits, so that an invented amount cannot overflow them.

use shared::domain::Credits;

/// Micro-credits.
pub(crate) type Micro = i128;

pub(crate) fn micro(credits: Credits) -> Micro {
    Micro::from(credits.micro())
}

/// An amount for a person to read: any amount, however wrong.
pub(crate) fn shown(micro: Micro) -> String {
    match i64::try_from(micro) {
        Ok(micro) => Credits::from_micro(micro).to_string(),
        Err(_) => format!("{micro} micro-credits"),
    }
}
