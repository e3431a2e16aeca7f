//! `inspect <account>`: an account and its pages, for a person to read.

use std::fmt::Write as _;

use shared::domain::ledger::{Placed, Stretch};
use shared::domain::{AccountId, Catalog, Entry, Gate, Instant, Note, What};
use shared::store::{Loaded, StoreError};
use shared::world::World;

/// How many pages are asked for at once.
const PAGES: i32 = 50;

/// The account's item and all its pages. None if there is no such account.
///
/// # Errors
/// [`StoreError`] if the table cannot be read, or an item is broken: by its name.
pub async fn inspect(world: &World, id: &AccountId) -> Result<Option<String>, StoreError> {
    let Some(loaded) = world.store.account(id).await? else {
        return Ok(None);
    };
    let catalog = world.catalog().await;
    let mut text = item(&loaded, &catalog);
    let mut before = None;
    loop {
        let pages = world.store.pages(id, before, PAGES).await?;
        let Some(last) = pages.last() else { break };
        before = Some((last.time, last.first));
        for page in pages {
            let (first, last, time) = (page.first, page.last(), page.time);
            let _ = writeln!(text, "\nsegment of entries {first} to {last}, archived at {time}");
            list(&mut text, page.stretch(), &catalog);
        }
    }
    Ok(Some(text))
}

fn item(loaded: &Loaded, catalog: &Catalog) -> String {
    let a = &loaded.account;
    let gate = match a.gate {
        Gate::OPEN => "open",
        Gate { frozen: true, .. } => "closed: frozen",
        Gate { in_debt: true, .. } => "closed: in debt",
        Gate { .. } => "closed: the plan does not include AI, or was canceled",
    };
    let standing = &a.standing;
    let valid_until = match a.valid_until {
        Instant::EPOCH => "now: it has pending changes".to_owned(),
        instant => instant.to_string(),
    };
    let mut text = format!(
        "account {}, {} bytes\n\
         available   {}\nheld        {} in {} holds\ndebt        {}\ngate        {gate}\n\
         plan        {}, {}, anchor {}\nvalid until {valid_until}\n\
         entries     {}, of which {} archived; latest advance: entry {}; dedup floor {}\n",
        a.id,
        loaded.weight.item,
        a.available,
        a.held(),
        a.holds.len(),
        a.debt(),
        standing.plan,
        standing.status.name(),
        standing.anchor.0,
        a.seq,
        a.paged,
        a.settled_seq,
        a.floor,
    );
    let _ = writeln!(text, "spent       {} of these grants since the latest advance:", a.spent());
    for grant in a.line.grants() {
        let expires = grant.expires_at.map_or("never".to_owned(), |at| at.to_string());
        let (kind, left, amount) = (grant.kind.name(), grant.left, grant.amount);
        let _ = writeln!(text, "  {kind:<12} {left} of {amount}, expires {expires}, {}", grant.id);
    }
    for note in &a.notes {
        let _ = match note {
            Note::Grant { grant, .. } | Note::Returned(grant) => {
                writeln!(text, "  pending: {} {}", grant.kind.name(), grant.left)
            }
            Note::Plan { plan, at, .. } => writeln!(text, "  pending: plan {plan} at {at}"),
            Note::TakenBack { grant, credits, .. } => {
                writeln!(text, "  pending: {credits} of {grant} are taken back")
            }
        };
    }
    let (from, until) = (standing.counted_from, standing.counted_until);
    let _ = writeln!(text, "consumed    from {from} until {until}:");
    for (number, credits) in &a.consumed {
        let action = catalog.action_name(*number).unwrap_or("by amount");
        let _ = writeln!(text, "  {action:<20} {credits}");
    }
    let _ = writeln!(text, "\nentries that are not archived yet");
    list(&mut text, a.stretch(), catalog);
    text
}

fn list(text: &mut String, stretch: Stretch<'_>, catalog: &Catalog) {
    for placed in stretch.backwards(u64::MAX) {
        let Placed { seq, entry, available, .. } = &placed;
        let (at, change) = (entry.at, entry.available);
        let what = describe(entry, catalog);
        let _ = writeln!(text, "  {seq:>6}  {at}  {change:>14}  {available:>14}  {what}");
    }
}

fn describe(entry: &Entry, catalog: &Catalog) -> String {
    let detail = match &entry.what {
        What::Debit { action: Some(number), quantity }
        | What::Held { action: Some(number), quantity, .. } => {
            format!(" {quantity} {}", catalog.action_name(*number).unwrap_or("?"))
        }
        What::Captured { hold, credits, ends, .. } => {
            let rest = if *ends { "" } else { ", the rest stays" };
            format!(" {credits} of {hold}{rest}")
        }
        What::Released { hold } | What::Extended { hold, .. } => format!(" {hold}"),
        What::Refunded { debit, credits, .. } => format!(" {credits} of {debit}"),
        What::Opened { plan, .. } | What::PlanChanged { plan, .. } => format!(" {plan}"),
        What::Granted { kind, .. } => format!(" {}", kind.name()),
        What::ToppedUp { order, .. } => format!(" order {order}"),
        What::Reversed { order, credits, .. } => format!(" {credits} of order {order}"),
        What::DebtWaived { debts } => format!(" {}", debts.total()),
        What::Settled { moved, lapsed, .. } => {
            let debt = entry.what.debt();
            let moved: String =
                moved.iter().map(|m| format!(" {} {}", m.grant, m.credits)).collect();
            let debt = match debt.is_zero() {
                true => String::new(),
                false => format!(" debt {debt}"),
            };
            moved
                + &lapsed.iter().map(|id| format!(" hold {id} lapsed")).collect::<String>()
                + &debt
        }
        What::Debit { action: None, .. }
        | What::Held { action: None, .. }
        | What::Frozen
        | What::Unfrozen => String::new(),
    };
    let texts = [&entry.key, &entry.user, &entry.reference, &entry.reason];
    let texts: String = texts.into_iter().flatten().map(|text| format!(" {text:?}")).collect();
    let message = entry.message.as_ref().map(|text| format!(" to the customer: {text:?}"));
    let texts = texts + &message.unwrap_or_default();
    format!("{}{detail}{texts}", entry.what.name())
}
