//! Plays the scenes through the routes, and checks that each step ends as it must.

use audit::StripeAccount;
use client::{ChargeError, Charged, Client, Transport, TransportError, Uuid, Work};
use lambda_http::Body;
use serde_json::Value;
use shared::domain::Instant;
use tokio::sync::mpsc;

use super::door::{Came, Door, Error, came, expect};
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
    let (says, said) = mpsc::unbounded_channel();
    let context = functions.context().clone();
    let ids = move || Uuid::from_bytes(*context.entropy.mint(context.clock.now()).bytes());
    let client = Client::with_ids(InProcess { functions: functions.clone(), says }, ids);
    let door = Door { functions: functions.clone() };
    let session = String::new();
    let mut player = Player { door, clock, stripe, client, said, session, last: None };
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
    client: Client<InProcess>,
    /// The client's requests, and the outcome of each.
    said: mpsc::UnboundedReceiver<(String, String, Tone)>,
    /// Stripe's session of the order.
    session: String,
    /// The latest request, and its receipt.
    last: Option<(Sent, Value)>,
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

    async fn work(
        &mut self,
        action: &str,
        quantity: u64,
        delivered: Option<u64>,
        screen: &mut Screen<'_>,
    ) -> Result<(), Error> {
        let work = Work {
            account: ACCOUNT.to_owned(),
            action: action.to_owned(),
            quantity,
            user: Some("ada".to_owned()),
        };
        let before = self.door.balance().await?;
        // A real endpoint calls its model here. The hold exists by then, and is shown.
        let door = self.door.clone();
        let (said, shown) = (&mut self.said, &mut *screen);
        let model = async {
            show(said, shown).await?;
            shown.balance(door.balance().await?).await?;
            shown.rest().await;
            delivered.map(|delivered| ((), delivered)).ok_or_else(|| Error::from("no answer"))
        };
        match (self.client.charge(work, model).await, delivered) {
            (Ok(Charged { receipt, .. }), Some(_)) => drop(receipt?),
            (Err(ChargeError::Work(_)), None) => {}
            (ended, _) => return Err(format!("the work ended otherwise: {ended:?}").into()),
        }
        // The request that ended the hold.
        show(&mut self.said, screen).await?;
        let after = self.door.balance().await?;
        let free = after == before;
        expect(free == delivered.is_none(), || format!("{before:?} became {after:?}"))
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

/// The functions as a client in the same process reaches them. It reports requests and answers.
#[derive(Clone)]
struct InProcess {
    functions: Functions,
    says: mpsc::UnboundedSender<(String, String, Tone)>,
}

impl Transport for InProcess {
    async fn send(
        &self,
        request: http::Request<String>,
    ) -> Result<http::Response<String>, TransportError> {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let route = self.functions.route(&method, &path).unwrap_or(&path);
        let asked = format!("{method} {}  {}", short(route), request.body());
        let answer = self.functions.answer(request.map(Body::Text)).await;
        let came = came(&self.functions, &method, &path, &answer)?;
        self.says.send((asked, format!("{}  {}", came.status, came.words), came.tone))?;
        let (parts, body) = answer.into_parts();
        Ok(http::Response::from_parts(parts, String::from_utf8(body.to_vec())?))
    }
}

/// Shows the client's next request and its outcome.
async fn show(
    said: &mut mpsc::UnboundedReceiver<(String, String, Tone)>,
    screen: &mut Screen<'_>,
) -> Result<(), Error> {
    let (sent, came, tone) = said.recv().await.ok_or("the client is gone")?;
    screen.sent(&sent)?;
    Ok(screen.came(&came, tone)?)
}

/// A path or a route without the prefix that all of the account's routes share.
fn short(path: &str) -> String {
    let below = path.strip_prefix("/v1/accounts/{account}").unwrap_or(path);
    if below.is_empty() { format!("/v1/accounts/{ACCOUNT}") } else { format!("...{below}") }
}
