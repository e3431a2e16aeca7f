//! Subscriptions: an account's plan against a model of what Stripe bills.
//!
//! The model knows cycles and sizes, and nothing of periods, anchors or restarts: each cycle that
//! is paid or tried covers its months, and each month is granted the largest size that was paid for
//! in it, once.

use chrono::{DateTime, Days, Months, Utc};
use proptest::prelude::*;
use shared::decide::open::{self, PlanRequest};
use shared::decide::{advance, subscription};
use shared::domain::instant::Span;
use shared::domain::period::{Day, Period};
use shared::domain::subscription::{
    Billing, Priced, Subscription, SubscriptionItem, SubscriptionStatus as Is,
};
use shared::domain::{
    Account, Catalog, CatalogFiles, Credits, EntryKind, GrantKind, Instant, OperationId, Status,
};

const PLANS: &str = r#"
    version = 1
    contact_url = "https://example.com"
    [actions.image]
    number = 1
    credits = "1"
    per = 1
    unit = "image"
    limit = 10
    [plans.free]
    ai = true
    weekly = "25"
    [plans.starter]
    ai = true
    monthly = "500"
    stripe_prices = ["price_starter"]
    [plans.pro]
    ai = true
    monthly = "2500"
    trial_monthly = "100"
    stripe_prices = ["price_pro", "price_pro_year"]
    [plans.team]
    ai = true
    monthly = "300"
    per_seat = true
    stripe_prices = ["price_seat"]
"#;

fn catalog() -> Catalog {
    let files = CatalogFiles { catalog: PLANS.to_owned(), ..CatalogFiles::built_in() };
    Catalog::parse(&files).expect("a catalog")
}

/// What a price grants a month, in whole credits.
fn size(price: &str, quantity: u64, trial: bool) -> i64 {
    match price {
        "price_starter" if !trial => 500,
        "price_pro" | "price_pro_year" if trial => 100,
        "price_pro" | "price_pro_year" => 2500,
        "price_seat" if !trial => 300 * quantity as i64,
        _ => 0,
    }
}

fn utc(at: Instant) -> DateTime<Utc> {
    at.utc()
}

fn instant(at: DateTime<Utc>) -> Instant {
    Instant::from_ms(at.timestamp_millis())
}

fn months_after(at: Instant, months: u32) -> Instant {
    instant(utc(at).checked_add_months(Months::new(months)).expect("a date"))
}

fn midnight(at: Instant) -> Instant {
    Day::of(at).start()
}

