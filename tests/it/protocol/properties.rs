//! Properties of the pure parts over random values. A failure prints the case that repeats it.

mod values;

use proptest::prelude::*;
use shared::decide::{advance, open};
use shared::domain::grant::BurnOrder;
use shared::domain::hold::HeldFor;
use shared::domain::limit::HeldLimits;
use shared::domain::payment::Cause;
use shared::domain::period::{Anchor, Day, week};
use shared::domain::{
    Account, Catalog, CatalogFiles, Credits, Grant, GrantId, GrantKind, Held, Instant, OperationId,
    PendingChange, PlanState,
};
use shared::store::packed;

use values::{DAY_MS, NOON_MS, entry, grant, instant, next_plan, operation, terms};

fn catalog() -> Catalog {
    Catalog::parse(&CatalogFiles::built_in()).expect("the default catalog is right")
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
        let request = open::PlanRequest { anchor, ..open::PlanRequest::of(plan) };
        let operation = OperationId::mint(now, [0; 10]);
        let opened = open::open(&id, &request, operation, &catalog(), None, now);
        let mut account = opened.expect("a plan of the catalog");
        let line = account.burn_order.grants().iter().cloned().chain(grants);
        account.burn_order = BurnOrder::new(line.filter(|grant| !grant.is_expired(now)).collect());
        let mut free = account.burn_order.left();
        for (id, thousandths, expires_at) in held {
            let amount = Credits::from_micro(free.micro() / 1000 * thousandths / 4);
            let (lapsed, purpose, limits) = (Credits::ZERO, HeldFor::Amount, HeldLimits::default());
            let held = Held { amount, lapsed, expires_at, purpose, limits };
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
        let expected = (account.plan_state.terms.plan == "free").then_some(whole);
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
    fn a_packed_record_is_read_back(
        entry in entry(),
        account in account(),
        grant in grant(),
        terms in terms(),
        next in prop::option::of(next_plan()),
    ) {
        prop_assert_eq!(packed::read_entry(entry.id, &packed::entry(&entry)), Ok(entry.clone()));
        let two = vec![entry.clone(), entry.clone()];
        prop_assert_eq!(packed::read_entries(&packed::entries(&two)), Ok(two));
        let packed = packed::burn_order(&account.burn_order);
        prop_assert_eq!(packed::read_burn_order(&packed), Ok(account.burn_order));
        let plan_state = packed::plan_state(&account.plan_state);
        prop_assert_eq!(packed::read_standing(&plan_state), Ok(account.plan_state.clone()));
        for held in account.holds.values() {
            let captured = match held.purpose {
                HeldFor::Action(action) => action.captured,
                HeldFor::Amount | HeldFor::Call(_) => 0,
            };
            let terms = packed::hold_terms(held);
            let read = packed::read_hold_terms(&terms, held.amount, captured);
            prop_assert_eq!(read, Ok(held.clone()));
        }
        let (taken, at) = (grant.id, grant.granted_at);
        let (credits, cause) = (grant.left, Cause::Dispute);
        let back = PendingChange::TakenBack { grant: taken, credits, cause, at };
        let returned = PendingChange::Returned(grant.clone());
        let new = (terms.clone(), next.clone());
        let plan_state = PlanState { terms: new.0, next: new.1, ..account.plan_state };
        prop_assert_eq!(packed::read_standing(&packed::plan_state(&plan_state)), Ok(plan_state));
        let (restart, by) = (entry.held.is_zero(), entry.id);
        let plan = PendingChange::Plan { terms, next, restart, at, entry: by };
        for note in [PendingChange::Grant { grant, at }, returned, back, plan] {
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
