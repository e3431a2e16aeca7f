//! The small cases: an account in each state that changes how a debit is sent, and its requests.

use super::bench::{ACCOUNT, Asked, Bench, exchange};
use tests::simulation::auditor::{self, Exchange};

/// A state of the account, and the path that a debit takes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// One write is enough.
    Fast,
    /// The key is no id.
    Name,
    /// The list is one short of a segment.
    PageDue,
    /// An entry younger than the id was archived.
    OldId,
    /// The same, and the operation happened and was archived too.
    OldIdThatHappened,
    /// The id is older than any request that may still arrive.
    LateId,
    /// The list is full.
    FullList,
    /// It is Monday.
    Monday,
    /// A grant has arrived and is not folded in.
    Noted,
    /// The credits are enough for one of the two requests.
    Scarce,
    /// The account is frozen.
    Frozen,
    /// Two credits are held.
    Held,
    /// There is no account.
    Absent,
}

/// Every state of an account for a debit.
pub(super) const CASES: [Case; 12] = [
    Case::Fast,
    Case::Name,
    Case::PageDue,
    Case::OldId,
    Case::OldIdThatHappened,
    Case::LateId,
    Case::FullList,
    Case::Monday,
    Case::Noted,
    Case::Scarce,
    Case::Frozen,
    Case::Held,
];

