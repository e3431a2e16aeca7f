//! Grants that expire soon.

use super::{About, Event};
use crate::domain::period::Day;
use crate::domain::{Account, GrantKind, Instant};

/// How many days ahead the expiry of a grant is announced.
pub const EXPIRING: [u8; 2] = [7, 1];

/// The grants of `account` at `now` that expire in [`EXPIRING`] days or a day less: the next sweep
/// makes up for a missed one, and a repeat has the same id. Credits that recharge automatically are
/// not announced.
pub fn expiring(account: &Account, now: Instant) -> Vec<Event> {
    let mut events = Vec::new();
    for grant in account.burn_order.grants() {
        let (Some(expires_at), false) = (grant.expires_at, grant.left.is_zero()) else { continue };
        if matches!(grant.kind, GrantKind::Weekly | GrantKind::Plan) {
            continue;
        }
        let ahead = Day::of(expires_at).days() - Day::of(now).days();
        for days in EXPIRING {
            if ahead == u32::from(days) || ahead + 1 == u32::from(days) {
                let (grant, kind, credits) = (grant.id, grant.kind, grant.left);
                events.push(Event {
                    id: format!("{}:{grant}.expiring-{days}", account.id),
                    account: account.id.clone(),
                    at: now,
                    seq: None,
                    balance: (account.available, account.held()),
                    about: About::Expiring { grant, kind, credits, expires_at, days },
                });
            }
        }
    }
    events
}
