//! Deeds: what can become of a session and its payment.

use serde::{Deserialize, Serialize};
use shared::domain::{Currency, Money};

/// What a person at the hosted page, the bank or the merchant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Effect {
    Pay,
    /// The card is declined; the session stays open.
    Decline,
    /// By a method that takes days.
    PayLater,
    /// The money of a late payment comes,
    Arrive,
    /// or does not.
    Fail,
    Expire,
    /// Gives so much back; all that is left, if it does not say.
    Refund {
        minor: Option<u64>,
    },
    /// The bank of the latest refund sends it back.
    FailRefund,
    Dispute,
    Win,
    Lose,
}

impl Effect {
    /// All of them, in the order of a life. A part that is refunded is a thousand of what Stripe
    /// counts: 10.00 usd, or 1000 jpy.
    pub const ALL: [Effect; 12] = [
        Effect::Pay,
        Effect::Decline,
        Effect::PayLater,
        Effect::Arrive,
        Effect::Fail,
        Effect::Expire,
        Effect::Refund { minor: Some(1000) },
        Effect::Refund { minor: None },
        Effect::FailRefund,
        Effect::Dispute,
        Effect::Win,
        Effect::Lose,
    ];

    /// What its button says, of a payment in this currency.
    pub fn label(self, currency: Currency) -> String {
        let label = match self {
            Effect::Pay => "Pay",
            Effect::Decline => "Decline the card",
            Effect::PayLater => "Pay by a method that takes days",
            Effect::Arrive => "The delayed payment arrives",
            Effect::Fail => "The delayed payment fails",
            Effect::Expire => "Expire the session",
            Effect::Refund { minor: Some(minor) } => {
                return format!("Refund {}", Money { currency, minor });
            }
            Effect::Refund { minor: None } => "Refund the rest",
            Effect::FailRefund => "The refund fails",
            Effect::Dispute => "Dispute",
            Effect::Win => "Win the dispute",
            Effect::Lose => "Lose the dispute",
        };
        label.to_owned()
    }
}
