//! The law of taxed payments over random prices, taxes, refunds and disputes: the parts sum to the
//! whole, and nothing depends on the order of the facts.

use proptest::prelude::*;
use shared::domain::payment::{
    Dispute, DisputeStage, Facts, IntentId, Payment, Refund, RefundStage, State, due,
};
use shared::domain::tax::Priced;
use shared::domain::{Credits, Instant, Money, OperationId, Order, Tax, TaxBehavior};

fn usd(minor: u64) -> Money {
    Money { currency: "usd".parse().expect("a currency"), minor }
}

fn ordered(credits: Credits, price: u64, behavior: TaxBehavior) -> Order {
    Order {
        id: OperationId::own(Instant::from_ms(1_795_003_200_000), [1; 10]),
        account: "acme".parse().expect("an account"),
        pack: "starter".to_owned(),
        credits,
        price: usd(price),
        tax: Tax { behavior: Some(behavior), ids: false },
        expires_after_months: 12,
        catalog: 1,
        live: false,
        user: None,
        return_url: "https://app.example.com/credits".to_owned(),
        customer: None,
        invoice: false,
        at: Instant::from_ms(1_795_003_200_000),
        url: None,
        intent: None,
        expired: false,
        from_invoice: None,
        auto: false,
    }
}

fn gross(price: u64, tax: u64, behavior: TaxBehavior) -> u64 {
    match behavior {
        TaxBehavior::Exclusive => price + tax,
        TaxBehavior::Inclusive => price,
    }
}

/// The facts of a payment as its objects tell them: the session, the intent, the charge, and one
/// for each refund.
fn told(order: &Order, session: Priced, paid: u64, parts: &[u64]) -> Vec<Facts> {
    let ours = Facts {
        orders: [order.id].into(),
        accounts: [order.account.to_string()].into(),
        modes: [false].into(),
        ..Facts::default()
    };
    let paid = Facts { paid: [usd(paid)].into(), ..ours };
    let said = Facts { submitted: true, priced: [session].into(), ..paid.clone() };
    let refund = |(n, part): (usize, &u64)| {
        let refund = Refund { stage: RefundStage::Going, money: usd(*part) };
        Facts { refunds: [(format!("re_{n}"), refund)].into(), ..Facts::default() }
    };
    [said, paid.clone(), paid].into_iter().chain(parts.iter().enumerate().map(refund)).collect()
}

fn payment() -> Payment {
    let intent: IntentId = "pi_1".parse().expect("an intent");
    Payment::new(intent, Instant::from_ms(1_795_003_200_000))
}

proptest! {
    #[test]
    fn what_is_due_with_tax_depends_on_amounts_alone(
        credits in 1..=Credits::MAX.micro(),
        (price, tax) in (1..10_000_000_u64, 0..3_000_000_u64),
        behavior in prop::sample::select(TaxBehavior::ALL.to_vec()),
        shares in prop::collection::vec(0..100_u64, 0..6),
        disputed in any::<bool>(),
        places in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let credits = Credits::from_micro(credits);
        let order = ordered(credits, price, behavior);
        let all = gross(price, tax, behavior);
        // Refunds of so many hundredths of what is left.
        let mut left = all;
        let mut parts = Vec::new();
        for share in shares {
            let part = left * share / 100;
            parts.push(part);
            left -= part;
        }
        let session = Priced { price: usd(price), tax_minor: tax };
        let mut facts = told(&order, session, all, &parts);
        if disputed {
            let dispute = Dispute { stage: DisputeStage::Open, money: usd(left) };
            let disputes = [("du_1".to_owned(), dispute)].into();
            facts.push(Facts { disputes, ..Facts::default() });
            left = 0;
        }
        let mut known = payment();
        for place in places {
            // A second time each, in another order.
            let Some(one) = facts.get(place % 20).filter(|_| place % 20 < facts.len()) else {
                continue;
            };
            known.facts.join(one.clone());
            prop_assert_eq!(known.mismatches(&order), vec![]);
            if known.facts.priced.is_empty() {
                prop_assert_eq!(known.due(&order), Credits::ZERO);
                let state = order.state(Some(&known), order.at);
                prop_assert!(state == State::Processing || state == State::Open, "{:?}", state);
            }
        }
        prop_assert_eq!(known.due(&order), due(credits, all, left));
        prop_assert_eq!(order.state(Some(&known), order.at), State::Credited);
        if left == 0 {
            prop_assert_eq!(known.due(&order), Credits::ZERO);
        }
        if left == all {
            prop_assert_eq!(known.due(&order), credits);
        }
    }

    #[test]
    fn parts_of_a_taxed_payment_sum_to_the_whole(
        credits in 1..=Credits::MAX.micro(),
        (price, tax) in (1..10_000_000_u64, 0..3_000_000_u64),
        behavior in prop::sample::select(TaxBehavior::ALL.to_vec()),
        cuts in prop::collection::vec(0..13_000_000_u64, 0..6),
    ) {
        let credits = Credits::from_micro(credits);
        let order = ordered(credits, price, behavior);
        let all = gross(price, tax, behavior);
        let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| cut % (all + 1)).collect();
        cuts.extend([0, all]);
        cuts.sort_unstable();
        let parts: Vec<u64> = cuts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let session = Priced { price: usd(price), tax_minor: tax };
        let (mut known, mut back) = (payment(), Credits::ZERO);
        for (n, facts) in told(&order, session, all, &parts).into_iter().enumerate() {
            let before = known.due(&order);
            known.facts.join(facts);
            if n == 0 {
                prop_assert_eq!(known.due(&order), credits);
            } else {
                back += before - known.due(&order);
            }
        }
        prop_assert_eq!((known.due(&order), back), (Credits::ZERO, credits));
    }

    /// Of the amounts of a payment one is wrong: it is parked in any order, and nothing is due.
    #[test]
    fn an_amount_that_does_not_fit_parks_in_any_order(
        (price, tax) in (1..10_000_000_u64, 0..3_000_000_u64),
        behavior in prop::sample::select(TaxBehavior::ALL.to_vec()),
        (wrong, by) in (0..3_usize, 1..1_000_u64),
        places in Just((0..3_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let order = ordered(Credits::whole(500), price, behavior);
        let mut said = (price, tax, gross(price, tax, behavior));
        match (wrong, behavior) {
            (0, _) => said.0 += by,
            // An inclusive tax may be any part of the price.
            (1, TaxBehavior::Exclusive) => said.1 += by,
            _ => said.2 += by,
        }
        let session = Priced { price: usd(said.0), tax_minor: said.1 };
        let facts = told(&order, session, said.2, &[]);
        let mut known = payment();
        for place in places {
            known.facts.join(facts[place].clone());
        }
        prop_assert!(known.is_parked(&order));
        prop_assert_eq!(known.due(&order), Credits::ZERO);
    }
}
