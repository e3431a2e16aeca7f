//! `load`: a bounded load of debits on a stack. It says first what it costs, ends by itself, and
//! compares the ledger with every answer that its callers got.

mod accounts;
mod drive;
pub mod pace;
pub mod prices;
mod report;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use self::accounts::Account;
use self::drive::{DEBIT, Driven, Kind, Outcome, debits_of};
use self::prices::{CALLERS_OF_ONE, Prices, dollars};
use self::report::{Ledger, Report, Unknown};
use crate::api::{Api, ApiError, Asked};
use crate::exit::WrongUse;
use crate::options::load::Load;
use crate::terminal::{agrees, is_attended, put, put_json};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The requests before and after the load, for each account: a balance, opening, a grant, a
/// balance; a balance and the first page of the ledger.
const AROUND: u32 = 6;
/// The entries that a page of the ledger has.
const PAGE: u32 = 200;
/// How long a request that was sent may still arrive.
const IN_FLIGHT: Duration = Duration::from_secs(5);
/// How long an unknown outcome is asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a load, after its cost was confirmed, and prints what it found.
///
/// # Errors
/// If nobody can be asked, the person says no, the accounts cannot be made ready, an outcome stays
/// unknown, or the ledger does not add up.
pub async fn run(api: Api, load: Load) -> Result<(), Error> {
    if load.callers > CALLERS_OF_ONE * load.accounts {
        let why = format!("what more than {CALLERS_OF_ONE} callers of one account cost is unknown");
        return Err(WrongUse(why).into());
    }
    let says = said(&load);
    if load.dry_run {
        return Ok(put(format_args!("would send {says}"))?);
    }
    if !load.yes && !is_attended() {
        let why = "nobody is at a terminal to confirm: say --yes to send the load, or --dry-run to \
                   see what it costs";
        return Err(WrongUse(why.to_owned()).into());
    }
    eprint!("{says}");
    if !load.yes && !agrees("send it? [y/N] ") {
        return Err("nothing was sent".into());
    }
    let api = Arc::new(api);
    let accounts = accounts::ready(&api, &load).await?;
    let ids = accounts.iter().map(|account| account.id.clone()).collect();
    let driven = drive::drive(&api, &load, ids).await;
    // After the load, too: once it was listened to, the signal ends no program by itself.
    let report = tokio::select! {
        report = report(&api, &accounts, driven) => report,
        _ = tokio::signal::ctrl_c() => return Err("interrupted: nothing is compared".into()),
    };
    if load.print.json {
        put_json(&report)?
    } else {
        put(&report)?
    }
    let Ledger { wrong, not_compared, .. } = &report.ledger;
    match (wrong.is_empty(), not_compared.is_empty(), report.unknown.still) {
        (false, _, _) => Err("the ledger does not add up: see above".into()),
        (_, false, _) => Err("the ledger is not compared: see above".into()),
        (_, _, 0) => Ok(()),
        _ => Err("some outcomes are not known: see above".into()),
    }
}

/// What a load sends, to whom, and what it costs at most.
fn said(load: &Load) -> String {
    let (requests, prices) = (load.requests(), Prices::known());
    let Load { accounts, callers, rate, seconds, .. } = load;
    let around = accounts * AROUND + requests.div_ceil(PAGE);
    let cost = dollars(prices.at_most(requests + around, *seconds));
    format!(
        "at most {requests} requests from {callers} callers to {accounts} accounts, {rate} a \
         second for at most {seconds} s\nat most {cost}, by the prices of {} in {}; what has no \
         answer is sent again, which costs more\n",
        prices.region, prices.date
    )
}

/// Finds out what became of the requests without an answer, and compares the ledgers.
async fn report(api: &Api, accounts: &[Account], driven: Driven) -> Report {
    let is_unknown = |outcome: &Outcome| *outcome == Outcome::Unknown;
    let unknown = driven.sent.iter().filter(|sent| is_unknown(&sent.outcome)).count();
    let mut became = Unknown { at_first: unknown, ..Unknown::default() };
    if unknown > 0 {
        tokio::time::sleep(IN_FLIGHT).await;
    }
    let mut ledger = Ledger { accounts: accounts.len(), ..Ledger::default() };
    // The first outcome that cannot be found out says the same of the others.
    let mut answers = true;
    for (place, account) in accounts.iter().enumerate() {
        let debits = driven.sent.iter().filter(|sent| sent.account == place);
        let debits: Vec<_> = debits.filter(|sent| sent.kind != Kind::Balance).collect();
        let (mut done, mut open) = (BTreeSet::new(), BTreeSet::new());
        for sent in &debits {
            let key = sent.key.as_str();
            match (&sent.outcome, sent.kind) {
                (Outcome::Done, _) => _ = done.insert(key),
                // No account has so many credits: the stack refuses it each time.
                (Outcome::Unknown, Kind::Overdraft) => became.refused += 1,
                (Outcome::Unknown, _) => {
                    let again = if answers { again(api, &account.id, key).await } else { None };
                    answers = again.is_some();
                    match again {
                        Some(true) => _ = done.insert(key),
                        Some(false) => {}
                        None => _ = open.insert(key),
                    }
                    became.done += usize::from(again == Some(true));
                    became.refused += usize::from(again == Some(false));
                    became.still += usize::from(again.is_none());
                }
                (Outcome::Refused(_) | Outcome::Throttled, _) => {}
            }
        }
        let compared = match answers {
            true => accounts::compare(api, account, &done, &open).await,
            false => Err("the stack does not answer".into()),
        };
        match compared {
            Ok(compared) => {
                ledger.debits += compared.debits;
                ledger.spent += compared.spent;
                ledger.wrong.extend(compared.wrong);
            }
            Err(why) => ledger.not_compared.push(format!("{}: not compared: {why}", account.id)),
        }
    }
    ledger.adds_up = ledger.wrong.is_empty() && ledger.not_compared.is_empty();
    Report::new(&driven, became, ledger)
}

/// Sends a debit again with its key: whether it happened. None: nobody knows.
async fn again(api: &Api, account: &str, key: &str) -> Option<bool> {
    let (path, body) = (debits_of(account), json!({ "credits": DEBIT }));
    match api.change(&Asked { method: "POST", path: &path, body: &body }, key, PATIENCE).await {
        Ok(_) => Some(true),
        Err(ApiError::Refused(_)) => Some(false),
        Err(_) => None,
    }
}
