//! A model of what Stripe bills: cycles and sizes, and nothing of periods, anchors or restarts. Each
//! cycle that is paid or tried covers its months, and each month is granted the largest size that was
//! paid for in it, once.

use chrono::Days;
use shared::decide::open::{self, PlanRequest};
use shared::decide::{advance, subscription};
use shared::domain::instant::Span;
use shared::domain::subscription::{Billing, SubscriptionStatus as Is};
use shared::domain::{Account, Catalog, Credits, EntryKind, GrantKind, Instant, OperationId};

use super::bill::{Bill, Deed, catalog, instant, midnight, months_after, utc};

/// A month that a cycle covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Month {
    begins: Instant,
    ends: Instant,
    granted: i64,
}

pub(super) struct World {
    pub(super) catalog: Catalog,
    pub(super) now: Instant,
    pub(super) bill: Option<Bill>,
    pub(super) bills: u32,
    /// What has to be granted by now.
    pub(super) expected: i64,
    pub(super) month: Option<Month>,
    pub(super) account: Account,
    pub(super) billing: Billing,
    pub(super) granted: Credits,
    pub(super) operations: u8,
}

impl World {
    pub(super) fn begin(now: Instant) -> World {
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
    pub(super) fn cover(&mut self, begins: Option<(Instant, Instant)>) {
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
    pub(super) fn month_of(anchored: Instant, at: Instant) -> (Instant, Instant) {
        let starts = (0..).map(|n| midnight(months_after(anchored, n)));
        let pairs = starts.clone().zip(starts.skip(1));
        let mut found = pairs.skip_while(|(_, end)| *end <= at);
        found.next().expect("time goes on")
    }

    pub(super) fn new_cycle(&mut self) {
        let (now, anchored) = (self.now, self.bill.as_ref().expect("a bill").anchored_at);
        let (_, ends) = World::month_of(anchored, now);
        self.cover(Some((now, ends)));
    }

    pub(super) fn subscribe(
        &mut self,
        price: &'static str,
        quantity: u64,
        trial_days: Option<u64>,
    ) {
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

    pub(super) fn act(&mut self, deed: &Deed) {
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
    pub(super) fn midnight(&mut self) {
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
    pub(super) fn renew(&mut self) {
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
    pub(super) fn follow(&mut self) {
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

    pub(super) fn advance(&mut self) {
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
    pub(super) fn wait(&mut self, until: Instant, late: Span) {
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

    pub(super) fn check(&self) {
        let expected = Credits::whole(self.expected);
        assert_eq!(self.granted, expected, "{}: {:?} {:?}", self.now, self.bill, self.month);
    }
}

/// Plays deeds in the afternoons of days; each of Stripe's hints comes `late`.
pub(super) fn play(begins: Instant, steps: &[(u64, Deed)], late: Span) -> World {
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

pub(super) fn at(text: &str) -> Instant {
    Instant::parse(text).expect("an instant")
}

pub(super) fn subscribe(price: &'static str) -> Deed {
    Deed::Subscribe { price, quantity: 1, trial_days: None }
}

pub(super) const MINUTE: Span = Span::from_s(61);
