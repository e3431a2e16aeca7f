//! Deeds: what can become of a session and its payment.

use serde::{Deserialize, Serialize};
use shared::domain::{Currency, Money};

/// What a person at the hosted page, the bank or the merchant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Deed {
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

impl Deed {
    /// All of them, in the order of a life. A part that is refunded is a thousand of what Stripe
    /// counts: 10.00 usd, or 1000 jpy.
    pub const ALL: [Deed; 12] = [
        Deed::Pay,
        Deed::Decline,
        Deed::PayLater,
        Deed::Arrive,
        Deed::Fail,
        Deed::Expire,
        Deed::Refund { minor: Some(1000) },
        Deed::Refund { minor: None },
        Deed::FailRefund,
        Deed::Dispute,
        Deed::Win,
        Deed::Lose,
    ];

    /// What its button says, of a payment in this currency.
    pub fn label(self, currency: Currency) -> String {
        let label = match self {
            Deed::Pay => "Pay",
            Deed::Decline => "Decline the card",
            Deed::PayLater => "Pay by a method that takes days",
            Deed::Arrive => "The delayed payment arrives",
            Deed::Fail => "The delayed payment fails",
            Deed::Expire => "Expire the session",
            Deed::Refund { minor: Some(minor) } => {
                return format!("Refund {}", Money { currency, minor });
            }
            Deed::Refund { minor: None } => "Refund the rest",
            Deed::FailRefund => "The refund fails",
            Deed::Dispute => "Dispute",
            Deed::Win => "Win the dispute",
            Deed::Lose => "Lose the dispute",
        };
        label.to_owned()
    }
}
