//! Properties of the pure parts over random values. A failure prints the case that repeats it.

use proptest::prelude::*;
use shared::decide::{advance, open};
use shared::domain::entry::{By, Quantity};
use shared::domain::grant::BurnOrder;
use shared::domain::hold::HeldFor;
use shared::domain::meters::{MAX_COUNT, Meter, Meters};
use shared::domain::payment::Cause;
use shared::domain::period::{Anchor, Day, week};
use shared::domain::{
    Account, Catalog, CatalogFiles, Credits, Debt, DebtChange, Debts, Entry, EntryKind, Grant,
    GrantId, GrantKind, Held, Instant, Movement, OperationId, PendingChange, Status,
};
use shared::store::packed;

const DAY_MS: i64 = 86_400_000;
/// 2026-11-18T12:00:00Z, a Wednesday.
const NOON_MS: i64 = 1_795_003_200_000;

fn catalog() -> Catalog {
    Catalog::parse(&CatalogFiles::built_in()).expect("the default catalog is right")
}

fn credits(most: i64) -> impl Strategy<Value = Credits> {
    (1..=most).prop_map(Credits::from_micro)
}

fn kind() -> impl Strategy<Value = GrantKind> {
    prop::sample::select(GrantKind::ALL.to_vec())
}

fn instant(within_days: i64) -> impl Strategy<Value = Instant> {
    (0..within_days * DAY_MS).prop_map(|ms| Instant::from_ms(NOON_MS + ms))
}

fn operation() -> impl Strategy<Value = OperationId> {
    any::<[u8; 10]>().prop_map(|random| OperationId::mint(Instant::from_ms(NOON_MS), random))
}

fn grant() -> impl Strategy<Value = Grant> {
    (operation(), kind(), credits(50_000_000), instant(30), prop::option::of(instant(90))).prop_map(
        |(id, kind, amount, granted_at, expires_at)| {
            Grant::new(GrantId::Operation(id), kind, amount, granted_at, expires_at)
        },
    )
}

/// An account of any plan, with some grants, some spent and some held.
fn account() -> impl Strategy<Value = Account> {
    let plan = prop::sample::select(vec!["free", "pro", "standard"]);
    let grants = prop::collection::vec(grant(), 0..5);
    let held = prop::collection::vec((operation(), 0..1000_i64, instant(40)), 0..4);
    (plan, grants, held, 0..1000_i64, 1..=31_u32).prop_map(|(plan, grants, held, spent, day)| {
        let now = Instant::from_ms(NOON_MS);
        let id = "acme".parse().expect("an account");
        let anchor = Day::parse(&format!("2026-10-{day:02}")).map(Anchor);
        let request =
            open::PlanRequest { plan: Some(plan.to_owned()), status: None, anchor, restart: false };
        let operation = OperationId::mint(now, [0; 10]);
        let opened = open::open(&id, &request, operation, &catalog(), None, now);
        let mut account = opened.expect("a plan of the catalog");
        let line = account.burn_order.grants().iter().cloned().chain(grants);
        account.burn_order = BurnOrder::new(line.filter(|grant| !grant.is_expired(now)).collect());
        let mut free = account.burn_order.left();
        for (id, thousandths, expires_at) in held {
            let amount = Credits::from_micro(free.micro() / 1000 * thousandths / 4);
            let held = Held { amount, lapsed: Credits::ZERO, expires_at, purpose: HeldFor::Amount };
            account.holds.insert(id, held);
            free = account.burn_order.left() - account.held();
        }
        account.available = free - Credits::from_micro(free.micro() / 1000 * spent);
        account.valid_until = Instant::EPOCH;
        account
    })
}

fn advanced(account: &Account, now: Instant) -> Account {
    advance::advance(account, &catalog(), now).expect("a sound account").account
}

