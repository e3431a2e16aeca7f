//! What DynamoDB answered: recorded on an embedded table once, and answered again without one.

use std::sync::{Arc, Mutex};

use dynoxide::Database;
use local::embedded::answer;

/// A call to DynamoDB: the operation, the body of the request, and that of the answer.
#[derive(Clone)]
pub(crate) struct Call {
    pub operation: String,
    pub asked: Vec<u8>,
    pub answered: (u16, String),
}

/// The calls, and the place of the next one to answer.
#[derive(Clone)]
pub(crate) struct Tape(Arc<Mutex<Reel>>);

enum Reel {
    Records { database: Database, calls: Vec<Call> },
    Plays { answers: std::vec::IntoIter<(u16, String)> },
}

impl Tape {
    /// Records the calls to an empty table.
    pub(crate) fn new() -> Tape {
        let database = Database::memory().expect("a database in memory");
        Tape(Arc::new(Mutex::new(Reel::Records { database, calls: Vec::new() })))
    }

    /// Forgets the calls so far: they led to where the measurement begins.
    pub(crate) fn forget(&self) {
        if let Reel::Records { calls, .. } = &mut *self.reel() {
            calls.clear();
        }
    }

    /// Answers from now on what it has recorded, from the first call on, and returns those calls.
    pub(crate) fn rewind(&self) -> Vec<Call> {
        let mut reel = self.reel();
        let Reel::Records { calls, .. } = &mut *reel else { panic!("the tape is rewound once") };
        let calls = std::mem::take(calls);
        let answers: Vec<_> = calls.iter().map(|call| call.answered.clone()).collect();
        *reel = Reel::Plays { answers: answers.into_iter() };
        calls
    }

    /// Whether all that was recorded has been answered.
    pub(crate) fn is_over(&self) -> bool {
        matches!(&*self.reel(), Reel::Plays { answers } if answers.len() == 0)
    }

    /// Answers a call.
    pub(crate) fn answer(&self, operation: &str, asked: &[u8]) -> (u16, String) {
        match &mut *self.reel() {
            Reel::Records { database, calls } => {
                let answered = answer(database, operation, asked);
                let (operation, asked) = (operation.to_owned(), asked.to_owned());
                calls.push(Call { operation, asked, answered: answered.clone() });
                answered
            }
            Reel::Plays { answers } => answers.next().expect("as many calls as were recorded"),
        }
    }

    fn reel(&self) -> std::sync::MutexGuard<'_, Reel> {
        self.0.lock().expect("nobody panics with the tape")
    }
}
