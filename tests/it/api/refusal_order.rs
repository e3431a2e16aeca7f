//! The order of refusals: tables of all obstacles at once, in which each row removes the first.

use shared::decide::archive::CAPACITY;
use shared::decide::debit::{Charge, Price};
use shared::decide::hold::{CapturePart, USUAL_LIFE};
use shared::decide::limit::NO_LIMITS;
use shared::decide::open::{self, PlanRequest};
use shared::decide::operation::{self, Ask, Attempt, Next, Request, Route};
use shared::decide::{AccountWrite, Guard, Step};
use shared::domain::hold::{HeldFor, MAX_HOLDS};
use shared::domain::instant::Span;
use shared::domain::limit::HeldLimits;
use shared::domain::{
    Account, Catalog, CatalogFiles, Credits, Entry, Gate, GrantId, Held, Instant, OperationId,
    Refusal,
};

use crate::support::instant;

const NOW: &str = "2026-11-18T12:00:00Z";

fn now() -> Instant {
    instant(NOW)
}

fn id(number: u8) -> OperationId {
    OperationId::mint(now(), [number; 10])
}

fn catalog() -> Catalog {
    Catalog::parse(&CatalogFiles::built_in()).expect("the default catalog is right")
}

/// An account on the free plan: 25 credits, and one entry.
pub(super) fn account() -> Account {
    let request = PlanRequest::of("free");
    let name = "acme".parse().expect("an account");
    open::open(&name, &request, id(0), &catalog(), None, now()).expect("a plan")
}

fn asked(ask: Ask) -> Request {
    Request::new(account().id, ask)
}

fn attempt(request: &Request, number: u8) -> Attempt<'_> {
    let credits = match &request.ask {
        Ask::Debit(Charge::Credits(credits)) => *credits,
        Ask::Hold { charge: Charge::Credits(credits), .. } => *credits,
        _ => Credits::ZERO,
    };
    let price = Price { credits, ..Price::none(1) };
    Attempt { request, price, id: id(number), key: None, no_price: None, limits: &NO_LIMITS }
}

fn ten() -> Charge {
    Charge::Credits(Credits::whole(10))
}

/// The entry that an attempt would append.
fn entry(attempt: &Attempt<'_>) -> Entry {
    let write = operation::change(&[*attempt], None, now(), Route::Fast).expect("a write");
    let mut entries = write.then.into_iter().filter_map(|step| match step {
        Step::Append(entry) => Some(entry),
        _ => None,
    });
    entries.next_back().expect("an entry")
}

/// The next step in one word: the code of a refusal, or the action.
fn word(next: &Next) -> &'static str {
    match next {
        Next::Happened(_) => "happened",
        Next::Refuse(refusal) => refusal.code(),
        Next::LookUp { .. } => "look up",
        Next::Relearn => "relearn",
        Next::Advance => "advance",
        Next::Archive => "archive",
        Next::Explain(_) => "explain",
        Next::Retry => "again",
    }
}

/// A row: the answer while this obstacle exists, and a function that removes it.
type Row<'a> = (&'static str, &'a dyn Fn(&mut Account));

/// Plays a table: the first obstacle is answered, then removed, and so on.
fn play(attempts: &[Attempt<'_>], mut account: Account, rows: &[Row<'_>]) {
    for (expected, mend) in rows {
        let next = operation::resume(attempts, Some(&account), &catalog(), now(), Route::Fast);
        assert_eq!(word(&next), *expected, "{account:?}");
        mend(&mut account);
    }
    let next = operation::resume(attempts, Some(&account), &catalog(), now(), Route::Fast);
    assert_eq!(word(&next), "again", "nothing is in the way any more");
}

/// An account with every obstacle to `attempt`, which has happened.
fn hopeless(attempt: &Attempt<'_>) -> Account {
    let mut account = account();
    account.recent = vec![entry(attempt); CAPACITY];
    account.seq = CAPACITY as u64;
    account.dedup_floor = attempt.id.time();
    account.valid_until = now();
    account.gate = Gate { frozen: true, no_plan: true, in_debt: true };
    account.debts.add(GrantId::Week(Instant::EPOCH), Credits::whole(1));
    account.available = Credits::ZERO;
    account
}

fn forget(account: &mut Account) {
    let other = asked(Ask::Debit(ten()));
    account.recent = vec![entry(&attempt(&other, 99)); CAPACITY];
}

const OVER: fn(&mut Account) = |account| account.dedup_floor = Instant::EPOCH;
const ADVANCED: fn(&mut Account) = |account| account.valid_until = now() + Span::from_s(60);
const ARCHIVED_SEQ: fn(&mut Account) = |account| account.recent.clear();
const THAWED: fn(&mut Account) = |account| account.gate.frozen = false;
const PLANNED: fn(&mut Account) = |account| account.gate.no_plan = false;
const WAIVED: fn(&mut Account) = |account| account.gate.in_debt = false;
const TOPPED_UP: fn(&mut Account) = |account| account.available = Credits::whole(100);

#[test]
fn a_debit_with_several_obstacles_is_refused_in_one_order() {
    let request = asked(Ask::Debit(ten()));
    let attempt = attempt(&request, 1);
    let none = operation::resume(&[attempt], None, &catalog(), now(), Route::Fast);
    assert_eq!(none, Next::Refuse(Refusal::no_account(&account().id)));
    play(
        &[attempt],
        hopeless(&attempt),
        &[
            ("happened", &forget),
            ("look up", &OVER),
            ("advance", &ADVANCED),
            ("archive", &ARCHIVED_SEQ),
            ("account_frozen", &THAWED),
            ("plan_required", &PLANNED),
            ("debt_outstanding", &WAIVED),
            ("insufficient_credits", &TOPPED_UP),
        ],
    );
}