proptest! {
    #[test]
    fn credits_are_burnt_soonest_expiring_first_then_free_then_oldest(
        grants in prop::collection::vec(grant(), 1..8),
        thousandths in 0..=1000_i64,
    ) {
        let mut line = BurnOrder::new(grants);
        let before = line.clone();
        let spent = Credits::from_micro(line.left().micro() / 1000 * thousandths);
        line.burn(spent).expect("no more than there is");
        prop_assert_eq!(line.left() + spent, before.left());
        // If a grant is touched, all grants that rank before it are used up.
        let rank = |grant: &Grant| {
            let expires_at = grant.expires_at.unwrap_or(Instant::MAX);
            (expires_at, grant.kind == GrantKind::Purchased, grant.granted_at)
        };
        let remains = |grant: &Grant| {
            line.grants().iter().find(|g| g.id == grant.id).map_or(Credits::ZERO, |g| g.left)
        };
        for early in before.grants() {
            for late in before.grants() {
                if rank(early) < rank(late) && remains(late) < late.left {
                    prop_assert_eq!(remains(early), Credits::ZERO);
                }
            }
        }
        prop_assert!(line.burn(line.left() + Credits::from_micro(1)).is_err());
    }

    #[test]
    fn burning_in_parts_equals_burning_at_once(
        grants in prop::collection::vec(grant(), 1..8),
        parts in prop::collection::vec(0..100_i64, 1..6),
    ) {
        let mut at_once = BurnOrder::new(grants);
        let mut in_parts = at_once.clone();
        let part = |share: &i64| Credits::from_micro(at_once.left().micro() / 1000 * share);
        let parts: Vec<Credits> = parts.iter().map(part).collect();
        at_once.burn(parts.iter().copied().sum()).expect("less than there is");
        for part in parts {
            in_parts.burn(part).expect("less than there is");
        }
        prop_assert_eq!(at_once, in_parts);
    }

    #[test]
    fn an_advance_weeks_late_equals_timely_ones(
        account in account(),
        mut stops in prop::collection::vec(instant(120), 1..12),
    ) {
        stops.sort();
        let last = *stops.last().expect("at least one");
        let late = advanced(&account, last);
        let mut punctual = account;
        for stop in stops {
            punctual = advanced(&punctual, stop);
            punctual.advanced_seq = late.advanced_seq;
        }
        prop_assert_eq!(&punctual, &late);
        // A second advance to the same instant changes nothing.
        prop_assert_eq!(advanced(&late, last), late);
    }

    #[test]
    fn an_advance_never_loses_a_credit_that_does_not_expire(
        account in account(),
        now in instant(400),
    ) {
        let kept = |account: &Account| -> Vec<(GrantId, Credits)> {
            let grants = account.burn_order.grants().iter();
            let grants = grants.filter(|grant| grant.expires_at.is_none());
            grants.map(|grant| (grant.id, grant.left)).collect()
        };
        // Before and after, with the spent credits deducted from both.
        let before = Account { burn_order: account.burnt().expect("sound"), ..account.clone() };
        let after = advanced(&account, now);
        let set_aside: Credits = after.holds.values().map(|held| held.amount).sum();
        prop_assert_eq!(after.available, after.burn_order.left() - set_aside);
        prop_assert!(after.available >= Credits::ZERO);
        prop_assert_eq!(kept(&before), kept(&after));
        prop_assert!(after.burn_order.grants().iter().all(|grant| !grant.is_expired(now)));
    }

    #[test]
    fn an_advance_reports_what_it_did(account in account(), now in instant(120)) {
        let catalog = catalog();
        let told = advance::advance(&account, &catalog, now).expect("a sound account");
        let entry = told.entry(&account, &catalog, now);
        let moved: Credits = told.moved.iter().map(|moved| moved.credits).sum();
        // Credits that expired while they were held are lost when their hold ends, and not before.
        let lost = moved - (entry.available + entry.held);
        prop_assert!(lost >= Credits::ZERO && lost <= account.held());
        prop_assert!(lost.is_zero() || told.account.holds.len() < account.holds.len());
    }

    #[test]
    fn the_weekly_bundle_is_whole_at_the_instant_of_monday(
        account in account(),
        weeks in 1..60_i64,
    ) {
        let monday = week(Instant::from_ms(NOON_MS + weeks * 7 * DAY_MS)).start;
        let bundle = |now: Instant| {
            let account = advanced(&account, now);
            let mut grants = account.burn_order.grants().iter();
            grants.find(|g| matches!(g.id, GrantId::Week(_))).map(|g| (g.id, g.left))
        };
        let before = bundle(Instant::from_ms(monday.ms() - 1));
        let whole = (GrantId::Week(monday), Credits::whole(25));
        prop_assert_ne!(before, Some(whole));
        let expected = (account.plan_state.plan == "free").then_some(whole);
        prop_assert_eq!(bundle(monday), expected);
    }

    #[test]
    fn splitting_a_job_never_changes_its_price(
        parts in prop::collection::vec(1..2000_u64, 1..8),
        action in prop::sample::select(vec!["dynamic_video", "custom_image", "feed_field"]),
    ) {
        let catalog = catalog();
        let price = |quantity| catalog.price(action, quantity).expect("sold").1;
        prop_assume!(parts.iter().sum::<u64>() <= 10_000);
        let split: Credits = parts.iter().map(|part| price(*part)).sum();
        prop_assert_eq!(split, price(parts.iter().sum()));
    }

    #[test]
    fn credits_read_back_as_they_are_written(micro in 1..=Credits::MAX.micro()) {
        let credits = Credits::from_micro(micro);
        prop_assert_eq!(credits.to_string().parse::<Credits>(), Ok(credits));
    }

    #[test]
    fn no_text_makes_credits_panic(text in ".{0,24}") {
        let _ = text.parse::<Credits>();
    }

    #[test]
    fn a_packed_record_is_read_back(entry in entry(), account in account(), grant in grant()) {
        prop_assert_eq!(packed::read_entry(entry.id, &packed::entry(&entry)), Ok(entry.clone()));
        let two = vec![entry.clone(), entry];
        prop_assert_eq!(packed::read_entries(&packed::entries(&two)), Ok(two));
        let packed = packed::burn_order(&account.burn_order);
        prop_assert_eq!(packed::read_burn_order(&packed), Ok(account.burn_order));
        let plan_state = packed::plan_state(&account.plan_state);
        prop_assert_eq!(packed::read_standing(&plan_state), Ok(account.plan_state));
        for held in account.holds.values() {
            let captured = match held.purpose {
                HeldFor::Action(action) => action.captured,
                HeldFor::Amount | HeldFor::Call(_) => 0,
            };
            let terms = packed::hold_terms(held);
            prop_assert_eq!(packed::read_hold_terms(&terms, held.amount, captured), Ok(*held));
        }
        let (taken, at) = (grant.id, grant.granted_at);
        let (credits, cause) = (grant.left, Cause::Dispute);
        let back = PendingChange::TakenBack { grant: taken, credits, cause, at };
        let returned = PendingChange::Returned(grant.clone());
        for note in [PendingChange::Grant { grant, at }, returned, back] {
            prop_assert_eq!(packed::read_pending_change(&packed::pending_change(&note)), Ok(note));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let id = OperationId::mint(Instant::from_ms(NOON_MS), [7; 10]);
        let _ = packed::read_entry(id, &bytes);
        let _ = packed::read_entries(&bytes);
        let _ = packed::read_burn_order(&bytes);
        let _ = packed::read_pending_change(&bytes);
        let _ = packed::read_debts(&bytes);
        let _ = packed::read_hold_terms(&bytes, Credits::ZERO, 0);
        let _ = packed::read_whole_hold(&bytes);
        let _ = packed::read_standing(&bytes);
    }

    #[test]
    fn plan_periods_join_without_gap_or_overlap(day in 0..20_000_u32, at in 0..1_600_000_i64) {
        let anchor = Anchor(Day::from_days(day).expect("a day"));
        let now = Instant::from_ms(at * 1_000_000);
        let period = anchor.period(now);
        prop_assert!(period.start <= now && now < period.end);
        prop_assert_eq!(anchor.period(period.end).start, period.end);
        prop_assert_eq!(anchor.period(period.start), period);
        prop_assert_eq!(period.start.ms() % DAY_MS, 0);
    }
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
    let call = (1..u16::MAX, any::<u16>(), counts).prop_map(|(action, model, counts)| {
        let mut meters = Meters::default();
        Meter::ALL.into_iter().zip(counts).for_each(|(meter, count)| meters.set(meter, count));
        (Some(action), Quantity::Call(model, meters))
    });
    let units = (prop::option::of(1..u16::MAX), any::<u64>().prop_map(Quantity::Units));
    prop_oneof![units, call]
}

fn entry() -> impl Strategy<Value = Entry> {
    let text = || prop::option::of("[ -~]{1,64}");
    let moved = || prop::collection::vec(movement(), 0..4);
    let of_action = || {
        let number = || prop::option::of(1..u16::MAX);
        (number(), number())
            .prop_map(|(action, model)| (action, model.filter(|_| action.is_some())))
    };
    let grants = prop::collection::vec(grant(), 0..4);
    let anchor = Anchor(Day::parse("2026-01-31").expect("a day"));
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
        moved().prop_map(move |moved| EntryKind::Opened {
            plan: "pro".to_owned(),
            status: Status::Active,
            anchor,
            moved,
        }),
        Just(EntryKind::PlanChanged { plan: "free".to_owned(), status: Status::PastDue, anchor }),
        Just(EntryKind::Frozen),
        Just(EntryKind::Unfrozen),
    ];
    let amounts = (any::<i32>(), any::<i32>(), any::<u32>());
    let texts = (text(), text(), text(), text(), text(), text());
    (operation(), instant(2), amounts, texts, kind).prop_map(
        |(id, at, (available, held, catalog), texts, kind)| {
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
