//! Amounts as decimal text, which is exact.

/// A text that is no amount of credits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no amount of credits, such as 1.25")]
pub struct InvalidCredits(pub String);

/// Decimal credits in whole micro-credits.
pub(crate) fn micros(credits: &str) -> Result<u128, InvalidCredits> {
    let invalid = || InvalidCredits(credits.to_owned());
    let (whole, part) = credits.split_once('.').unwrap_or((credits, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 || whole.len() > 20 {
        return Err(invalid());
    }
    format!("{whole}{part:0<6}").parse().map_err(|_| invalid())
}

/// The decimal text of micro-credits.
pub(crate) fn credits(micros: u128) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
