//! The stories of a subscription: what is done at Stripe, and what the account is in the end.

use local::stripe::{Card, ChangeAt, Effect};

/// What is done at Stripe.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// A customer subscribes: the price, the seats and the days of a trial.
    Begin(&'static str, u32, u32),
    /// Something happens to the latest subscription that goes on.
    Act(Effect),
    /// Something happens to the first subscription.
    ActAtFirst(Effect),
    /// The price of the latest one changes.
    Change(&'static str, ChangeAt),
    /// Time passes.
    Wait,
}

/// A deed, and when it is done.
pub(super) type At = (&'static str, Deed);

pub(super) struct Story {
    pub(super) name: &'static str,
    /// What is done, and its events delivered, before.
    pub(super) before: &'static [At],
    /// What is done while its events come in any order.
    pub(super) deeds: &'static [At],
    /// When the account is looked at, and what it is then.
    pub(super) until: &'static str,
    pub(super) ends: &'static str,
}

const PRO: &str = "price_local_pro_month";
const YEAR: &str = "price_local_pro_year";
const SEAT: &str = "price_local_team_seat";
/// No plan has it.
const OTHER: &str = "price_local_starter_month";

// The subscription begins on a Wednesday noon, and is paid for again a month later.
const DAY_1: &str = "2026-11-18T12:00:00Z";
const DAY_2: &str = "2026-11-19T09:00:00Z";
const DAY_3: &str = "2026-11-20T09:00:00Z";
const LATER: &str = "2026-11-25T09:00:00Z";
const RENEWS: &str = "2026-12-18T12:00:01Z";
const AFTER: &str = "2026-12-20T12:00:00Z";
const TRIED: &str = "2026-12-02T12:00:01Z";
const MONTHS_LATER: &str = "2027-02-20T12:00:00Z";

pub(super) const STORIES: [Story; 24] = {
    use ChangeAt::{NewPeriod, Now, PeriodEnd};
    use Deed::{Act, ActAtFirst, Begin, Change, Wait};
    use Effect::{Cancel, CancelAtPeriodEnd, EndTrial, KeepPrice, Pause, Resume, Seats, Unpaid};
    const ONE: &[At] = &[(DAY_1, Begin(PRO, 1, 0))];
    const TEAM: &[At] = &[(DAY_1, Begin(SEAT, 1, 0))];
    const FIVE: &[At] = &[(DAY_1, Begin(SEAT, 5, 0))];
    const TRIAL: &[At] = &[(DAY_1, Begin(SEAT, 2, 14))];
    const TO_END: &[At] = &[(DAY_1, Begin(PRO, 1, 0)), (DAY_2, Act(CancelAtPeriodEnd))];
    const TRIAL_TO_END: &[At] = &[(DAY_1, Begin(SEAT, 2, 14)), (DAY_2, Act(CancelAtPeriodEnd))];
    const TO_TEAM: &[At] = &[(DAY_1, Begin(PRO, 1, 0)), (DAY_2, Change(SEAT, PeriodEnd))];
    const DECLINES: &[At] =
        &[(DAY_1, Begin(PRO, 1, 0)), (DAY_2, Act(Effect::Card { card: Card::Declines }))];
    const EXPIRED: &[At] =
        &[(DAY_1, Begin(PRO, 1, 0)), (DAY_2, Act(Effect::Card { card: Card::Expired }))];
    [
        Story {
            name: "begun",
            before: &[],
            deeds: ONE,
            until: DAY_2,
            ends: "pro active 1, granted 2500",
        },
        Story {
            name: "upgraded in its month",
            before: TEAM,
            deeds: &[(DAY_2, Change(PRO, Now))],
            until: LATER,
            ends: "pro active 1, granted 2500",
        },
        Story {
            name: "upgraded to a year that begins now",
            before: ONE,
            deeds: &[(DAY_2, Change(YEAR, NewPeriod))],
            until: AFTER,
            // Two months of it, beside the one that it cut short.
            ends: "pro active 1, granted 7500",
        },
        Story {
            name: "to be downgraded",
            before: ONE,
            deeds: &[(DAY_2, Change(SEAT, PeriodEnd))],
            until: LATER,
            ends: "pro active 1, next team active 1 at 2026-12-18, granted 2500",
        },
        Story {
            name: "not to be downgraded after all",
            before: ONE,
            deeds: &[(DAY_2, Change(SEAT, PeriodEnd)), (DAY_3, Act(KeepPrice))],
            until: LATER,
            ends: "pro active 1, granted 2500",
        },
        Story {
            name: "downgraded",
            before: TO_TEAM,
            deeds: &[(RENEWS, Wait)],
            until: AFTER,
            ends: "team active 1, granted 3500",
        },
        Story {
            name: "canceled now",
            before: ONE,
            deeds: &[(DAY_2, Act(Cancel))],
            until: LATER,
            ends: "pro canceled 1, granted 2500",
        },
        Story {
            name: "begun and canceled",
            before: &[],
            deeds: &[(DAY_1, Begin(PRO, 1, 0)), (DAY_2, Act(CancelAtPeriodEnd))],
            until: LATER,
            ends: "pro active 1, next pro canceled 1 at 2026-12-18, granted 2500",
        },
        Story {
            name: "ended",
            before: TO_END,
            deeds: &[(RENEWS, Wait)],
            until: AFTER,
            ends: "pro canceled 1, granted 2500",
        },
        Story {
            name: "resumed",
            before: TO_END,
            deeds: &[(DAY_3, Act(Resume))],
            until: AFTER,
            ends: "pro active 1, granted 5000",
        },
        Story {
            name: "canceled, resumed and canceled",
            before: ONE,
            deeds: &[
                (DAY_2, Act(CancelAtPeriodEnd)),
                (DAY_2, Act(Resume)),
                (DAY_3, Act(CancelAtPeriodEnd)),
            ],
            until: AFTER,
            ends: "pro canceled 1, granted 2500",
        },
        Story {
            name: "paused and resumed",
            before: ONE,
            deeds: &[(DAY_2, Act(Pause)), (DAY_3, Act(Resume))],
            until: LATER,
            ends: "pro active 1, granted 5000",
        },
        Story {
            name: "tried",
            before: &[],
            deeds: TRIAL,
            until: LATER,
            ends: "team trialing 2, granted 200",
        },
        Story {
            name: "tried and paid",
            before: TRIAL,
            deeds: &[(TRIED, Wait)],
            until: AFTER,
            ends: "team active 2, granted 2200",
        },
        Story {
            name: "tried and paid early",
            before: TRIAL,
            deeds: &[(DAY_3, Act(EndTrial))],
            until: LATER,
            ends: "team active 2, granted 2200",
        },
        Story {
            name: "tried and canceled",
            before: TRIAL_TO_END,
            deeds: &[(TRIED, Wait)],
            until: AFTER,
            ends: "team canceled 2, granted 200",
        },
        Story {
            name: "failed then paid",
            before: DECLINES,
            deeds: &[(RENEWS, Wait), (AFTER, Act(Effect::Pay))],
            until: AFTER,
            ends: "pro active 1, granted 5000",
        },
        Story {
            name: "not paid any more",
            before: EXPIRED,
            deeds: &[(RENEWS, Wait), (AFTER, Act(Unpaid))],
            until: MONTHS_LATER,
            // The second month began before its payment failed.
            ends: "pro past_due 1, granted 5000",
        },
        Story {
            name: "paid back",
            before: ONE,
            deeds: &[(DAY_2, Act(Effect::Refund { minor: None }))],
            until: LATER,
            ends: "pro active 1, granted 2500",
        },
        Story {
            name: "more seats",
            before: TEAM,
            deeds: &[(DAY_2, Act(Seats { quantity: 3 })), (DAY_3, Act(Seats { quantity: 5 }))],
            until: LATER,
            ends: "team active 5, granted 5000",
        },
        Story {
            name: "fewer seats",
            before: FIVE,
            deeds: &[(DAY_2, Act(Seats { quantity: 2 }))],
            until: AFTER,
            ends: "team active 2, granted 7000",
        },
        Story {
            name: "for another product",
            before: &[],
            deeds: &[(DAY_1, Begin(OTHER, 1, 0))],
            until: LATER,
            ends: "free active 1, granted 0, parked: no plan has the price \
                   price_local_starter_month",
        },
        Story {
            name: "for a plan after all",
            before: &[(DAY_1, Begin(OTHER, 1, 0))],
            deeds: &[(DAY_2, Change(PRO, Now))],
            until: LATER,
            ends: "pro active 1, granted 2500",
        },
        Story {
            name: "replaced by another one",
            before: ONE,
            deeds: &[(DAY_2, Begin(SEAT, 1, 0)), (DAY_3, ActAtFirst(Cancel))],
            until: LATER,
            ends: "team active 1, granted 3500",
        },
    ]
};
