//! `inspect <account>`: prints an account and its segments for a person to read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as NameEntry;
use std::fmt::Write as _;

use shared::context::Context;
use shared::decide::advance::advance;
use shared::domain::entry::Quantity;
use shared::domain::ledger::{EntryRun, PostedEntry};
use shared::domain::limit::Per;
use shared::domain::meters::Meters;
use shared::domain::{
    Account, AccountId, Catalog, Entry, EntryKind, Gate, Instant, PendingChange, Subject,
};
use shared::store::{Loaded, StoreError};

/// Segments per request.
const SEGMENTS: i32 = 50;

/// The account's item and all its segments. None if there is no such account.
///
/// # Errors
/// [`StoreError`] if the table cannot be read, or an item is broken: the error names it.
pub async fn inspect(context: &Context, id: &AccountId) -> Result<Option<String>, StoreError> {
    let Some(loaded) = context.store.account(id).await? else {
        return Ok(None);
    };
    let catalog = context.catalog().await;
    let mut text = item(&loaded, &catalog);
    limits(&mut text, context, &loaded.account).await?;
    let now = context.clock.now();
    let advanced = advance(&loaded.account, &catalog, now)?.account;
    let (available, held, debt) = (advanced.available, advanced.held(), advanced.debt());
    let as_asked = format!(
        "\nthis is the item as it is written; to a request at {now}, the account has \
         {available} available, {held} held, {debt} in debt\n"
    );
    text.push_str(&as_asked);
    let _ = writeln!(text, "\nentries that are not archived yet");
    list(&mut text, loaded.account.run(), &catalog);
    let mut before = None;
    loop {
        let segments = context.store.segments(id, before, SEGMENTS).await?;
        let Some(last) = segments.last() else { break };
        before = Some((last.time, last.first));
        for segment in segments {
            let (first, last, time) = (segment.first, segment.last(), segment.time);
            let _ = writeln!(text, "\nsegment of entries {first} to {last}, archived at {time}");
            list(&mut text, segment.run(), &catalog);
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
    let plan_state = &a.plan_state;
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
        plan_state.terms.plan,
        plan_state.terms.status.name(),
        plan_state.terms.anchor.0,
        a.seq,
        a.archived_seq,
        a.advanced_seq,
        a.dedup_floor,
    );
    let _ = writeln!(text, "spent       {} of these grants since the latest advance:", a.spent());
    for grant in a.burn_order.grants() {
        let expires = grant.expires_at.map_or("never".to_owned(), |at| at.to_string());
        let (kind, left, amount) = (grant.kind.name(), grant.left, grant.amount);
        let _ = writeln!(text, "  {kind:<12} {left} of {amount}, expires {expires}, {}", grant.id);
    }
    for note in &a.pending_changes {
        let _ = match note {
            PendingChange::Grant { grant, .. } | PendingChange::Returned(grant) => {
                writeln!(text, "  pending: {} {}", grant.kind.name(), grant.left)
            }
            PendingChange::Plan { terms, at, .. } => {
                writeln!(text, "  pending: plan {} at {at}", terms.plan)
            }
            PendingChange::TakenBack { grant, credits, .. } => {
                writeln!(text, "  pending: {credits} of {grant} are taken back")
            }
        };
    }
    let (from, until) = (plan_state.counted_from, plan_state.counted_until);
    let _ = writeln!(text, "consumed    from {from} until {until}:");
    for (number, credits) in &a.consumed {
        let action = catalog.action_name(*number).unwrap_or("by amount");
        let _ = writeln!(text, "  {action:<20} {credits}");
    }
    text
}

/// The account's own limits, and what was used of limits: also in past windows, until those counts
/// are dropped.
async fn limits(text: &mut String, context: &Context, a: &Account) -> Result<(), StoreError> {
    let own = context.store.limits(&a.id).await?.unwrap_or_default();
    let (version, known) = (own.version, a.limits_version);
    let versions = format!("version {version}; the account names version {known}");
    let _ = writeln!(text, "limits      of its own, {versions}:");
    for ((of, per), at_most) in &own.limits {
        let _ = writeln!(text, "  {of} per {}: at most {at_most}", per.name());
    }
    let counted = a.recent.iter().flat_map(|entry| &entry.counts).map(|counted| &counted.of);
    let named = own.limits.keys().map(|(of, _)| of).chain(counted);
    let mut names: BTreeMap<_, _> = named.map(|of| (of.hash(), of.clone())).collect();
    let _ = writeln!(text, "used        of limits:");
    for (counter, used) in &a.used {
        if let NameEntry::Vacant(unnamed) = names.entry(counter.of)
            && let Some(subject) = context.store.subject(&a.id, counter.of).await?
        {
            unnamed.insert(subject);
        }
        let of = names.get(&counter.of).map_or("a subject without a name", Subject::as_str);
        let window = match counter.window.per {
            Per::Ever => "ever".to_owned(),
            per => format!("{} from {}", per.name(), counter.window.from),
        };
        let _ = writeln!(text, "  {of} per {window}: {used}");
    }
    Ok(())
}

fn list(text: &mut String, run: EntryRun<'_>, catalog: &Catalog) {
    for posted in run.backwards(u64::MAX) {
        let PostedEntry { seq, entry, available, .. } = &posted;
        let (at, change) = (entry.at, entry.available);
        let kind = describe(entry, catalog);
        let _ = writeln!(text, "  {seq:>6}  {at}  {change:>14}  {available:>14}  {kind}");
    }
}

/// An action, a model and its meters.
fn of_call(entry: &Entry, catalog: &Catalog, meters: &Meters) -> String {
    format!("{} {meters}", named(entry, catalog))
}

/// The action that an entry is for, and the model of a call.
fn named(entry: &Entry, catalog: &Catalog) -> String {
    let Some((action, model)) = entry.kind.bought() else { return String::new() };
    let name = catalog.action_name(action).unwrap_or("?");
    let model = model.map(|model| catalog.model_name(action, model).unwrap_or("?"));
    let model = model.map(|model| format!(" {model}")).unwrap_or_default();
    format!(" {name}{model}")
}

fn describe(entry: &Entry, catalog: &Catalog) -> String {
    let detail = match &entry.kind {
        EntryKind::Debit { action: Some(number), quantity }
        | EntryKind::Held { action: Some(number), quantity, .. } => {
            let action = catalog.action_name(*number).unwrap_or("?");
            match quantity {
                Quantity::Units(units) => format!(" {units} {action}"),
                Quantity::Call(_, meters) => of_call(entry, catalog, meters),
            }
        }
        EntryKind::Captured { hold, quantity, credits, ends, uncharged, .. } => {
            let rest = if *ends { "" } else { ", the rest stays" };
            let more = [(entry.beyond(), "beyond it"), (*uncharged, "more uncharged")];
            let more = more.iter().filter(|(credits, _)| !credits.is_zero());
            let more: String = more.map(|(credits, what)| format!(", {credits} {what}")).collect();
            let call = quantity
                .call()
                .map(|(_, meters)| format!(" for{}", of_call(entry, catalog, &meters)));
            format!(" {credits} of {hold}{more}{rest}{}", call.unwrap_or_default())
        }
        EntryKind::Released { hold } | EntryKind::Extended { hold, .. } => format!(" {hold}"),
        EntryKind::Refunded { debit, credits, .. } => {
            format!(" {credits} of {debit}{}", named(entry, catalog))
        }
        EntryKind::Opened { terms, .. } | EntryKind::PlanChanged { terms, .. } => {
            format!(" {}", terms.plan)
        }
        EntryKind::Granted { kind, .. } => format!(" {}", kind.name()),
        EntryKind::Revoked { grant, kind } => format!(" {} {grant}", kind.name()),
        EntryKind::ToppedUp { order, .. } => format!(" order {order}"),
        EntryKind::Reversed { order, credits, .. } => format!(" {credits} of order {order}"),
        EntryKind::DebtWaived { debts } => format!(" {}", debts.total()),
        EntryKind::LimitSet { of, per, at_most, forgotten } => {
            let at_most = at_most.map_or("no limit".to_owned(), |most| format!("at most {most}"));
            let forgotten = if *forgotten { ", its count forgotten" } else { "" };
            format!(" {of} per {}: {at_most}{forgotten}", per.name())
        }
        EntryKind::Unknown { tag, fields } => format!(" of tag {tag}, {} bytes", fields.len()),
        EntryKind::TimePassed { moved, lapsed, .. } => {
            let debt = entry.kind.debt();
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
        EntryKind::Debit { action: None, .. }
        | EntryKind::Held { action: None, .. }
        | EntryKind::Frozen
        | EntryKind::Unfrozen => String::new(),
    };
    let texts = [&entry.key, &entry.user, &entry.reference, &entry.reason];
    let texts: String = texts.into_iter().flatten().map(|text| format!(" {text:?}")).collect();
    let message = entry.message.as_ref().map(|text| format!(" to the customer: {text:?}"));
    let actor = entry.actor.as_ref().map(|actor| format!(" actor {actor:?}"));
    let subjects: String = entry.subjects.iter().map(|of| format!(" for {of}")).collect();
    let counts = entry.counts.iter().map(|counted| {
        let (of, per, at_most) = (&counted.of, counted.window.per.name(), counted.at_most);
        format!(" counts for {of} per {per}: at most {at_most}")
    });
    let limited = subjects + &counts.collect::<String>();
    let texts = texts + &limited + &message.unwrap_or_default() + &actor.unwrap_or_default();
    format!("{}{detail}{texts}", entry.kind.name())
}
