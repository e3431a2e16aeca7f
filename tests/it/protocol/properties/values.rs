//! Random values of the domain: grants, and entries of every kind.

use proptest::prelude::*;
use shared::domain::entry::{By, Quantity};
use shared::domain::grant::BurnOrder;
use shared::domain::limit::{Counted, Per, Subject, Window};
use shared::domain::meters::{MAX_COUNT, Meter, Meters};
use shared::domain::payment::Cause;
use shared::domain::period::{Anchor, Day, Period};
use shared::domain::plan_terms::MAX_SEATS;
use shared::domain::{
    Credits, Debt, DebtChange, Debts, Entry, EntryKind, Grant, GrantId, GrantKind, Instant,
    Movement, NextPlan, OperationId, PlanTerms, Status,
};

pub(super) const DAY_MS: i64 = 86_400_000;
/// 2026-11-18T12:00:00Z, a Wednesday.
pub(super) const NOON_MS: i64 = 1_795_003_200_000;

fn credits(most: i64) -> impl Strategy<Value = Credits> {
    (1..=most).prop_map(Credits::from_micro)
}

fn kind() -> impl Strategy<Value = GrantKind> {
    prop::sample::select(GrantKind::ALL.to_vec())
}

pub(super) fn instant(within_days: i64) -> impl Strategy<Value = Instant> {
    (0..within_days * DAY_MS).prop_map(|ms| Instant::from_ms(NOON_MS + ms))
}

pub(super) fn operation() -> impl Strategy<Value = OperationId> {
    any::<[u8; 10]>().prop_map(|random| OperationId::mint(Instant::from_ms(NOON_MS), random))
}

pub(super) fn grant() -> impl Strategy<Value = Grant> {
    (operation(), kind(), credits(50_000_000), instant(30), prop::option::of(instant(90))).prop_map(
        |(id, kind, amount, granted_at, expires_at)| {
            Grant::new(GrantId::Operation(id), kind, amount, granted_at, expires_at)
        },
    )
}

fn movement() -> impl Strategy<Value = Movement> {
    (operation(), kind(), any::<i32>(), prop::option::of(instant(90))).prop_map(
        |(id, kind, micro, expires_at)| Movement {
            grant: GrantId::Operation(id),
            kind,
            credits: Credits::from_micro(i64::from(micro)),
            expires_at,
        },
    )
}

fn debts() -> impl Strategy<Value = Debts> {
    prop::collection::vec((operation(), 1..i64::MAX / 8), 0..3).prop_map(|debts| {
        let debt = |(id, micro)| (GrantId::Operation(id), Credits::from_micro(micro));
        debts.into_iter().map(debt).map(|(grant, credits)| Debt { grant, credits }).collect()
    })
}

fn cause() -> impl Strategy<Value = Cause> {
    prop::sample::select(&Cause::ALL[..])
}

fn debt_changes() -> impl Strategy<Value = Vec<DebtChange>> {
    let change = prop_oneof![
        (operation(), cause(), prop::option::of(grant()), credits(9)).prop_map(
            |(id, cause, taken, owed)| {
                let grant = GrantId::Operation(id);
                DebtChange::Reversed { grant, cause, taken, owed }
            }
        ),
        (operation(), grant())
            .prop_map(|(id, by)| DebtChange::Repaid { grant: GrantId::Operation(id), by }),
    ];
    prop::collection::vec(change, 0..3)
}

/// An action and how much of it: units, or a call of a model.
fn bought() -> impl Strategy<Value = (Option<u16>, Quantity)> {
    let counts = prop::array::uniform10(0..=MAX_COUNT);
    let call = (1..u16::MAX, 1..u16::MAX, counts).prop_map(|(action, model, counts)| {
        let mut meters = Meters::default();
        Meter::ALL.into_iter().zip(counts).for_each(|(meter, count)| meters.set(meter, count));
        (Some(action), Quantity::Call(model, meters))
    });
    let units = (prop::option::of(1..u16::MAX), any::<u64>().prop_map(Quantity::Units));
    prop_oneof![units, call]
}

