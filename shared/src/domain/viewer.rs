//! Who looks at a ledger, and what of it is theirs to read.

use super::entry::By;
use super::{Entry, EntryKind};

/// Who looks at a ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Viewer {
    #[default]
    Service,
    /// A customer of the account, for whom the company's own people have no names.
    Customer,
}

impl Entry {
    /// The texts of it that are for `viewer`.
    ///
    /// A customer reads what is true for the customer. What the company's people and programs say
    /// among themselves stays with them: keys, principals, reasons, and references beside a reason.
    /// Where it is not known who made the entry, its user may be a principal, and is left out.
    pub fn texts(&self, viewer: Viewer) -> Texts<'_> {
        let texts = Texts {
            key: self.key.as_deref(),
            user: self.user.as_deref(),
            actor: self.actor.as_deref(),
            reference: self.reference.as_deref(),
            reason: self.reason.as_deref(),
            message: self.message.as_deref(),
        };
        match viewer {
            Viewer::Service => texts,
            Viewer::Customer => Texts {
                key: None,
                user: texts.user.filter(|_| self.by() != By::Unknown),
                actor: None,
                reference: texts.reference.filter(|_| self.reason.is_none()),
                reason: None,
                ..texts
            },
        }
    }
}

/// The texts of an entry, as far as somebody reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Texts<'a> {
    pub key: Option<&'a str>,
    pub user: Option<&'a str>,
    pub actor: Option<&'a str>,
    pub reference: Option<&'a str>,
    pub reason: Option<&'a str>,
    pub message: Option<&'a str>,
}

impl Viewer {
    /// Whether this viewer sees `entry`. An entry that no customer sees changes nothing that a
    /// customer has, so the entries that a customer sees still sum to the balance: the advance
    /// after a reversal takes the credits back, and an extension changes only its hold's expiry.
    pub fn sees(self, entry: &Entry) -> bool {
        match (self, &entry.kind) {
            (Viewer::Service, _) => true,
            (Viewer::Customer, EntryKind::TimePassed { .. }) => !entry.parts().is_empty(),
            // Nothing was left to take back, and nobody says anything about it.
            (Viewer::Customer, EntryKind::Revoked { .. }) => {
                !entry.available.is_zero() || entry.message.is_some()
            }
            (Viewer::Customer, kind) => !Viewer::UNSEEN.contains(&kind.name()),
        }
    }

    /// The kinds of entries that no customer sees.
    pub const UNSEEN: [&'static str; 2] = ["reversed", "extended"];
}
