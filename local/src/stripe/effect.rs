//! Effects: the events that can happen to a session, a payment, a subscription or a customer.

use serde::{Deserialize, Serialize};
use shared::domain::{Currency, Money};

use super::customer::Card;
use super::prices::PriceId;

/// An action of the person at the hosted page or in the portal, the bank or the merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Effect {
    /// The customer pays: a session, the open invoice of a subscription, or a payment that waits.
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
    /// The subscription ends now,
    Cancel,
    /// or at the end of its period or trial;
    CancelAtPeriodEnd,
    /// it goes on after all, or after a pause.
    Resume,
    /// The trial ends now.
    EndTrial,
    Pause,
    /// Stripe has tried the card often enough.
    Unpaid,
    /// The merchant does not expect the money of the open invoice any more,
    Uncollectible,
    /// or cancels the invoice.
    Void,
    /// The scheduled change of the price does not happen.
    KeepPrice,
    /// The customer changes the price.
    Change {
        price: PriceId,
        at: ChangeAt,
    },
    /// The customer changes the number of seats, from now on.
    Seats {
        quantity: u32,
    },
    /// What follows at the end of a trial, if there is no card.
    WithoutCard {
        then: WithoutCard,
    },
    /// The customer's saved card answers so from now on.
    Card {
        card: Card,
    },
    /// The customer lives in this country.
    Country {
        country: Country,
    },
}

/// When a price changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeAt {
    /// Now, and the period stays. Nothing is charged before the next one.
    Now,
    /// Now, and a period begins, which is charged.
    NewPeriod,
    PeriodEnd,
}

/// What follows at the end of a trial without a card, in Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutCard {
    Cancel,
    Pause,
    CreateInvoice,
}

impl WithoutCard {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            WithoutCard::Cancel => "cancel",
            WithoutCard::Pause => "pause",
            WithoutCard::CreateInvoice => "create_invoice",
        }
    }
}

/// A country with a tax of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Country {
    #[serde(rename = "DE")]
    Germany,
    #[serde(rename = "FR")]
    France,
    #[serde(rename = "US")]
    UnitedStates,
}

impl Country {
    const ALL: [Country; 3] = [Country::Germany, Country::France, Country::UnitedStates];

    pub(super) fn code(self) -> &'static str {
        match self {
            Country::Germany => "DE",
            Country::France => "FR",
            Country::UnitedStates => "US",
        }
    }
}

impl Effect {
    /// The effects that name no price and no number, in the order of a payment's life and then of a
    /// subscription's. The partial refund is a thousand of Stripe's smallest units: 10.00 usd, or
    /// 1000 jpy.
    pub const ALL: [Effect; 20] = [
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
        Effect::Resume,
        Effect::CancelAtPeriodEnd,
        Effect::Cancel,
        Effect::EndTrial,
        Effect::Pause,
        Effect::Unpaid,
        Effect::Uncollectible,
        Effect::Void,
    ];

    /// All effects that may have a button: those of [`Effect::ALL`], and with each price, one seat
    /// more or less than `seats`, each card and each country.
    pub(super) fn with_buttons(seats: u64) -> Vec<Effect> {
        use ChangeAt::{NewPeriod, Now, PeriodEnd};
        let changes = PriceId::all()
            .flat_map(|price| [Now, NewPeriod, PeriodEnd].map(|at| Effect::Change { price, at }));
        let seats = [seats + 1, seats.saturating_sub(1)];
        let seats = seats.into_iter().filter_map(|quantity| {
            u32::try_from(quantity).ok().map(|quantity| Effect::Seats { quantity })
        });
        let then = [WithoutCard::Cancel, WithoutCard::Pause, WithoutCard::CreateInvoice];
        let mut all = Effect::ALL.to_vec();
        all.push(Effect::KeepPrice);
        all.extend(changes.chain(seats));
        all.extend(then.map(|then| Effect::WithoutCard { then }));
        all.extend(Card::ALL.map(|card| Effect::Card { card }));
        all.extend(Country::ALL.map(|country| Effect::Country { country }));
        all
    }

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
            Effect::Cancel => "Cancel now",
            Effect::CancelAtPeriodEnd => "Cancel at the end of the period",
            Effect::Resume => "Resume",
            Effect::EndTrial => "End the trial now",
            Effect::Pause => "Pause",
            Effect::Unpaid => "Stop trying the card: unpaid",
            Effect::Uncollectible => "Mark the open invoice uncollectible",
            Effect::Void => "Void the open invoice",
            Effect::KeepPrice => "Keep the price",
            Effect::Change { price, at } => {
                let when = match at {
                    ChangeAt::Now => "now, in the same period",
                    ChangeAt::NewPeriod => "now, with a new period",
                    ChangeAt::PeriodEnd => "at the end of the period",
                };
                return format!("Change to {} {when}", price.label());
            }
            Effect::Seats { quantity } => return format!("Set seats to {quantity}"),
            Effect::WithoutCard { then } => match then {
                WithoutCard::Cancel => "A trial without a card ends: cancel",
                WithoutCard::Pause => "A trial without a card ends: pause",
                WithoutCard::CreateInvoice => "A trial without a card ends: make an invoice",
            },
            Effect::Card { card } => card.label(),
            Effect::Country { country } => {
                return format!("The customer lives in {}", country.code());
            }
        };
        label.to_owned()
    }
}