pub(super) fn debit(key: &str, micro: i64) -> Asked {
    let body = format!(r#"{{"credits":"{}.{:06}"}}"#, micro / 1_000_000, micro % 1_000_000);
    let path = format!("/v1/accounts/{ACCOUNT}/debits");
    let asked = vec![(key.to_owned(), -micro)];
    Asked { method: "POST", path, key: Some(key.to_owned()), body, asked }
}

pub(super) fn operator(
    method: &'static str,
    path: &str,
    key: &str,
    body: &str,
    credits: i64,
) -> Asked {
    let path = format!("/v1/accounts/{ACCOUNT}{path}");
    let (key, body) = (key.to_owned(), body.to_owned());
    let asked = vec![(format!("{}{key}", auditor::space(method, &path)), credits)];
    Asked { method, path, key: Some(key), body, asked }
}

pub(super) fn hold(key: &str, micro: i64) -> Asked {
    Asked { path: format!("/v1/accounts/{ACCOUNT}/holds"), ..debit(key, micro) }
}

/// A key alias and an id, in one write.
pub(super) fn batch(bench: &Bench) -> Asked {
    let debits = [debit("in a batch", 300_000), debit(&bench.id(102, 0), 200_000)];
    batch_of("all_or_nothing", &debits)
}

fn batch_of(mode: &str, debits: &[Asked]) -> Asked {
    let bodies = debits.iter().map(|debit| {
        let key = debit.key.as_deref().unwrap_or_default();
        debit.body.replacen('{', &format!(r#"{{"id":"{key}","#), 1)
    });
    let bodies = bodies.collect::<Vec<_>>().join(",");
    Asked {
        path: format!("/v1/accounts/{ACCOUNT}/debits/batch"),
        key: None,
        body: format!(r#"{{"mode":"{mode}","debits":[{bodies}]}}"#),
        asked: debits.iter().flat_map(|debit| debit.asked.clone()).collect(),
        ..debits[0].clone()
    }
}

/// Debits each of which stands alone. The second fits only where a grant has arrived.
pub(super) fn batch_of_each(bench: &Bench) -> Asked {
    let debits = [
        debit("in a batch", 300_000),
        debit(&bench.id(102, 0), 30_000_000),
        debit(&bench.id(103, 0), 200_000),
    ];
    batch_of("each", &debits)
}

pub(super) fn read(path: &str) -> Asked {
    let path = format!("/v1/accounts/{ACCOUNT}{path}");
    Asked { method: "GET", path, key: None, body: String::new(), asked: Vec::new() }
}

pub(super) fn grant(key: &str) -> Asked {
    operator("POST", "/grants", key, r#"{"credits":"10","reason":"test"}"#, 10_000_000)
}

impl Case {
    /// Brings the account into the state. Returns the exchanges of that.
    pub(super) async fn set_up(self, bench: &Bench) -> Vec<Exchange> {
        bench.gate.set_open(true);
        bench.restore(&Vec::new());
        bench.set_clock(self.opened());
        if self == Case::Absent {
            return Vec::new();
        }
        let mut asked = vec![operator("PUT", "", "open", r#"{"plan":"free"}"#, 25_000_000)];
        let fresh = |number: u8| debit(&bench.id(number, 0), 100_000);
        match self {
            Case::Fast | Case::Name | Case::LateId | Case::Monday | Case::Absent => {
                asked.extend((0..2).map(fresh));
            }
            Case::PageDue => asked.extend((0..14).map(fresh)),
            Case::OldId => asked.extend((0..24).map(fresh)),
            Case::OldIdThatHappened => {
                asked.push(self.first(bench));
                asked.extend((0..24).map(fresh));
            }
            Case::FullList => {
                bench.gate.set_refuses_pages(true);
                asked.extend((0..63).map(fresh));
            }
            Case::Noted => asked.push(grant("grant before")),
            Case::Held => asked.push(hold(&self.hold(bench), 2_000_000)),
            Case::Scarce => asked.push(debit(&bench.id(0, 0), 23_500_000)),
            Case::Frozen => {
                asked.push(operator("POST", "/freeze", "freeze", r#"{"reason":"test"}"#, 0));
            }
        }
        let mut exchanges = Vec::new();
        for asked in asked {
            let answer = bench.send(0, &asked).await;
            assert_eq!(answer.status, 201, "{self:?}: {asked:?}: {answer:?}");
            exchanges.extend(exchange(&asked, i64::MIN, i64::MIN, Some(answer)));
        }
        bench.gate.set_refuses_pages(false);
        let (entries, paged) = bench.entries();
        let as_meant = match self {
            Case::PageDue => (entries, paged) == (15, 0),
            Case::OldId | Case::OldIdThatHappened => paged > 0,
            Case::FullList => (entries, paged) == (64, 0),
            _ => paged == 0,
        };
        assert!(as_meant, "{self:?}: {entries} entries, {paged} in pages");
        match self {
            Case::Monday => bench.set_clock("2026-11-16T00:00:30Z"),
            // Inside the dedup window, and behind the dedup floor.
            _ => bench.advance_ms(10_000),
        }
        exchanges
    }

    /// The instant at which the account was opened.
    fn opened(self) -> &'static str {
        match self {
            Case::Monday => "2026-11-15T23:59:00Z",
            _ => "2026-11-18T11:00:00Z",
        }
    }

    /// The id of the hold of [`Case::Held`].
    fn hold(self, bench: &Bench) -> String {
        bench.id_of(110, self.opened())
    }

    /// Captures half of the held credits.
    pub(super) fn capture(self, bench: &Bench, key: &str) -> Asked {
        let path = format!("/holds/{}/capture", self.hold(bench));
        operator("POST", &path, key, r#"{"credits":"1"}"#, -1_000_000)
    }

    pub(super) fn release(self, bench: &Bench, key: &str) -> Asked {
        operator("POST", &format!("/holds/{}/release", self.hold(bench)), key, "{}", 0)
    }

    pub(super) fn extend(self, bench: &Bench, key: &str) -> Asked {
        let path = format!("/holds/{}/extend", self.hold(bench));
        operator("POST", &path, key, r#"{"expires_in_s":600}"#, 0)
    }

    /// Refunds the first debit, a tenth of a credit.
    pub(super) fn refund(self, bench: &Bench, key: &str) -> Asked {
        let debit = bench.id_of(0, self.opened());
        let body = r#"{"credits":"0.1","reason":"test"}"#;
        operator("POST", &format!("/debits/{debit}/refund"), key, body, 100_000)
    }

    /// The debit, or the capture, that two handlers get at once.
    pub(super) fn first(self, bench: &Bench) -> Asked {
        let key = match self {
            Case::Name => "job 1".to_owned(),
            Case::OldId => bench.id(100, 30_000),
            // The same id before and after the ten seconds at the end of the set-up.
            Case::OldIdThatHappened => bench.id_of(100, "2026-11-18T10:59:30Z"),
            Case::LateId => bench.id(100, 140_000),
            _ => bench.id(100, 0),
        };
        match self {
            Case::Held => self.capture(bench, &key),
            _ => debit(&key, 1_000_000),
        }
    }

    /// The request that a third handler gets meanwhile.
    pub(super) fn second(self, bench: &Bench) -> Asked {
        match self {
            Case::Noted => grant("grant"),
            // Each handler stores a segment first; a third
            // one that does has more schedules than hours.
            Case::FullList => read("/balance"),
            Case::Held => self.release(bench, &bench.id(101, 0)),
            _ => debit(&bench.id(101, 0), 1_000_000),
        }
    }
}
