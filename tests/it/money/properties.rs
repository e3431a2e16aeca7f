//! Properties of payments over random values: the amount due, the merging of notices, and the
//! effect of a reversal on an account.

use proptest::prelude::*;
use shared::decide::{advance, grant, open};
use shared::domain::entry::Explanation;
use shared::domain::hold::HeldFor;
use shared::domain::limit::HeldLimits;
use shared::domain::money::Money;
use shared::domain::payment::{Cause, Dispute, DisputeStage, Facts, Refund, RefundStage, due};
use shared::domain::{
    Account, Catalog, CatalogFiles, Credits, Grant, GrantId, GrantKind, Held, Instant, OperationId,
    PendingChange,
};

const NOON_MS: i64 = 1_795_003_200_000;
const HOUR_MS: i64 = 3_600_000;

fn stage() -> impl Strategy<Value = DisputeStage> {
    use DisputeStage::{Inquiry, Lost, Open, Won};
    prop::sample::select(vec![Inquiry, Open, Lost, Won])
}

/// The facts of one event.
fn said() -> impl Strategy<Value = Facts> {
    let name = || "[ab]".prop_map(String::from);
    let usd = |minor| Money { currency: "usd".parse().expect("a currency"), minor };
    let stages = prop::sample::select(vec![RefundStage::Going, RefundStage::Undone]);
    prop_oneof![
        Just(Facts { submitted: true, ..Facts::default() }),
        Just(Facts { failed: true, ..Facts::default() }),
        Just(Facts { paid: [usd(4900)].into(), ..Facts::default() }),
        (name(), 0..4900_u64).prop_map(move |(id, minor)| Facts {
            returned: [(id, usd(minor))].into(),
            ..Facts::default()
        }),
        (name(), stages, 0..4900_u64).prop_map(move |(id, stage, minor)| Facts {
            refunds: [(id, Refund { stage, money: usd(minor) })].into(),
            ..Facts::default()
        }),
        (name(), stage(), 0..4900_u64).prop_map(move |(id, stage, minor)| Facts {
            disputes: [(id, Dispute { stage, money: usd(minor) })].into(),
            ..Facts::default()
        }),
    ]
}

fn joined(said: &[Facts]) -> Facts {
    let mut all = Facts::default();
    said.iter().for_each(|facts| all.join(facts.clone()));
    all
}

/// An event of an account with two orders, 500 credits each.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A debit of this share of the available credits, in thousandths.
    Spend(i64),
    /// A hold of this share for this many hours.
    Hold(i64, i64),
    /// The credits of an order that are due from now on.
    Due(usize, i64),
    Granted(i64),
    Hours(i64),
    Advance,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..=1000_i64).prop_map(Step::Spend),
        1 => (0..=1000_i64, 1..300_i64).prop_map(|(part, hours)| Step::Hold(part, hours)),
        4 => (0..2_usize, 0..=500_i64).prop_map(|(order, due)| Step::Due(order, due)),
        1 => (1..100_i64).prop_map(Step::Granted),
        1 => (1..200_i64).prop_map(Step::Hours),
        2 => Just(Step::Advance),
    ]
}

fn order(which: usize) -> GrantId {
    GrantId::Operation(OperationId::mint(Instant::from_ms(NOON_MS), [which as u8 + 1; 10]))
}

fn catalog() -> Catalog {
    Catalog::parse(&CatalogFiles::built_in()).expect("the default catalog is right")
}