#[test]
fn a_batch_is_refused_in_the_order_of_its_debits_alone() {
    let request = asked(Ask::Debit(ten()));
    let attempts = [1, 2, 3].map(|number| attempt(&request, number));
    play(
        &attempts,
        // One of them happened, and may have been archived: that is enough.
        hopeless(&attempts[1]),
        &[
            ("happened", &forget),
            ("look up", &OVER),
            ("advance", &ADVANCED),
            // Two have room, and three have not.
            ("archive", &|account| account.recent.truncate(CAPACITY - 2)),
            ("archive", &ARCHIVED_SEQ),
            ("account_frozen", &THAWED),
            ("plan_required", &PLANNED),
            ("debt_outstanding", &WAIVED),
            // Each of them is covered, but not all of them together.
            ("insufficient_credits", &|account| account.available = Credits::whole(29)),
            ("insufficient_credits", &|account| account.available = Credits::whole(30)),
        ],
    );
}

fn held(amount: i64, expires_at: Instant) -> Held {
    Held {
        amount: Credits::whole(amount),
        lapsed: Credits::ZERO,
        expires_at,
        purpose: HeldFor::Amount,
        limits: HeldLimits::default(),
    }
}

#[test]
fn a_hold_is_refused_like_a_debit_and_last_for_lack_of_room() {
    let request = asked(Ask::Hold { charge: ten(), life: USUAL_LIFE });
    let attempt = attempt(&request, 1);
    let mut account = hopeless(&attempt);
    let later = now() + Span::from_s(60);
    for number in 100..100 + MAX_HOLDS as u8 {
        account.holds.insert(id(number), held(1, later));
    }
    play(
        &[attempt],
        account,
        &[
            ("happened", &forget),
            ("look up", &OVER),
            ("advance", &ADVANCED),
            ("archive", &ARCHIVED_SEQ),
            ("account_frozen", &THAWED),
            ("plan_required", &PLANNED),
            ("debt_outstanding", &WAIVED),
            ("insufficient_credits", &TOPPED_UP),
            ("too_many_holds", &|account| account.holds.clear()),
        ],
    );
}

#[test]
fn a_lapsed_hold_returns_credits_before_a_debit_is_refused() {
    let request = asked(Ask::Debit(ten()));
    let attempt = attempt(&request, 1);
    let mut account = account();
    account.available = Credits::ZERO;
    account.holds.insert(id(9), held(10, now()));
    play(
        &[attempt],
        account,
        &[("advance", &|account| account.holds.clear()), ("insufficient_credits", &TOPPED_UP)],
    );
}

#[test]
fn a_capture_succeeds_whatever_closes_the_gate() {
    let hold = id(9);
    let part = CapturePart::Credits(Credits::whole(10));
    let request = asked(Ask::Capture { hold, part, ends: true, beyond: false });
    let attempt = attempt(&request, 1);
    let later = now() + Span::from_s(60);
    let mut account = hopeless(&super::refusal_order::attempt(&asked(Ask::Debit(ten())), 1));
    account.gate = Gate { frozen: true, no_plan: true, in_debt: true };
    play(
        &[attempt],
        account,
        &[
            // Another request has its id: the handler compares the two.
            ("happened", &forget),
            ("look up", &OVER),
            ("advance", &ADVANCED),
            ("archive", &ARCHIVED_SEQ),
            ("explain", &move |account| {
                account.holds.insert(hold, held(10, now()));
            }),
            ("explain", &move |account| {
                account.holds.insert(hold, held(9, later));
            }),
            ("hold_exceeded", &move |account| {
                account.holds.insert(hold, held(10, later));
            }),
        ],
    );
}

/// Three debits at once have the same guards and steps as one debit of their sum.
#[test]
fn concurrent_debits_join_into_one_write() {
    let request = asked(Ask::Debit(ten()));
    let earlier = Attempt {
        id: OperationId::mint(instant("2026-11-18T11:59:30Z"), [2; 10]),
        ..attempt(&request, 2)
    };
    let attempts = [attempt(&request, 1), earlier, attempt(&request, 3)];
    let joined = operation::change(&attempts, None, now(), Route::Fast).expect("a write");
    let entries = attempts.map(|attempt| Step::Append(entry(&attempt)));
    let sum = Credits::whole(30);
    assert_eq!(
        joined,
        AccountWrite {
            account: account().id,
            when: vec![
                Guard::Covers(sum),
                Guard::ValidAt(now()),
                Guard::GateIs(Gate::OPEN),
                Guard::DedupFloorBelow(earlier.id.time()),
                Guard::RoomFor(3),
                Guard::New(attempts[0].id),
                Guard::New(attempts[1].id),
                Guard::New(attempts[2].id),
            ],
            then: vec![
                Step::Add(-sum),
                Step::Consume(0, sum),
                entries[0].clone(),
                entries[1].clone(),
                entries[2].clone(),
            ],
        }
    );
    let alone = operation::change(&attempts[..1], None, now(), Route::Fast);
    assert_eq!(AccountWrite::join(vec![alone.clone().expect("a write")]), alone);
    assert_eq!(AccountWrite::join(Vec::new()), None);
}
