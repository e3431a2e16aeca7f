//! Plays the scenes through the routes, and checks that each step ends as it must.

use lambda_http::Body;
use serde_json::Value;
use shared::domain::Instant;
use shared::stripe::StripeAccount;

use super::door::{Came, Door, Error, expect};
use super::scenes::{ACCOUNT, Do, SCENES, Sent};
use super::screen::Screen;
use super::{ledger, rush};
use crate::change::Tone;
use crate::clock::LocalClock;
use crate::routes::Functions;
use crate::stripe::{Effect, LocalStripe};

/// Plays the scenes on an empty stack, to the last one or until the viewer quits.
///
/// # Errors
/// If a step does not end as it must, or the screen cannot be written.
pub async fn play(
    functions: &Functions,
    clock: &LocalClock,
    stripe: &LocalStripe,
    screen: &mut Screen<'_>,
) -> Result<(), Error> {
    let door = Door { functions: functions.clone() };
    let session = String::new();
    let mut player = Player { door, clock, stripe, session, last: None, works: 0 };
    for (number, scene) in SCENES.iter().enumerate() {
        screen.scene(number + 1, SCENES.len(), scene.title, scene.full).await?;
        for step in scene.steps {
            screen.say(step.says).await?;
            player.step(&step.does, screen).await?;
            screen.balance(player.door.balance().await?).await?;
            screen.rest().await;
            if screen.has_quit() {
                return Ok(());
            }
        }
    }
    Ok(())
}

struct Player<'a> {
    door: Door,
    clock: &'a LocalClock,
    stripe: &'a LocalStripe,
    /// Stripe's session of the order.
    session: String,
    /// The latest request, and its receipt.
    last: Option<(Sent, Value)>,
    /// How many works were done: the keys of each have its number.
    works: u32,
}