proptest! {
    #[test]
    fn amounts_taken_back_in_parts_sum_to_the_whole(
        credits in 1..=Credits::MAX.micro(),
        parts in prop::collection::vec(1..10_000_000_u64, 1..12),
    ) {
        let credits = Credits::from_micro(credits);
        let paid: u64 = parts.iter().sum();
        prop_assert_eq!(due(credits, paid, paid), credits);
        let (mut kept, mut taken) = (paid, Credits::ZERO);
        for part in parts {
            let back = due(credits, paid, kept) - due(credits, paid, kept - part);
            // In proportion, to less than a micro-credit.
            let share = i128::from(credits.micro()) * i128::from(part) / i128::from(paid);
            prop_assert!((i128::from(back.micro()) - share).abs() <= 1);
            prop_assert!(back >= Credits::ZERO);
            (kept, taken) = (kept - part, taken + back);
        }
        prop_assert_eq!((kept, taken), (0, credits));
    }

    #[test]
    fn notices_in_any_order_and_number_give_the_same_state(
        (said, other) in prop::collection::vec(said(), 0..10).prop_flat_map(|said| {
            let twice = [said.clone(), said.clone()].concat();
            (Just(said), Just(twice).prop_shuffle())
        }),
        cut in 0..20_usize,
    ) {
        let all = joined(&said);
        prop_assert_eq!(&joined(&other), &all);
        let (left, right) = other.split_at(cut.min(other.len()));
        let mut both = joined(left);
        both.join(joined(right));
        prop_assert_eq!(&both, &all);
        prop_assert!(all.kept() <= all.paid().map_or(0, |paid| paid.minor));
    }

    /// Available plus held minus debt equals the credits that arrived and are due, minus those
    /// spent. No bought credit is both free and owed.
    #[test]
    fn balances_stay_exact_whatever_is_taken_back(steps in prop::collection::vec(step(), 1..40)) {
        let catalog = catalog();
        let id = "acme".parse().expect("an account");
        let mut now = Instant::from_ms(NOON_MS);
        // A plan without grants of its own.
        let plan = Some("standard".to_owned());
        let request = open::PlanRequest { plan, ..open::PlanRequest::default() };
        let first = OperationId::mint(now, [0; 10]);
        let account = open::open(&id, &request, first, &catalog, None, now);
        let mut account: Account = account.expect("a plan of the catalog");
        let mut dues = [Credits::ZERO; 2];
        let mut owned = Credits::ZERO;
        for (n, step) in steps.into_iter().chain([Step::Advance]).enumerate() {
            let operation = OperationId::mint(now, [100 + n as u8; 10]);
            match step {
                Step::Hours(hours) => now = Instant::from_ms(now.ms() + hours * HOUR_MS),
                Step::Advance => {}
                Step::Granted(credits) => {
                    let credits = Credits::whole(credits);
                    let request = grant::GrantRequest {
                        credits,
                        explanation: Explanation { reason: "test".to_owned(), message: None },
                        kind: GrantKind::Manual,
                        reference: None,
                        expires_at: None,
                    };
                    let made = grant::change(&account, &request, operation, &catalog, None, now);
                    prop_assert!(made.is_ok());
                    let id = GrantId::Operation(operation);
                    let grant = Grant::new(id, GrantKind::Manual, credits, now, None);
                    account.available += credits;
                    account.pending_changes.push(PendingChange::Grant { grant, at: now });
                    owned += credits;
                }
                Step::Due(which, credits) => {
                    let due = Credits::whole(credits);
                    let (more, grant) = (due - dues[which], order(which));
                    if more > Credits::ZERO {
                        let at = Instant::from_ms(NOON_MS);
                        let whole = Credits::whole(500);
                        let all = Grant::new(grant, GrantKind::Purchased, whole, at, None);
                        account.available += more;
                        let grant = Grant { left: more, ..all };
                        account.pending_changes.push(PendingChange::Grant { grant, at: now });
                    } else if more < Credits::ZERO {
                        let (credits, cause) = (-more, Cause::Refund);
                        let back = PendingChange::TakenBack { grant, credits, cause, at: now };
                        account.pending_changes.push(back);
                    }
                    (dues[which], owned) = (due, owned + more);
                    continue;
                }
                Step::Spend(part) | Step::Hold(part, _) => {
                    // As in the table: the pending changes are advanced before credits are spent.
                    let advanced = advance::advance(&account, &catalog, now).expect("sound");
                    account = advanced.account;
                    let credits = Credits::from_micro(account.available.micro() / 1000 * part);
                    account.available -= credits;
                    match step {
                        Step::Hold(_, hours) if account.holds.len() < 32 => {
                            let expires_at = Instant::from_ms(now.ms() + hours * HOUR_MS);
                            let lapsed = Credits::ZERO;
                            let purpose = HeldFor::Amount;
                            let (amount, limits) = (credits, HeldLimits::default());
                            let held = Held { amount, lapsed, expires_at, purpose, limits };
                            account.holds.insert(operation, held);
                        }
                        _ => owned -= credits,
                    }
                    continue;
                }
            }
            let before = account.clone();
            let advanced = advance::advance(&account, &catalog, now).expect("sound");
            let entry = advanced.entry(&before, &catalog, now);
            account = advanced.account;
            prop_assert_eq!(entry.kind.debt(), account.debt() - before.debt());
            prop_assert_eq!(account.available + account.held() - account.debt(), owned);
            prop_assert!(account.debt() >= Credits::ZERO);
            // Bought credits and a debt exist together only while holds have all of them.
            let bought = account.burn_order.grants().iter().any(|grant| grant.kind.is_paid());
            prop_assert!(account.debt().is_zero() || account.available.is_zero() || !bought);
            let again = advance::advance(&account, &catalog, now).expect("sound").account;
            prop_assert_eq!(again, account.clone());
        }
    }
}
