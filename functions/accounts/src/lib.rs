//! Accounts: an operator opens accounts, changes their plan, grants credits, freezes and thaws, waives
//! debts and decides about payments that wait.

use lambda_http::{Body, Request, Response};
use shared::command::payment::Heard;
use shared::command::{self, Make};
use shared::decide::{AccountWrite, Made, grant, open, payment, plan};
use shared::domain::payment::{Decided, Verdict};
use shared::domain::{AccountId, Catalog, Key, KeySpace, Refusal};
use shared::http::{self, Call, Problem};
use shared::stripe;
use shared::world::World;

/// Answers `PUT /v1/accounts/{account}` and the operator's routes below it.
pub async fn handle(world: &World, request: Request) -> Response<Body> {
    let call = Call::new(&request, &world.config);
    http::answer(world, route(world, &call)).await
}

async fn route(world: &World, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("PUT", ["v1", "accounts", account]) => put(world, call, account).await,
        ("POST", ["v1", "accounts", account, "grants"]) => grant(world, call, account).await,
        ("POST", ["v1", "accounts", account, "freeze"]) => freeze(world, call, account, true).await,
        ("POST", ["v1", "accounts", account, "unfreeze"]) => {
            freeze(world, call, account, false).await
        }
        ("POST", ["v1", "accounts", account, "debt", "waive"]) => waive(world, call, account).await,
        ("GET", ["v1", "payments"]) => parked(world, call).await,
        ("POST", ["v1", "payments", id, "release"]) => {
            decide(world, call, id, Verdict::Released).await
        }
        ("POST", ["v1", "payments", id, "dismiss"]) => {
            decide(world, call, id, Verdict::Dismissed).await
        }
        _ => Err(call.no_route()),
    }
}

/// Opens the account with its plan, or changes the plan of the one that is there.
async fn put(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let (id, key, request) = call.plan(account)?;
    let actor = call.actor();
    world.put_first_catalog().await;
    let (catalog, actor) = (&*world.catalog().await, actor.as_deref());
    operation(world, catalog, &id, &key, &request.content(), &|account, now, operation| {
        match account {
            None => {
                let opened = open::open(&id, &request, operation, catalog, actor, now)?;
                Ok(Made::Change(AccountWrite::open(Box::new(opened))))
            }
            Some(account) => plan::change(account, &request, operation, catalog, actor, now),
        }
    })
    .await
}

async fn grant(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let (id, key, request) = call.grant(account)?;
    let actor = call.actor();
    let (catalog, actor) = (&*world.catalog().await, actor.as_deref());
    operation(world, catalog, &id, &key, &request.content(), &|account, now, operation| {
        let account = account.ok_or_else(|| Refusal::no_account(&id))?;
        grant::change(account, &request, operation, catalog, actor, now).map(Made::Change)
    })
    .await
}

async fn freeze(
    world: &World,
    call: &Call<'_>,
    account: &str,
    frozen: bool,
) -> Result<Response<Body>, Problem> {
    let (id, key, explanation) = call.explained(account)?;
    let actor = call.actor();
    let (catalog, actor) = (&*world.catalog().await, actor.as_deref());
    let content = plan::freeze_content(frozen, &explanation);
    operation(world, catalog, &id, &key, &content, &|account, now, operation| {
        let account = account.ok_or_else(|| Refusal::no_account(&id))?;
        let change = plan::freeze(account, frozen, &explanation, operation, catalog, actor, now);
        Ok(Made::Change(change))
    })
    .await
}

/// Lets the account off its debt.
async fn waive(world: &World, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let (id, key, explanation) = call.explained(account)?;
    let actor = call.actor();
    let (catalog, actor) = (&*world.catalog().await, actor.as_deref());
    let content = payment::waive_content(&explanation);
    operation(world, catalog, &id, &key, &content, &|account, now, operation| {
        let account = account.ok_or_else(|| Refusal::no_account(&id))?;
        payment::waive(account, &explanation, operation, catalog, actor, now).map(Made::Change)
    })
    .await
}

/// The payments and events that wait for an operator.
async fn parked(world: &World, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let after = call.parked()?;
    let (parked, next) = world.store.parked(after.as_ref()).await?;
    Ok(http::payment::parked(&parked, next.as_ref()))
}

/// Decides about one of them. Sent again it is refused: it does not wait any more.
async fn decide(
    world: &World,
    call: &Call<'_>,
    id: &str,
    verdict: Verdict,
) -> Result<Response<Body>, Problem> {
    let (explanation, actor, at) = (call.explanation()?, call.actor(), world.clock.now());
    let decided = Decided { verdict, explanation, actor, at };
    if let Ok(intent) = id.parse() {
        let news = command::payment::decide(world, &intent, &decided).await?;
        return Ok(http::payment::decided(id, verdict.name(), Some(&news)));
    }
    let kept = world.store.event(id).await?;
    let (event, done) = kept.ok_or(Refusal::PaymentNotFound)?;
    if decided.explanation.message.is_some() {
        return Err(
            Refusal::invalid("message", "is not allowed: customers do not see events").into()
        );
    }
    if done {
        return Err(Refusal::PaymentNotParked.into());
    }
    let mut heard = None;
    if verdict == Verdict::Released {
        // To release an event is to read it again, with a version that can.
        let read = stripe::event(event.body.as_bytes());
        let unreadable =
            |e: stripe::Unreadable| Refusal::EventUnreadable { problem: e.to_string() };
        if let Some(said) = read.map_err(unreadable)?.said {
            heard = Some(command::payment::hear(world, &said, true).await?);
        }
    }
    command::payment::settle_event(world, event, decided).await?;
    let news = match &heard {
        Some(Heard::News(news)) => Some(news),
        _ => None,
    };
    Ok(http::payment::decided(id, verdict.name(), news))
}

/// Does what `make` makes of the account, once for the request's key.
async fn operation(
    world: &World,
    catalog: &Catalog,
    account: &AccountId,
    key: &Key,
    content: &str,
    make: &Make<'_>,
) -> Result<Response<Body>, Problem> {
    let space = KeySpace::Operators;
    let done = command::receipted(world, catalog, account, space, key, content, make);
    let receipted = done.await?;
    Ok(http::receipt::receipt(account, key, &receipted, catalog))
}
