//! One entry of the ledger for output, in any format.

use serde::Serialize;

use super::reply::Balance;
use super::terms::{Next, Terms};
use crate::domain::catalog::ActionNumber;
use crate::domain::entry::{By, Quantity};
use crate::domain::grant::{GrantId, GrantKind};
use crate::domain::ledger::PostedEntry;
use crate::domain::limit::{Counted, Per};
use crate::domain::meters::Meters;
use crate::domain::viewer::{Texts, Viewer};
use crate::domain::{
    Catalog, Credits, Entry, EntryKind, Instant, Movement, OperationId, Seq, Subject,
};

/// One entry. A field that does not apply to it is left out.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub seq: Seq,
    /// True for the changes by time that are not written yet.
    #[serde(skip_serializing_if = "is_false")]
    pub pending: bool,
    pub id: OperationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    pub kind: &'static str,
    pub at: Instant,
    /// The change of available.
    pub available: Credits,
    /// The change of held.
    pub held: Credits,
    pub balance: Balance,
    #[serde(flatten)]
    pub bought: Bought<'a>,
    /// The subjects that it names beside its user.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub subjects: &'a [Subject],
    /// The limits that it counts for; of a limit that was set, that one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitOf<'a>>,
    #[serde(flatten)]
    pub terms: Option<Terms<'a>>,
    /// The change of plan that is due to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<&'static str>,
    /// The grant that was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<GrantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved: Option<Vec<Moved>>,
    /// The holds that lapsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<&'a [OperationId]>,
    /// The hold that was captured, released or extended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<OperationId>,
    /// The debit that was refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debit: Option<OperationId>,
    /// The order that was paid for, or whose money went back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OperationId>,
    /// The order's credits that are due after this entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Credits>,
    /// Why money moved, if it moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
    /// The effects of an advance, each with its cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<PartOf>>,
    /// The change of debt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debt: Option<Credits>,
    /// The credits that were captured, or requested as a refund, to be taken back, waived or
    /// revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<Credits>,
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    pub ends: Option<bool>,
    /// How many of the captured credits were taken beyond the hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beyond: Option<Credits>,
    /// The credits that were asked for beyond the hold and not charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncharged: Option<Credits>,
    /// Who made the entry.
    pub by: By,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The IAM principal that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
    /// The version of the catalog that was in force.
    pub catalog: u32,
}

/// Credits that arrived, or expired (negative).
#[derive(Serialize)]
pub(super) struct Moved {
    pub grant: GrantId,
    kind: &'static str,
    credits: Credits,
    expires_at: Option<Instant>,
}

/// A limit, and its number: that of when a charge counted for it, or that it was set to.
#[derive(Serialize)]
pub(super) struct LimitOf<'a> {
    pub of: &'a Subject,
    pub per: Per,
    /// None: it was removed.
    pub at_most: Option<Credits>,
}

impl<'a> LimitOf<'a> {
    fn counted(counted: &'a Counted) -> LimitOf<'a> {
        let Counted { of, window, at_most } = counted;
        LimitOf { of, per: window.per, at_most: Some(*at_most) }
    }
}

/// One effect of an advance.
#[derive(Serialize)]
pub(super) struct PartOf {
    pub cause: &'static str,
    /// The kind of grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// The change of available.
    credits: Credits,
    /// The change of debt.
    #[serde(skip_serializing_if = "Option::is_none")]
    debt: Option<Credits>,
}

/// The lines of a listing: the pending entry, and the entries in their order.
pub(super) fn lines<'a>(
    pending: Option<&'a PostedEntry>,
    posted: &'a [PostedEntry],
    catalog: &'a Catalog,
    viewer: Viewer,
) -> impl Iterator<Item = Line<'a>> {
    let pending = pending.map(|posted| Line { pending: true, ..line(posted, catalog, viewer) });
    pending.into_iter().chain(posted.iter().map(move |posted| line(posted, catalog, viewer)))
}

