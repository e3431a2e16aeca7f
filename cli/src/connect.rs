//! `stripe connect`: makes the webhook's endpoint at Stripe, stores its secret, and waits for an
//! event to arrive.

use std::time::Duration;

use shared::clock::Clock;
use shared::secrets::{Secret, SecretError, SecretPutError};
use shared::stripe::{Endpoint, Stripe, StripeError, kinds};

/// The stack to connect.
#[derive(Clone, Copy, Debug)]
pub struct Connect<'a> {
    pub stripe: &'a Stripe,
    /// The address of the stack's webhook.
    pub url: &'a str,
    /// The secret that the webhook reads: at most two signing secrets with a space between.
    pub secret: &'a Secret,
    /// Make a new endpoint in place of the existing one.
    pub replace: bool,
    pub clock: &'a Clock,
}

/// The result of the endpoint's set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connected {
    /// A new endpoint, and its secret is stored.
    Made,
    /// The existing endpoint has the right events now; Stripe says a secret only when it makes one.
    Updated {
        /// Whether its events have the form that this version reads.
        is_current: bool,
    },
    /// A new endpoint in place of these, which still send until they are deleted.
    Replaced(Vec<String>),
}

/// Why the webhook was not connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Stripe(#[from] StripeError),
    #[error("{0}: the new endpoint was deleted again")]
    Unstored(#[source] SecretPutError),
    #[error("the webhook's secret: {0}")]
    Unread(#[source] SecretError),
    #[error(
        "Stripe made no event within {0} s: run the command again, and look at the events in \
         Stripe's dashboard"
    )]
    NoEvent(u64),
    #[error(
        "{pending} endpoints have not accepted the event {event} within {waited_s} s: look at its \
         deliveries in Stripe's dashboard. 400 means that the stored secret is not the endpoint's \
         (scrip stripe connect --replace). It may also be an endpoint of another system"
    )]
    Pending { event: String, pending: u64, waited_s: u64 },
}

/// How often Stripe is asked about the event, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub every: Duration,
    pub tries: u32,
}

impl Patience {
    /// A minute: Stripe sends an event within seconds.
    pub const USUAL: Patience = Patience { every: Duration::from_secs(2), tries: 30 };

    fn s(self) -> u64 {
        (self.every * self.tries).as_secs()
    }
}

/// Makes the endpoint, or updates the existing one.
///
/// # Errors
/// [`ConnectError`]. An endpoint whose secret could not be stored is deleted again.
pub async fn connect(to: Connect<'_>) -> Result<Connected, ConnectError> {
    let Connect { stripe, url, secret, replace, clock } = to;
    let there = stripe.endpoints(url, clock.now()).await?;
    if let (Some(endpoint), false) = (there.first(), replace) {
        stripe.update_endpoint(&endpoint.id, clock.now()).await?;
        return Ok(Connected::Updated { is_current: endpoint.is_current });
    }
    // Read first: without access to it, no endpoint is made.
    let before = secret.get(clock.now()).await.map_err(ConnectError::Unread)?;
    let made = stripe.make_endpoint(url, clock.now()).await?;
    // Events of the earlier endpoint may be on their way. A word that is no secret is dropped.
    let earlier = before.split_whitespace().find(|word| word.starts_with("whsec_"));
    let both = [Some(made.secret.as_str()), earlier];
    let both = both.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if let Err(error) = secret.put(&both, clock.now()).await {
        stripe.delete_endpoint(&made.id, clock.now()).await?;
        return Err(ConnectError::Unstored(error));
    }
    match there.is_empty() {
        true => Ok(Connected::Made),
        false => Ok(Connected::Replaced(there.into_iter().map(|Endpoint { id, .. }| id).collect())),
    }
}

/// Makes a session at Stripe, ends it, and waits until its event was accepted. Returns the event's
/// id.
///
/// # Errors
/// [`ConnectError`].
pub async fn check(
    stripe: &Stripe,
    url: &str,
    clock: &Clock,
    patience: Patience,
) -> Result<String, ConnectError> {
    let session = stripe.expire_session(url, clock.now()).await?;
    let mut waiting = None;
    for _ in 0..patience.tries {
        let event = match waiting {
            Some((event, _)) => Some(event),
            None => stripe.expired_event(&session, clock.now()).await?,
        };
        waiting = match event {
            None => None,
            Some(event) => match stripe.pending_webhooks(&event, clock.now()).await? {
                0 => return Ok(event),
                pending => Some((event, pending)),
            },
        };
        tokio::time::sleep(patience.every).await;
    }
    let waited_s = patience.s();
    match waiting {
        None => Err(ConnectError::NoEvent(waited_s)),
        Some((event, pending)) => Err(ConnectError::Pending { event, pending, waited_s }),
    }
}

/// Connects the stack, checks that an event arrives, and says each step with `say`.
///
/// # Errors
/// [`ConnectError`].
pub async fn run(
    to: Connect<'_>,
    patience: Patience,
    say: impl Fn(&str),
) -> Result<(), ConnectError> {
    let Connect { stripe, url, clock, .. } = to;
    let (count, connected) = (kinds().count(), connect(to).await?);
    match &connected {
        Connected::Made => say(&format!("an endpoint was made at {url}, with {count} events")),
        Connected::Updated { is_current } => {
            say(&format!("the endpoint at {url} has {count} events now"));
            say("its secret is known only when it is made: --replace makes another one");
            if !is_current {
                say("its events are of another API version: --replace makes one of this version");
            }
        }
        Connected::Replaced(_) => {
            say(&format!("another endpoint was made at {url}, with {count} events"));
        }
    }
    if !matches!(connected, Connected::Updated { .. }) {
        say("its signing secret is stored");
    }
    if let Connected::Replaced(earlier) = connected {
        // Before the check: an event counts as arrived only when each endpoint took it, and the
        // secret of an earlier one may be unknown. `reconcile` applies what was on its way there.
        for id in &earlier {
            stripe.delete_endpoint(id, clock.now()).await?;
            say(&format!("the earlier endpoint {id} was deleted"));
        }
        say("its secret stays valid: in a day, write the new one alone");
    }
    let event = check(stripe, url, clock, patience).await?;
    say(&format!("the event {event} arrived"));
    Ok(())
}
