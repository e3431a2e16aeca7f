//! Effects: the events that can happen to a session and its payment.

use serde::{Deserialize, Serialize};
use shared::domain::{Currency, Money};

/// An action of the person at the hosted page, the bank or the merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Effect {
    Pay,
    /// The card is declined; the session stays open.
    Decline,
    /// The customer pays by a method that takes days.
    PayLater,
    /// The money of a delayed payment arrives,
    Arrive,
    /// or does not.
    Fail,
    Expire,
    /// The merchant refunds this amount; without one, the rest.
    Refund {
        minor: Option<u64>,
    },
    /// The bank returns the latest refund.
    FailRefund,
    Dispute,
    Win,
    Lose,
}

impl Effect {
    /// All effects, in the order of a payment's life. The partial refund is a thousand of Stripe's
    /// smallest units: 10.00 usd, or 1000 jpy.
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

    /// The label of its button, for a payment in this currency.
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