impl Player<'_> {
    async fn step(&mut self, does: &Do, screen: &mut Screen<'_>) -> Result<(), Error> {
        match does {
            Do::Send(sent) => {
                let came = self.send(sent, screen).await?;
                expect(came.status == sent.status, || format!("{}: {}", came.status, came.body))?;
                if came.status == 201 {
                    self.last = Some((*sent, came.body));
                }
                Ok(())
            }
            Do::Again => {
                let (sent, receipt) = self.last.clone().ok_or("nothing was sent before")?;
                let came = self.send(&sent, screen).await?;
                let same = came.replayed && came.body == receipt;
                expect(same, || format!("not the same receipt: {}", came.body))?;
                let number = receipt["seq"].as_u64().ok_or("no receipt")?;
                Ok(screen.glow(&format!("same receipt, entry {number}: nothing charged")).await?)
            }
            Do::Rush { debits, body } => rush::play(&self.door, *debits, body, screen).await,
            Do::Move(now) => {
                self.clock.set(Instant::parse(now).ok_or("not a time")?);
                Ok(screen.came(&format!("clock {now}"), Tone::Read)?)
            }
            Do::Work { action, quantity, delivered } => {
                self.work(action, *quantity, *delivered, screen).await
            }
            Do::Order(pack) => self.order(pack, screen).await,
            Do::Stripe(effect) => self.stripe(*effect, screen).await,
            Do::Ledger => ledger::play(&self.door, screen).await,
            Do::Audit => self.audit(screen).await,
        }
    }

    async fn send(&self, sent: &Sent, screen: &mut Screen<'_>) -> Result<Came, Error> {
        let Sent { method, path, key, body, .. } = sent;
        screen.sent(&format!("{method} {}  {key}  {body}", short(path)))?;
        let came = self.door.send(method, path, key, body).await?;
        screen.came(&format!("{}  {}", came.status, came.words), came.tone)?;
        if let Some(at) = came.body["recharges_at"].as_str() {
            screen.came(&format!("recharges_at {at}"), came.tone)?;
        }
        Ok(came)
    }

    /// Holds credits, works, and charges what was delivered, as the clients do.
    async fn work(
        &mut self,
        action: &str,
        quantity: u64,
        delivered: Option<u64>,
        screen: &mut Screen<'_>,
    ) -> Result<(), Error> {
        self.works += 1;
        let key = format!("work-{}", self.works);
        let before = self.door.balance().await?;
        let body = format!(r#"{{"action":"{action}","quantity":{quantity},"user":"ada"}}"#);
        let held = self.post("/holds", &key, &body, screen).await?;
        let hold = held["id"].as_str().ok_or("no hold was made")?;
        // A real endpoint calls its model here. The hold exists by then, and is shown.
        screen.balance(self.door.balance().await?).await?;
        screen.rest().await;
        let (step, body) = match delivered {
            Some(delivered) => ("capture", format!(r#"{{"quantity":{delivered},"user":"ada"}}"#)),
            None => ("release", "{}".to_owned()),
        };
        let path = format!("/holds/{hold}/{step}");
        self.post(&path, &format!("{key}-{step}"), &body, screen).await?;
        let after = self.door.balance().await?;
        let free = after == before;
        expect(free == delivered.is_none(), || format!("{before:?} became {after:?}"))
    }

    /// Sends an operation that must happen, and shows it by its route. Returns its receipt.
    async fn post(
        &self,
        path: &str,
        key: &str,
        body: &str,
        screen: &mut Screen<'_>,
    ) -> Result<Value, Error> {
        let full = format!("/v1/accounts/{ACCOUNT}{path}");
        let route = self.door.functions.route("POST", &full).unwrap_or(&full);
        screen.sent(&format!("POST {}  {body}", short(route)))?;
        let came = self.door.send("POST", path, key, body).await?;
        screen.came(&format!("{}  {}", came.status, came.words), came.tone)?;
        expect(came.status == 201, || format!("{}: {}", came.status, came.body))?;
        Ok(came.body)
    }

    /// Orders a pack as a customer does: with a session that a service made.
    async fn order(&mut self, pack: &str, screen: &mut Screen<'_>) -> Result<(), Error> {
        let functions = &self.door.functions;
        let origin = functions.context().config.origins.first().ok_or("no origin is allowed")?;
        let session = http::Request::post(format!("/v1/accounts/{ACCOUNT}/sessions"));
        let session = session.body(Body::Text(format!(
            r#"{{"subject":"ada","scopes":["buy"],"return_url":"{origin}/credits"}}"#
        )))?;
        let session = self.door.ask(session).await?;
        let token = session.body["token"].as_str().ok_or("no session was made")?;
        let body = format!(r#"{{"pack":"{pack}"}}"#);
        screen.sent(&format!("POST /v1/me/checkouts  {body}"))?;
        let order = http::Request::post("/v1/me/checkouts")
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", format!("order-{pack}"))
            .body(Body::Text(body))?;
        let ordered = self.door.ask(order).await?;
        screen.came(&format!("{}  {}", ordered.status, ordered.words), ordered.tone)?;
        let id = ordered.body["id"].as_str().ok_or_else(|| ordered.body.to_string())?;
        self.session = self.stripe.session_of(id).ok_or("Stripe has no session of it")?;
        Ok(())
    }

    /// Applies an effect at Stripe. Each of its events is sent twice, and counts once.
    async fn stripe(&mut self, effect: Effect, screen: &mut Screen<'_>) -> Result<(), Error> {
        let before = ledger::payments(&self.door).await?;
        self.stripe.act(&self.session, effect)?;
        for event in self.stripe.take_events() {
            let read: Value = serde_json::from_str(&event)?;
            let kind = read["type"].as_str().unwrap_or_default();
            screen.sent(&format!("POST /v1/stripe/webhook  {kind}, sent twice"))?;
            self.stripe.resend(&event);
            self.stripe.resend(&event);
        }
        self.stripe.deliver(&self.door.functions).await;
        let counted = ledger::payments(&self.door).await? - before;
        expect(counted == 1, || format!("counted {counted} times"))?;
        let counted = "sent twice, counted once";
        match effect {
            Effect::Pay => screen.glow(counted).await?,
            _ => screen.verdict(counted)?,
        }
        Ok(())
    }

    async fn audit(&self, screen: &mut Screen<'_>) -> Result<(), Error> {
        let functions = &self.door.functions;
        let account = ACCOUNT.parse()?;
        let stripe = StripeAccount::Client(functions.stripe().clone());
        let report =
            audit::report(functions.context(), Some(&stripe), Some(&account), |_| ()).await?;
        let differences = report.differences.len();
        screen.glow(&format!("audit: {} account, {differences} differences", report.seen)).await?;
        expect(differences == 0, || format!("{:?}", report.differences))
    }
}

/// A path or a route without the prefix that all of the account's routes share.
fn short(path: &str) -> String {
    let below = path.strip_prefix("/v1/accounts/{account}").unwrap_or(path);
    if below.is_empty() { format!("/v1/accounts/{ACCOUNT}") } else { format!("...{below}") }
}
