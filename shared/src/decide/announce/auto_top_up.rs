//! What a change of an auto top-up tells the rest of the company.

use super::{About, Event};
use crate::domain::auto_top_up::{AutoTopUp, Ended, Failed, OffReason, State};
use crate::domain::{Credits, Money, OperationId};

/// News of an auto top-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutoNews {
    /// A pack was bought, and its credits are in the account.
    Done { order: OperationId, pack: String, credits: Credits, price: Money },
    /// A pack was not bought. Without an order none was placed, which is told once in a month for
    /// each reason.
    Failed { order: Option<OperationId>, reason: Failed },
    /// It is off from now on.
    Off { reason: OffReason },
}

impl AutoNews {
    /// The event's type on the bus.
    pub(super) fn name(&self) -> &'static str {
        match self {
            AutoNews::Done { .. } => "AutoTopUpDone",
            AutoNews::Failed { .. } => "AutoTopUpFailed",
            AutoNews::Off { .. } => "AutoTopUpOff",
        }
    }
}

/// The events of the latest write of an auto top-up. Their ids name the write.
pub fn auto_top_up(auto: &AutoTopUp) -> Vec<Event> {
    let ended = auto.ended.as_ref().filter(|_| auto.news.ended);
    let ended = ended.map(|Ended { claim, failed }| match failed {
        None => AutoNews::Done {
            order: claim.order,
            pack: claim.pack.clone(),
            credits: claim.credits,
            price: claim.price,
        },
        Some(reason) => AutoNews::Failed { order: Some(claim.order), reason: *reason },
    });
    let refused = auto.news.refused.map(|reason| AutoNews::Failed { order: None, reason });
    let off = match auto.state {
        State::Off(reason) if auto.news.off => Some(AutoNews::Off { reason }),
        _ => None,
    };
    let news = [ended, refused, off].into_iter().flatten().enumerate();
    let events = news.map(|(nth, news)| Event {
        id: format!("{}:auto-{}.{nth}", auto.account, auto.version),
        account: auto.account.clone(),
        at: auto.at,
        seq: None,
        balance: auto.balance,
        about: About::AutoTopUp(news),
    });
    events.collect()
}
