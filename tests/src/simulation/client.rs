//! What the clients of the simulation ask for: operations of every kind, with keys of every kind.

use rand::RngExt;
use shared::domain::{Instant, OperationId};

use super::{ACCOUNTS, Simulation};

/// An operation as a client sends it, as often as it must.
#[derive(Clone, Debug)]
pub struct Operation {
    pub account: usize,
    pub method: &'static str,
    pub path: String,
    pub key: String,
    pub body: String,
    /// Micro-credits that it adds to what is available, or takes (less than 0).
    pub credits: i64,
}

impl Simulation {
    /// What a client thinks of next.
    pub(super) fn think(&self, account: usize, number: usize, now_ms: i64) -> Operation {
        let base = format!("/v1/accounts/a{account}");
        let operation = |method, path: String, body: String, credits| {
            let key = self.key(number, now_ms);
            Operation { account, method, path, key, body, credits }
        };
        match self.below(100) {
            0..79 => self.debit(account, self.key(number, now_ms)),
            79 => {
                // Refused: the account comes from the route alone.
                let other = self.below(ACCOUNTS as u64);
                let body = format!(r#"{{"credits":"0.25","account":"a{other}"}}"#);
                operation("POST", format!("{base}/debits"), body, -250_000)
            }
            80..92 => {
                let credits = self.below(40) + 1;
                let days = self.pick(&[1, 5, 9]);
                let expires_at = Instant::from_ms(now_ms + days * 86_400_000 + 7);
                let body = format!(
                    r#"{{"credits":"{credits}","reason":"sim","expires_at":"{expires_at}"}}"#
                );
                operation("POST", format!("{base}/grants"), body, credits as i64 * 1_000_000)
            }
            92..96 => {
                let word = self.pick(&["freeze", "unfreeze", "unfreeze"]);
                operation("POST", format!("{base}/{word}"), r#"{"reason":"sim"}"#.to_owned(), 0)
            }
            _ => {
                let plan = self.pick(&["free", "free", "pro", "standard"]);
                let status = self.pick(&["active", "active", "past_due", "canceled"]);
                let body = format!(r#"{{"plan":"{plan}","status":"{status}"}}"#);
                operation("PUT", base.clone(), body, 0)
            }
        }
    }

    fn debit(&self, account: usize, key: String) -> Operation {
        let micro = (self.below(3_000_000) + 1) as i64;
        let body = format!(r#"{{"credits":"{}.{:06}"}}"#, micro / 1_000_000, micro % 1_000_000);
        let path = format!("/v1/accounts/a{account}/debits");
        Operation { account, method: "POST", path, key, body, credits: -micro }
    }

    /// Something that was asked before: the same again, or another debit by its key.
    pub(super) fn again(&self, before: &Operation) -> Operation {
        match self.below(8) == 0 && before.path.ends_with("/debits") {
            true => self.debit(before.account, before.key.clone()),
            false => before.clone(),
        }
    }

    /// A fresh id; one that is old, ahead or almost too old already; or a name.
    fn key(&self, number: usize, now_ms: i64) -> String {
        let age_ms = match self.below(20) {
            0..11 => self.below(50) as i64 - 10,
            11 => -(self.below(4_000) as i64),
            12 => 120_000 - self.below(6_000) as i64,
            13 => self.below(150_000) as i64,
            14 => self.below(3_000_000) as i64,
            _ => return format!("job {number} {}", self.below(1 << 40)),
        };
        let random = self.random.borrow_mut().random();
        OperationId::mint(Instant::from_ms(now_ms - age_ms), random).to_string()
    }
}
