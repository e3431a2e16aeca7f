//! Every schedule of two handlers with one id and a third with another, each with a crash or a lost
//! message at any point.
//!
//! A schedule is a list of choices: whose request passes next, and how. The full size plays all
//! lists, depth first; a list that reaches a known state stops there, because the rest would be the
//! same. The small size plays a number of random lists of every case.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::proof::{self, SCHEDULES};
use tests::simulation::auditor::Exchange;
use tests::support::Answer;
use tokio::task::JoinHandle;

use super::bench::{Asked, Bench, HANDLERS, exchange, hash_json};
use super::cases::{CASES, Case};
use super::gate::Passage;
use super::on_one_thread;

/// The faults, at most one in a schedule.
const FAULTS: [Passage; 4] =
    [Passage::LoseRequest, Passage::LoseReply, Passage::CrashBefore, Passage::CrashAfter];
/// No schedule is longer: every loop of the handlers is bounded.
const MAX_STEPS: usize = 60;

#[derive(Debug, Default)]
struct Explored {
    schedules: usize,
    /// Schedules that reached a known state.
    joined: usize,
    steps: usize,
    states: usize,
}

#[test]
fn every_schedule_of_three_handlers_leaves_one_debit() {
    // Two threads: cases share no state.
    let (one, two): (Vec<Case>, Vec<Case>) =
        CASES.iter().partition(|case| (**case as usize).is_multiple_of(2));
    let all = AtomicUsize::new(0);
    let bar = SCHEDULES.bar(CASES.len() as u64);
    std::thread::scope(|scope| {
        for cases in [one, two] {
            let (all, bar) = (&all, &bar);
            scope.spawn(move || {
                for case in cases {
                    let explored = on_one_thread(explore(case));
                    println!("{case:?}: {explored:?}");
                    assert!(explored.schedules > 6, "{case:?}: three handlers have more schedules");
                    all.fetch_add(explored.schedules, Ordering::Relaxed);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let all = all.into_inner();
    SCHEDULES.say(format_args!("{all} schedules in {} states: one debit each", CASES.len()));
}

async fn explore(case: Case) -> Explored {
    let bench = Rc::new(Bench::new().await);
    let before = case.set_up(&bench).await;
    let items = bench.items();
    let asked = [case.first(&bench), case.first(&bench), case.second(&bench)];
    let mut explored = Explored::default();
    let most = usize::try_from(SCHEDULES.get()).unwrap_or(usize::MAX);
    let mut random = (most < usize::MAX).then(|| StdRng::seed_from_u64(proof::seed(1)));
    let mut known: HashSet<u64> = HashSet::new();
    let mut choices: Vec<usize> = Vec::new();
    loop {
        bench.restore(&items);
        let mut schedule = Schedule::begin(&bench, &asked);
        let mut options = Vec::new();
        let ended = loop {
            schedule.advance().await;
            let open = schedule.options();
            if open.is_empty() {
                break true;
            }
            let step = options.len();
            assert!(step < MAX_STEPS, "{case:?} {choices:?}: no end");
            if step >= choices.len() {
                explored.steps += 1;
                // A state is known once every continuation has been or will be played.
                if !known.insert(schedule.state()) && random.is_none() {
                    break false;
                }
                choices
                    .push(random.as_mut().map_or(0, |random| random.random_range(0..open.len())));
            }
            options.push(open.len());
            let (handler, passage) = open[choices[step]];
            schedule.pass(handler, passage).await;
        };
        match ended {
            true => {
                explored.schedules += 1;
                let wrong = schedule.end(case, &asked, &before).await.err();
                assert_eq!(wrong, None, "{case:?}: {:?}", schedule.told);
            }
            false => explored.joined += 1,
        }
        schedule.stop();
        match random {
            Some(_) => choices.clear(),
            None => next(&mut choices, &options),
        }
        let all = explored.schedules >= most || (random.is_none() && choices.is_empty());
        if all {
            explored.states = known.len();
            return explored;
        }
    }
}

/// Makes the next list of choices: the last one that has an
/// alternative takes it. Empty: none is left.
fn next(choices: &mut Vec<usize>, options: &[usize]) {
    choices.truncate(options.len());
    while let Some(last) = choices.pop() {
        if last + 1 < options[choices.len()] {
            choices.push(last + 1);
            return;
        }
    }
}

/// One schedule as it runs.
struct Schedule {
    bench: Rc<Bench>,
    running: Vec<Option<JoinHandle<Answer>>>,
    answers: Vec<Option<Answer>>,
    /// The answers that each handler got so far: with the table, they decide how it continues.
    heard: [DefaultHasher; HANDLERS],
    faulty: bool,
    told: Vec<(usize, Passage)>,
}

impl Schedule {
    fn begin(bench: &Rc<Bench>, asked: &[Asked; HANDLERS]) -> Schedule {
        bench.gate.set_open(false);
        let running = asked.iter().enumerate().map(|(handler, asked)| {
            let (bench, asked) = (bench.clone(), asked.clone());
            let arrivals = bench.gate.arrivals.clone();
            Some(tokio::task::spawn_local(async move {
                let answer = bench.send(handler, &asked).await;
                arrivals.notify_one();
                answer
            }))
        });
        Schedule {
            running: running.collect(),
            bench: bench.clone(),
            answers: vec![None; HANDLERS],
            heard: std::array::from_fn(|_| DefaultHasher::new()),
            faulty: false,
            told: Vec::new(),
        }
    }

    /// Waits until every handler is at the gate, has answered or has crashed.
    async fn advance(&mut self) {
        loop {
            let mut busy = false;
            for handler in 0..HANDLERS {
                match &mut self.running[handler] {
                    Some(task) if task.is_finished() => {
                        self.answers[handler] = Some(task.await.expect("no handler panics"));
                        self.running[handler] = None;
                    }
                    Some(_) => busy |= !self.bench.gate.has_waiting(handler),
                    None => {}
                }
            }
            if !busy {
                return;
            }
            self.bench.gate.arrivals.notified().await;
            // A task that has sent its last notice finishes a moment later.
            tokio::task::yield_now().await;
        }
    }

    /// The handlers whose request may pass next, and how.
    fn options(&self) -> Vec<(usize, Passage)> {
        let waiting = (0..HANDLERS).filter(|handler| self.bench.gate.has_waiting(*handler));
        let faults: &[Passage] = if self.faulty { &[] } else { &FAULTS };
        let passages = [&[Passage::Whole], faults].concat();
        waiting.flat_map(|handler| passages.iter().map(move |p| (handler, *p))).collect()
    }

    async fn pass(&mut self, handler: usize, passage: Passage) {
        self.faulty |= passage != Passage::Whole;
        self.told.push((handler, passage));
        match self.bench.gate.pass(handler, passage).await {
            Some(heard) => hash_json(&heard, &mut self.heard[handler]),
            None => {
                "gone".hash(&mut self.heard[handler]);
                self.running[handler].take().expect("it was at the gate").abort();
            }
        }
    }

    /// A hash of everything that decides how the schedule continues.
    fn state(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.bench.state().hash(&mut hasher);
        self.heard.iter().for_each(|heard| heard.finish().hash(&mut hasher));
        self.faulty.hash(&mut hasher);
        hasher.finish()
    }

    /// Clients resend requests that got no answer; then the account is audited.
    async fn end(
        &mut self,
        case: Case,
        asked: &[Asked; HANDLERS],
        before: &[Exchange],
    ) -> Result<(), String> {
        self.bench.gate.set_open(true);
        let mut exchanges = before.to_vec();
        for (asked, answer) in asked.iter().zip(&self.answers) {
            exchanges.extend(exchange(asked, 0, 0, answer.clone()));
        }
        for asked in asked {
            let answer = self.bench.send(0, asked).await;
            let expected = match case {
                Case::Scarce => [201, 402],
                Case::Frozen => [403, 403],
                Case::Held => [201, 409],
                _ if asked.key.is_none() => [200, 200],
                _ => [201, 201],
            };
            if !expected.contains(&answer.status) {
                return Err(format!("{asked:?} ends in {answer:?}"));
            }
            exchanges.extend(exchange(asked, 1, 1, Some(answer)));
        }
        self.bench.audit(&exchanges).await.map(|_| ())
    }

    fn stop(self) {
        self.running.iter().flatten().for_each(JoinHandle::abort);
        self.bench.gate.set_open(true);
    }
}