pub(super) fn entry() -> impl Strategy<Value = Entry> {
    let text = || prop::option::of(prop_oneof!["[ab]", "[ -~]{1,64}"]);
    let moved = || prop::collection::vec(movement(), 0..4);
    let of_action = || {
        let number = || prop::option::of(1..u16::MAX);
        (number(), number())
            .prop_map(|(action, model)| (action, model.filter(|_| action.is_some())))
    };
    let grants = prop::collection::vec(grant(), 0..4);
    let operations = prop::collection::vec(operation(), 0..3);
    let kind = prop_oneof![
        bought().prop_map(|(action, quantity)| EntryKind::Debit { action, quantity }),
        (kind(), prop::option::of(instant(90)))
            .prop_map(|(kind, expires_at)| EntryKind::Granted { kind, expires_at }),
        (moved(), operations, any::<u32>(), instant(90), debt_changes(), grants).prop_map(
            |(moved, lapsed, seq, at, debts, grants)| EntryKind::TimePassed {
                moved,
                lapsed,
                before: (u64::from(seq), at),
                burnt: BurnOrder::new(grants),
                debts,
            }
        ),
        (operation(), credits(9), prop::option::of(instant(90)), credits(9), moved(), debts())
            .prop_map(|(order, due, expires_at, undone, moved, unowed)| {
                let (grant, cause) = (GrantId::Operation(order), None);
                EntryKind::ToppedUp { order, cause, due, grant, expires_at, undone, moved, unowed }
            }),
        (operation(), cause(), credits(9), credits(9)).prop_map(|(order, cause, due, credits)| {
            EntryKind::Reversed { order, cause, due, credits }
        }),
        debts().prop_map(|debts| EntryKind::DebtWaived { debts }),
        (operation(), kind())
            .prop_map(|(id, kind)| EntryKind::Revoked { grant: GrantId::Operation(id), kind }),
        (subject(), per(), prop::option::of(credits(9)), any::<bool>()).prop_map(
            |(of, per, at_most, forgotten)| EntryKind::LimitSet { of, per, at_most, forgotten }
        ),
        (100_u8.., prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(tag, fields)| EntryKind::Unknown { tag, fields }),
        (bought(), instant(2)).prop_map(|((action, quantity), expires_at)| {
            EntryKind::Held { action, quantity, expires_at }
        }),
        (
            operation(),
            bought(),
            credits(9),
            credits(9),
            any::<bool>(),
            prop_oneof![Just(Credits::ZERO), credits(9)]
        )
            .prop_map(|(hold, (action, quantity), credits, lapsed, ends, uncharged)| {
                EntryKind::Captured { hold, action, quantity, credits, lapsed, ends, uncharged }
            }),
        operation().prop_map(|hold| EntryKind::Released { hold }),
        (operation(), instant(2))
            .prop_map(|(hold, expires_at)| EntryKind::Extended { hold, expires_at }),
        (operation(), credits(9), of_action(), moved(), debts()).prop_map(
            |(debit, credits, (action, model), moved, unowed)| {
                let of = Some((7, credits)).filter(|_| !moved.is_empty());
                EntryKind::Refunded { debit, credits, action, model, of, moved, unowed }
            }
        ),
        (terms(), moved()).prop_map(|(terms, moved)| EntryKind::Opened { terms, moved }),
        (terms(), prop::option::of(next_plan()))
            .prop_map(|(terms, next)| EntryKind::PlanChanged { terms, next }),
        Just(EntryKind::Frozen),
        Just(EntryKind::Unfrozen),
    ];
    let amounts = (any::<i32>(), any::<i32>(), any::<u32>());
    let texts = (text(), text(), text(), text(), text(), text());
    let subjects = prop::collection::vec(subject(), 0..3);
    let counts = prop::collection::vec((subject(), per(), instant(90), credits(9)), 0..3);
    (operation(), instant(2), amounts, texts, (subjects, counts, kind)).prop_map(
        |(id, at, (available, held, catalog), texts, (subjects, counts, kind))| {
            let counts = counts.into_iter().map(|(of, per, from, at_most)| {
                let period = Period { start: from, end: Instant::MAX };
                Counted { of, window: Window::at(per, at, period), at_most }
            });
            let mut entry = Entry {
                id,
                at,
                available: Credits::from_micro(i64::from(available)),
                held: Credits::from_micro(i64::from(held)),
                catalog,
                key: texts.0,
                user: texts.1,
                actor: texts.5,
                reference: texts.2,
                reason: texts.3,
                message: texts.4,
                subjects,
                counts: counts.collect(),
                kind,
            };
            // An operator's entry has no user.
            if entry.by() == By::Operator {
                entry.user = None;
            }
            entry
        },
    )
}

/// Users among them, often the entry's own: an entry names its own by their place.
fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof!["user:[ab]", "[a-z][a-z0-9]{0,15}:[a-zA-Zäöü :]{1,21}"]
        .prop_map(|text| text.parse().expect("a subject"))
}

pub(super) fn terms() -> impl Strategy<Value = PlanTerms> {
    (prop::sample::select(Status::ALL.to_vec()), 1..=31_u32, 1..=MAX_SEATS).prop_map(
        |(status, day, seats)| {
            let anchor = Anchor(Day::parse(&format!("2026-01-{day:02}")).expect("a day"));
            PlanTerms { plan: "pro".to_owned(), status, anchor, seats }
        },
    )
}

pub(super) fn next_plan() -> impl Strategy<Value = NextPlan> {
    (terms(), instant(90)).prop_map(|(PlanTerms { plan, status, seats, .. }, at)| NextPlan {
        plan,
        status,
        seats,
        at,
    })
}

fn per() -> impl Strategy<Value = Per> {
    prop::sample::select(Per::ALL.to_vec())
}