fn line<'a>(posted: &'a PostedEntry, catalog: &'a Catalog, viewer: Viewer) -> Line<'a> {
    let entry = &posted.entry;
    let Texts { key, user, actor, reference, reason, message } = entry.texts(viewer);
    let mut line = Line {
        seq: posted.seq,
        pending: false,
        id: entry.id,
        key,
        kind: entry.kind.name(),
        at: entry.at,
        available: entry.available,
        held: entry.held,
        balance: Balance { available: posted.available, held: posted.held },
        bought: Bought::default(),
        subjects: &entry.subjects,
        limits: entry.counts.iter().map(LimitOf::counted).collect(),
        terms: None,
        next: None,
        grant: None,
        grant_id: None,
        expires_at: None,
        moved: None,
        lapsed: None,
        hold: None,
        debit: None,
        order: None,
        due: None,
        cause: entry.cause(),
        parts: None,
        debt: Some(entry.kind.debt()).filter(|debt| !debt.is_zero()),
        credits: None,
        ends: None,
        beyond: Some(entry.beyond()).filter(|beyond| !beyond.is_zero()),
        uncharged: None,
        by: entry.by(),
        user,
        actor,
        reference,
        reason,
        message,
        catalog: entry.catalog,
    };
    match &entry.kind {
        EntryKind::Opened { terms, moved } => {
            line.terms = Some(terms.into());
            line.moved = Some(movements(moved));
        }
        EntryKind::Debit { action, quantity } => {
            line.bought = Bought::of(catalog, *action, *quantity);
        }
        EntryKind::Granted { kind, expires_at } => {
            line.grant = Some(kind.name());
            line.expires_at = *expires_at;
        }
        EntryKind::Revoked { grant, kind } => {
            (line.grant, line.grant_id) = (Some(kind.name()), Some(*grant));
            line.credits = Some(-entry.available);
        }
        EntryKind::TimePassed { moved, lapsed, .. } => {
            line.moved = Some(movements(moved));
            line.parts = Some(parts(entry));
            line.lapsed = Some(lapsed.as_slice()).filter(|lapsed| !lapsed.is_empty());
        }
        EntryKind::Held { action, quantity, expires_at } => {
            line.bought = Bought::of(catalog, *action, *quantity);
            line.expires_at = Some(*expires_at);
        }
        EntryKind::Captured { hold, action, quantity, credits, ends, uncharged, .. } => {
            line.hold = Some(*hold);
            line.bought = Bought::of(catalog, *action, *quantity);
            line.credits = Some(*credits);
            line.ends = Some(*ends);
            line.uncharged = Some(*uncharged).filter(|uncharged| !uncharged.is_zero());
        }
        EntryKind::Released { hold } => line.hold = Some(*hold),
        EntryKind::Extended { hold, expires_at } => {
            line.hold = Some(*hold);
            line.expires_at = Some(*expires_at);
        }
        EntryKind::Refunded { debit, credits, action, model, moved, .. } => {
            line.moved = Some(movements(moved)).filter(|moved| !moved.is_empty());
            line.debit = Some(*debit);
            line.credits = Some(*credits);
            line.bought.action = action.and_then(|number| catalog.action_name(number));
            let call = action.zip(*model);
            line.bought.model = call.and_then(|(action, model)| catalog.model_name(action, model));
        }
        EntryKind::PlanChanged { terms, next } => {
            line.terms = Some(terms.into());
            line.next = next.as_ref().map(Next::from);
        }
        EntryKind::ToppedUp { order, due, expires_at, moved, .. } => {
            line.moved = Some(movements(moved)).filter(|moved| !moved.is_empty());
            (line.order, line.due, line.expires_at) = (Some(*order), Some(*due), *expires_at);
        }
        EntryKind::Reversed { order, due, credits, .. } => {
            (line.order, line.due, line.credits) = (Some(*order), Some(*due), Some(*credits));
        }
        EntryKind::DebtWaived { debts } => line.credits = Some(debts.total()),
        EntryKind::LimitSet { of, per, at_most, .. } => {
            line.limits = vec![LimitOf { of, per: *per, at_most: *at_most }];
        }
        EntryKind::Frozen | EntryKind::Unfrozen | EntryKind::Unknown { .. } => {}
    }
    line
}

/// What a charge is for, by its names. All is absent of a charge by amount.
#[derive(Default, Serialize)]
pub(super) struct Bought<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meters: Option<Meters>,
}

impl<'a> Bought<'a> {
    pub(super) fn of(
        catalog: &'a Catalog,
        action: Option<ActionNumber>,
        quantity: Quantity,
    ) -> Bought<'a> {
        let Some(number) = action else { return Bought::default() };
        let call = quantity.call();
        Bought {
            action: catalog.action_name(number),
            quantity: quantity.units(),
            model: call.and_then(|(model, _)| catalog.model_name(number, model)),
            meters: call.map(|(_, meters)| meters),
        }
    }
}

fn parts(entry: &Entry) -> Vec<PartOf> {
    let parts = entry.parts().into_iter().map(|part| PartOf {
        cause: part.did.name(),
        kind: part.kind.map(GrantKind::name),
        credits: part.available,
        debt: Some(part.debt).filter(|debt| !debt.is_zero()),
    });
    parts.collect()
}

fn movements(moved: &[Movement]) -> Vec<Moved> {
    let moved = moved.iter().map(|movement| Moved {
        grant: movement.grant,
        kind: movement.kind.name(),
        credits: movement.credits,
        expires_at: movement.expires_at,
    });
    moved.collect()
}

fn is_false(value: &bool) -> bool {
    !value
}
