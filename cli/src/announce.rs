//! `announce`: sends events of an account again, from its ledger.

use std::collections::BTreeSet;

use shared::bus::Bus;
use shared::context::Context;
use shared::decide::announce::{About, Event, recorded};
use shared::domain::ledger::PostedEntry;
use shared::domain::{AccountId, EntryKind, OperationId, Seq};
use shared::query::ledger::{self, From};
use shared::store::{Loaded, StoreError};

use crate::place::{At, Place};

/// The most entries that one command announces: an operator sees how far it is.
const MOST: u64 = 10_000;
/// How many entries one reading takes.
const PAGE: usize = 500;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// The first and the last entry.
    pub entries: (Seq, Seq),
    pub events: usize,
    /// Events that the bus did not take.
    pub refused: usize,
}

/// Sends the events of the entries `from` to `to` (the latest) again, with their first ids. Debits
/// are among them if the stack announces debits.
///
/// # Errors
/// If there is no such account or entry, the range is too long, or the ledger cannot be read.
pub async fn announce(
    place: &Place,
    account: &AccountId,
    from: Seq,
    to: Option<Seq>,
) -> Result<Announced, Error> {
    let context = &place.context;
    let loaded = context.store.account(account).await?;
    let loaded = loaded.ok_or_else(|| format!("there is no account {account}"))?;
    let latest = loaded.account.seq;
    let to = to.unwrap_or(latest);
    if from < 1 || from > to || to > latest {
        return Err(format!("the entries of {account} are 1 to {latest}").into());
    }
    if to - from >= MOST {
        let next = from + MOST - 1;
        return Err(format!("at most {MOST} entries at once: --to-seq {next}, and then on").into());
    }
    let posted = entries(context, &loaded, (from, to)).await?;
    let mut events = recorded(account, &posted, from);
    let (bus, debits) = bus(place)?;
    events.retain(|event: &Event| debits || !matches!(event.about, About::Debited { .. }));
    let refused = bus.announce(&events, &*context.catalog().await).await.len();
    Ok(Announced { entries: (from, to), events: events.len(), refused })
}

/// The bus of a place, and whether its debits are announced.
fn bus(place: &Place) -> Result<(Bus, bool), Error> {
    if let At::Local { origin, announces_debits, .. } = &place.at {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let bus = Bus::at(http, &format!("{origin}/_local/messaging"), "scrip".to_owned());
        return Ok((bus, *announces_debits));
    }
    let (aws, stack) = place.described()?;
    let debits = stack.parameter("AnnounceDebits").as_deref() == Some("true");
    Ok((Bus::deployed(&aws.sdk, stack.output("BusName")?), debits))
}

/// The entries `from` to `to`, the oldest first, and before them those that say how much a hold
/// held that lapses in one of them.
async fn entries(
    context: &Context,
    loaded: &Loaded,
    (from, to): (Seq, Seq),
) -> Result<Vec<PostedEntry>, StoreError> {
    let mut next = Some(From { below: to + 1, segment: None });
    let mut found: Vec<PostedEntry> = Vec::new();
    let mut wanted = BTreeSet::new();
    while let Some(place) = next {
        let listed = ledger::list(&context.store, loaded, Some(place), PAGE).await?;
        for posted in listed.entries {
            if posted.seq < from && wanted.is_empty() {
                found.reverse();
                return Ok(found);
            }
            want(&mut wanted, &posted, from);
            if posted.seq >= from || is_of_hold(&posted) {
                found.push(posted);
            }
        }
        next = listed.next;
    }
    found.reverse();
    Ok(found)
}

/// Keeps the holds whose beginning is still to be found: entries come the latest first.
fn want(wanted: &mut BTreeSet<OperationId>, posted: &PostedEntry, from: Seq) {
    match &posted.entry.kind {
        EntryKind::TimePassed { lapsed, .. } if posted.seq >= from => wanted.extend(lapsed),
        EntryKind::Held { .. } => {
            wanted.remove(&posted.entry.id);
        }
        _ => {}
    }
}

/// Whether an entry changes what a hold holds.
fn is_of_hold(posted: &PostedEntry) -> bool {
    let kind = &posted.entry.kind;
    matches!(kind, EntryKind::Held { .. } | EntryKind::Captured { .. })
}
