//! Mend: what `repair` writes after the tables were restored to different moments.
//!
//! Nothing here changes a balance. What is taken out of a place is set aside under another key, so
//! that a person can still read it.

use super::refund::{RefundRequest, Returned};
use super::{Page, Receipt, plan};
use crate::decide::grant::GrantRequest;
use crate::decide::open::PlanRequest;
use crate::domain::{AccountId, Entry, Key, What};

/// Something of the ledger put right, if it is still as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// A receipt that was lost, if there is none.
    Receipt(Receipt),
    /// A count of what was given back.
    Returned(AccountId, Returned),
    /// A page of entries that the account does not have, if it has not let go of them meanwhile.
    SetPageAside(Page),
    /// A receipt of an operation that the account does not have: it can be sent again.
    SetReceiptAside(Receipt),
}

/// The receipt of an operator's entry, as it was or as good as: of a change of plan it is not known
/// whether status and anchor were asked for. Sent again with other content it is refused, and so it
/// does not happen twice either. None: the entry has none.
pub fn receipt(account: &AccountId, entry: &Entry) -> Option<Receipt> {
    let key: Key = entry.key.as_ref()?.parse().ok()?;
    let reason = entry.reason.clone().unwrap_or_default();
    let reference = entry.reference.clone();
    let content = match &entry.what {
        What::Opened { plan, .. } | What::PlanChanged { plan, .. } => {
            PlanRequest { plan: plan.clone(), status: None, anchor: None }.content()
        }
        What::Granted { kind, expires_at } => {
            let (credits, kind, expires_at) = (entry.available, *kind, *expires_at);
            GrantRequest { credits, reason, kind, reference, expires_at }.content()
        }
        What::Refunded { debit, credits, .. } => {
            RefundRequest { debit: *debit, credits: *credits, reason, reference }.content()
        }
        What::Frozen => plan::freeze_content(true, &reason),
        What::Unfrozen => plan::freeze_content(false, &reason),
        What::DebtWaived { .. } => super::payment::waive_content(&reason),
        _ => return None,
    };
    Some(Receipt { account: account.clone(), key, id: entry.id, content })
}
