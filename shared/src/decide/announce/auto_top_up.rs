//! What a change of an auto top-up tells the rest of the company.

use super::event::{About, AutoNews, Event};
use crate::domain::auto_top_up::{AutoTopUp, Ended, State};

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