/// What the customer or the merchant does.
#[derive(Clone, Debug)]
enum Deed {
    Subscribe {
        price: &'static str,
        quantity: u64,
        trial_days: Option<u64>,
    },
    /// Another price, in the cycle that runs.
    Change(&'static str, u64),
    /// Another price, with a cycle that begins now.
    Restart(&'static str),
    /// Another price, from the end of the cycle on.
    ChangeAtEnd(&'static str),
    Seats(u64),
    CancelNow,
    CancelAtEnd,
    Resume,
    /// From now on payments fail, or are made again.
    Fail,
    Pay,
}

#[derive(Clone, Debug)]
struct Bill {
    number: u32,
    price: &'static str,
    quantity: u64,
    is: Is,
    anchored_at: Instant,
    cycles: u32,
    start: Instant,
    end: Instant,
    ends: bool,
    then: Option<&'static str>,
    fails: bool,
    /// The cycle that runs has covered no month yet: it is not paid for.
    owed: bool,
}

impl Bill {
    fn months(&self) -> u32 {
        if self.price == "price_pro_year" { 12 } else { 1 }
    }

    fn begin(&mut self, now: Instant) {
        (self.anchored_at, self.cycles, self.start) = (now, 1, now);
        self.end = months_after(now, self.months());
    }

    fn size(&self) -> i64 {
        match self.is {
            Is::Active | Is::Trialing => size(self.price, self.quantity, self.is == Is::Trialing),
            _ => 0,
        }
    }

    /// As Stripe would say it.
    fn said(&self) -> Subscription {
        let of = |price: &str| Priced { price: price.to_owned(), quantity: self.quantity };
        let cycle = Period { start: self.start, end: self.end };
        let trial = self.is == Is::Trialing;
        Subscription {
            id: format!("sub_{}", self.number).parse().expect("an id"),
            account: Some("acme".to_owned()),
            topup: None,
            customer: "cus_1".to_owned(),
            status: self.is,
            items: vec![SubscriptionItem { of: of(self.price), cycle, by_months: true }],
            anchored_at: if trial { self.end } else { self.anchored_at },
            ends_at: self.ends.then_some(self.end),
            then: self.then.map(|price| (self.end, vec![of(price)])),
        }
    }
}

/// A month that a cycle covers.
#[derive(Clone, Copy, Debug)]
struct Month {
    begins: Instant,
    ends: Instant,
    granted: i64,
}

struct World {
    catalog: Catalog,
    now: Instant,
    bill: Option<Bill>,
    bills: u32,
    /// What has to be granted by now.
    expected: i64,
    month: Option<Month>,
    account: Account,
    billing: Billing,
    granted: Credits,
    operations: u8,
}

impl World {
    fn begin(now: Instant) -> World {
        let catalog = catalog();
        let id = "acme".parse().expect("an account");
        let operation = OperationId::mint(now, [0; 10]);
        let opened = open::open(&id, &PlanRequest::of("free"), operation, &catalog, None, now);
        World {
            catalog,
            now,
            bill: None,
            bills: 0,
            expected: 0,
            month: None,
            account: opened.expect("a plan"),
            billing: Billing::new(id, false),
            granted: Credits::ZERO,
            operations: 0,
        }
    }

    /// Opens a month of the bill, or grants what is missing of the one that runs.
    fn cover(&mut self, begins: Option<(Instant, Instant)>) {
        let size = self.bill.as_ref().map_or(0, Bill::size);
        if let Some((begins, ends)) = begins {
            self.month = Some(Month { begins, ends, granted: 0 });
        }
        if let Some(month) = &mut self.month
            && size > month.granted
        {
            self.expected += size - month.granted;
            month.granted = size;
        }
    }

    /// The month that contains `at`, of a cycle anchored then.
    fn month_of(anchored: Instant, at: Instant) -> (Instant, Instant) {
        let starts = (0..).map(|n| midnight(months_after(anchored, n)));
        let pairs = starts.clone().zip(starts.skip(1));
        let mut found = pairs.skip_while(|(_, end)| *end <= at);
        found.next().expect("time goes on")
    }

    fn new_cycle(&mut self) {
        let (now, anchored) = (self.now, self.bill.as_ref().expect("a bill").anchored_at);
        let (_, ends) = World::month_of(anchored, now);
        self.cover(Some((now, ends)));
    }

    fn subscribe(&mut self, price: &'static str, quantity: u64, trial_days: Option<u64>) {
        if self.bill.as_ref().is_some_and(|bill| bill.is.runs()) {
            return;
        }
        self.bills += 1;
        let now = self.now;
        let mut bill = Bill {
            number: self.bills,
            price,
            quantity,
            is: Is::Active,
            anchored_at: now,
            cycles: 1,
            start: now,
            end: now,
            ends: false,
            then: None,
            fails: false,
            owed: false,
        };
        bill.begin(now);
        if let Some(days) = trial_days {
            bill.is = Is::Trialing;
            bill.end = instant(utc(now) + Days::new(days));
        }
        self.bill = Some(bill);
        self.new_cycle();
    }

    fn act(&mut self, deed: &Deed) {
        let now = self.now;
        if let Deed::Subscribe { price, quantity, trial_days } = deed {
            return self.subscribe(price, *quantity, *trial_days);
        }
        let Some(bill) = self.bill.as_mut().filter(|bill| bill.is.runs()) else { return };
        let trial = bill.is == Is::Trialing;
        let last_day = midnight(bill.end) <= now;
        match deed {
            Deed::Subscribe { .. } => {}
            // The next month has begun by the account's clock: what is decided then is at once.
            Deed::ChangeAtEnd(_) | Deed::CancelAtEnd if last_day => {}
            // Stripe begins a cycle where the interval changes, so that is a deed of its own.
            Deed::Change(price, quantity) if bill.months() == 1 => {
                (bill.price, bill.quantity, bill.then) = (price, *quantity, None);
                self.cover(None);
            }
            Deed::Restart(price) if !trial && bill.is == Is::Active => {
                (bill.price, bill.then, bill.ends) = (price, None, false);
                bill.begin(now);
                self.new_cycle();
            }
            Deed::ChangeAtEnd(price) if bill.months() == 1 && !trial && !bill.ends => {
                bill.then = Some(price);
            }
            Deed::Seats(seats) => {
                bill.quantity = *seats;
                self.cover(None);
            }
            Deed::CancelNow => bill.is = Is::Canceled,
            Deed::CancelAtEnd => (bill.ends, bill.then) = (true, None),
            Deed::Resume if last_day && bill.ends => {
                bill.ends = false;
                let month = World::month_of(bill.anchored_at, now);
                self.cover((!trial).then_some(month));
            }
            Deed::Resume => bill.ends = false,
            Deed::Fail => bill.fails = true,
            Deed::Pay => {
                bill.fails = false;
                if bill.is == Is::PastDue {
                    bill.is = Is::Active;
                    if std::mem::take(&mut bill.owed) {
                        return self.new_cycle();
                    }
                    let runs = self.month.is_some_and(|month| month.ends > now);
                    let month = World::month_of(bill.anchored_at, now);
                    self.cover((!runs).then_some(month));
                }
            }
            _ => {}
        }
    }

    /// Midnight: months begin by the account's clock, also those of the cycle that Stripe begins
    /// later on this day.
    fn midnight(&mut self) {
        let now = self.now;
        let Some(bill) = &mut self.bill else { return };
        let renews_today = midnight(bill.end) == now;
        let over = renews_today && bill.ends;
        if !bill.is.runs() || over {
            return;
        }
        let price = bill.price;
        if renews_today && let Some(then) = bill.then {
            bill.price = then;
        }
        let anchored = if bill.is == Is::Trialing { bill.start } else { bill.anchored_at };
        let month = World::month_of(anchored, now);
        if month.0 == now && self.month.is_none_or(|month| month.ends <= now) {
            self.cover(Some(month));
        }
        if let Some(bill) = &mut self.bill {
            bill.price = price;
        }
    }

    /// What Stripe does by itself at the end of a cycle.
    fn renew(&mut self) {
        let Some(bill) = &mut self.bill else { return };
        let now = bill.end;
        if !bill.is.runs() || now > self.now {
            return;
        }
        if bill.ends {
            bill.is = Is::Canceled;
            return;
        }
        if let Some(then) = bill.then.take() {
            bill.price = then;
        }
        if bill.is == Is::Trialing {
            bill.is = if bill.fails { Is::PastDue } else { Is::Active };
            bill.begin(now);
            // Where the trial's own month began today by the clock, it goes on.
            let (_, ends) = World::month_of(now, now);
            match self.month {
                Some(month) if (month.begins, month.ends) == (midnight(now), ends) => {
                    self.cover(None);
                }
                _ if bill.is == Is::Active => self.new_cycle(),
                _ => bill.owed = true,
            }
            return;
        }
        (bill.start, bill.cycles, bill.owed) = (now, bill.cycles + 1, false);
        bill.end = months_after(bill.anchored_at, bill.cycles * bill.months());
        bill.is = if bill.fails { Is::PastDue } else { Is::Active };
        self.cover(None);
    }

    /// Asks Stripe, as a hint makes a handler do; twice, as hints come.
    fn follow(&mut self) {
        for _ in 0..2 {
            self.advance();
            let Some(bill) = &self.bill else { return };
            self.operations = self.operations.wrapping_add(1);
            let id = OperationId::mint(self.now, [self.operations; 10]);
            let known = (&self.account, &self.account.plan_state);
            let change = subscription::change(
                &self.billing,
                vec![bill.said()],
                known,
                id,
                &self.catalog,
                self.now,
            );
            assert_eq!(change.billing.parked, None);
            self.billing = Billing { version: self.billing.version + 1, ..change.billing };
            if let Some(write) = change.change {
                self.account = write.apply(Some(self.account.clone())).expect("there");
            }
            self.advance();
        }
    }

    fn advance(&mut self) {
        if !advance::is_due(&self.account, self.now) {
            return;
        }
        let change = advance::change(&self.account, &self.catalog, self.now).expect("sound");
        let seq = self.account.seq;
        self.account = change.apply(Some(self.account.clone())).expect("there");
        let entries = self.account.recent.iter().rev().take((self.account.seq - seq) as usize);
        for entry in entries {
            let EntryKind::TimePassed { moved, .. } = &entry.kind else { continue };
            let arrived = moved.iter().filter(|moved| moved.kind == GrantKind::Plan);
            let arrived = arrived.map(|moved| moved.credits.max(Credits::ZERO));
            self.granted += arrived.sum::<Credits>();
        }
        self.account.recent.clear();
        self.account.archived_seq = self.account.seq;
    }

    /// Goes to the next instant at which something happens by itself, up to `until`.
    fn wait(&mut self, until: Instant, late: Span) {
        while self.now < until {
            let next = midnight(self.now) + Span::from_s(86_400);
            let ends = self.bill.as_ref().filter(|bill| bill.is.runs()).map(|bill| bill.end);
            let ends = ends.map(|end| end.max(self.now));
            self.now = [Some(next), ends, Some(until)].into_iter().flatten().min().expect("one");
            if self.now == next {
                self.midnight();
            }
            self.advance();
            let before = self.bill.as_ref().map(|bill| (bill.start, bill.is));
            self.renew();
            if before != self.bill.as_ref().map(|bill| (bill.start, bill.is)) {
                // The hint comes a while later.
                self.now = self.now + late;
                self.follow();
            }
            self.check();
        }
    }

    fn check(&self) {
        let expected = Credits::whole(self.expected);
        assert_eq!(self.granted, expected, "{}: {:?} {:?}", self.now, self.bill, self.month);
    }
}

/// Plays deeds in the afternoons of days; each of Stripe's hints comes `late`.
fn play(begins: Instant, steps: &[(u64, Deed)], late: Span) -> World {
    let mut world = World::begin(begins);
    for (n, (days, deed)) in steps.iter().enumerate() {
        let day = midnight(world.now) + Span::from_s(*days as i64 * 86_400);
        // Each at a second of its own, so that nothing happens in the one in which Stripe renews.
        let afternoon = day + Span::from_s(18 * 3_600 + n as i64);
        world.wait(afternoon.max(world.now + MINUTE), late);
        world.act(deed);
        world.now = world.now + late;
        world.follow();
        world.check();
    }
    world
}

fn at(text: &str) -> Instant {
    Instant::parse(text).expect("an instant")
}

fn subscribe(price: &'static str) -> Deed {
    Deed::Subscribe { price, quantity: 1, trial_days: None }
}

const MINUTE: Span = Span::from_s(61);

fn deed() -> impl Strategy<Value = Deed> {
    let price = || prop::sample::select(vec!["price_starter", "price_pro", "price_seat"]);
    let yearly = prop::sample::select(vec!["price_starter", "price_pro", "price_pro_year"]);
    prop_oneof![
        4 => (yearly.clone(), 1..4_u64, prop::option::of(1..70_u64)).prop_map(
            |(price, quantity, trial_days)| Deed::Subscribe { price, quantity, trial_days }
        ),
        2 => (price(), 1..4_u64).prop_map(|(price, quantity)| Deed::Change(price, quantity)),
        1 => yearly.prop_map(Deed::Restart),
        2 => price().prop_map(Deed::ChangeAtEnd),
        2 => (1..5_u64).prop_map(Deed::Seats),
        1 => Just(Deed::CancelNow),
        2 => Just(Deed::CancelAtEnd),
        2 => Just(Deed::Resume),
        1 => Just(Deed::Fail),
        2 => Just(Deed::Pay),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_account_is_granted_the_cycles_that_are_paid_or_tried_each_once(
        day in 0..400_i64,
        steps in prop::collection::vec((0..50_u64, deed()), 1..12),
        // No hint is so late that it comes after midnight.
        late_s in prop::sample::select(vec![0, 61, 793]),
    ) {
        let begins = at("2026-11-18T14:23:00Z") + Span::from_s(day * 86_400);
        let mut world = play(begins, &steps, Span::from_s(late_s));
        let end = world.now + Span::from_s(70 * 86_400);
        world.wait(end, Span::from_s(late_s));
    }
}

#[test]
fn a_subscription_of_the_afternoon_is_granted_twelve_renewals_at_midnight() {
    for day in ["2026-11-18", "2027-01-31", "2028-02-29"] {
        let begins = at(&format!("{day}T14:22:00Z"));
        let mut world = play(begins, &[(0, subscribe("price_pro"))], MINUTE);
        let year = months_after(world.bill.as_ref().expect("a bill").start, 12);
        world.wait(year + Span::from_s(3_600), MINUTE);
        assert_eq!(world.granted, Credits::whole(13 * 2500), "{day}");
    }
}

#[test]
fn a_year_paid_at_once_is_granted_each_month() {
    let begins = at("2027-01-31T14:22:00Z");
    let mut world = play(begins, &[(0, subscribe("price_pro_year"))], MINUTE);
    world.wait(begins + Span::from_s(364 * 86_400), MINUTE);
    assert_eq!(world.granted, Credits::whole(12 * 2500));
}

#[test]
fn a_subscription_that_ends_with_its_period_is_canceled_by_the_clock_and_resumed() {
    let steps = [(0, subscribe("price_pro")), (3, Deed::CancelAtEnd)];
    let mut world = play(at("2026-11-18T14:22:00Z"), &steps, MINUTE);
    let next = world.account.plan_state.next.clone().expect("a change is due");
    assert_eq!((next.status, next.at), (Status::Canceled, at("2026-12-18T00:00:00Z")));
    let (_, resumed) = (world.act(&Deed::Resume), world.follow());
    assert_eq!((resumed, &world.account.plan_state.next), ((), &None));
    world.act(&Deed::CancelAtEnd);
    world.follow();
    world.wait(at("2026-12-18T00:00:00Z"), MINUTE);
    assert_eq!(world.account.plan_state.terms.status, Status::Canceled);
    assert_eq!(world.granted, Credits::whole(2500));
}

#[test]
fn seats_up_fill_the_period_and_seats_down_wait_for_the_next() {
    let team = Deed::Subscribe { price: "price_seat", quantity: 2, trial_days: None };
    let steps = [(0, team), (3, Deed::Seats(5)), (2, Deed::Seats(1))];
    let mut world = play(at("2026-11-18T14:22:00Z"), &steps, MINUTE);
    assert_eq!(world.granted, Credits::whole(5 * 300));
    world.wait(at("2026-12-19T00:00:00Z"), MINUTE);
    assert_eq!(world.granted, Credits::whole(6 * 300));
}

#[test]
fn two_subscriptions_at_once_and_a_price_of_no_plan_wait_for_an_operator() {
    let steps = [(0, subscribe("price_pro"))];
    let mut world = play(at("2026-11-18T14:22:00Z"), &steps, MINUTE);
    let before = world.account.clone();
    let first = world.bill.clone().expect("a bill");
    let mut ask = |said: Subscription| {
        let known = (&world.account, &world.account.plan_state);
        let id = OperationId::mint(world.now, [99; 10]);
        let change =
            subscription::change(&world.billing, vec![said], known, id, &world.catalog, world.now);
        assert!(change.change.is_none());
        world.billing = change.billing;
        world.billing.parked.clone().map(|parked| parked.problem)
    };
    let second = Bill { number: 2, ..first.clone() };
    let problem = ask(second.said()).expect("parked");
    assert_eq!(problem, "two subscriptions run at once: sub_1 and sub_2");
    let over = Bill { is: Is::Canceled, ..second.clone() };
    assert_eq!(ask(over.said()), None);
    let mut unknown = first.said();
    unknown.items[0].of.price = "price_other".to_owned();
    assert_eq!(ask(unknown).expect("parked"), "no plan has the price price_other");
    assert_eq!(ask(first.said()), None);
    assert_eq!(world.account, before);
}
