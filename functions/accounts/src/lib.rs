//! Accounts: an operator finds and opens accounts, changes plans, grants and revokes credits, freezes
//! and unfreezes, waives debt, sets limits, looks payments up and decides about parked ones. A
//! customer whose session has the scope sets limits, too.

use lambda_http::{Body, Request, Response};
use shared::command::limit::Changer;
use shared::command::payment::{NoticeOutcome, OrderUpdate};
use shared::command::{self, Make};
use shared::context::Context;
use shared::decide::{AccountWrite, Made, directory, grant, open, payment, plan};
use shared::domain::auto_top_up::OffReason;
use shared::domain::payment::{Decided, State, Verdict};
use shared::domain::subscription::SubscriptionId;
use shared::domain::{Account, AccountId, AccountState, Catalog, KeySpace, Refusal};
use shared::http::auto_top_up::{Beside, auto_top_up};
use shared::http::cursor::PaymentList;
use shared::http::request::Once;
use shared::http::{self, Call, Problem};
use shared::query::payments::PaymentRecord;
use shared::query::{self, UpToNow};
use shared::session::Scope;
use shared::stripe;
use shared::stripe::object::Said;
use shared::telemetry::correlation;

/// Answers the operators' routes of `/v1/accounts` and `/v1/payments`, and the customers' that sets
/// limits.
pub async fn handle(context: &Context, request: Request) -> Response<Body> {
    let call = Call::new(&request, &context.config);
    call.shared(http::answer(context, &call, route(context, &call)).await)
}

async fn route(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("GET", ["v1", "accounts"]) => find(context, call).await,
        ("GET", ["v1", "accounts", account]) => show(context, call, account).await,
        ("PUT", ["v1", "accounts", account]) => put(context, call, account).await,
        ("POST", ["v1", "accounts", account, "grants"]) => grant(context, call, account).await,
        ("POST", ["v1", "accounts", account, "grants", id, "revoke"]) => {
            revoke(context, call, account, id).await
        }
        ("POST", ["v1", "accounts", account, "freeze"]) => {
            freeze(context, call, account, true).await
        }
        ("POST", ["v1", "accounts", account, "unfreeze"]) => {
            freeze(context, call, account, false).await
        }
        ("POST", ["v1", "accounts", account, "debt", "waive"]) => {
            waive(context, call, account).await
        }
        ("PUT", ["v1", "accounts", account, "limits", subject]) => {
            set_limit(context, call, account, subject).await
        }
        ("PUT", ["v1", "me", "limits", subject]) => set_my_limit(context, call, subject).await,
        ("OPTIONS", path) if path.get(1) == Some(&"me") => call.preflight(),
        ("GET", ["v1", "accounts", account, "auto-top-up"]) => {
            let id = call.account(account)?;
            query::account(context, &id).await?;
            let auto = context.store.auto_top_up(&id).await?;
            Ok(auto_top_up(auto.as_ref(), Beside::default(), context.clock.now()))
        }
        ("DELETE", ["v1", "accounts", account, "auto-top-up"]) => {
            let id = call.account(account)?;
            call.stop_auto_top_up()?;
            query::account(context, &id).await?;
            let off = command::auto_top_up::switch_off(context, &id, OffReason::Operator).await?;
            Ok(auto_top_up(off.as_ref(), Beside::default(), context.clock.now()))
        }
        ("GET", ["v1", "accounts", account, "payments"]) => {
            payments_of(context, call, account).await
        }
        ("GET", ["v1", "payments"]) => payments(context, call).await,
        ("GET", ["v1", "payments", id]) => payment(context, call, id).await,
        ("POST", ["v1", "payments", id, "release"]) => {
            decide(context, call, id, Verdict::Released).await
        }
        ("POST", ["v1", "payments", id, "dismiss"]) => {
            decide(context, call, id, Verdict::Dismissed).await
        }
        _ => Err(call.no_route()),
    }
}

/// Opens the account with its plan, or changes the plan of an existing account.
async fn put(context: &Context, call: &Call<'_>, account: &str) -> Result<Response<Body>, Problem> {
    let (id, key, (request, names)) = call.plan(account)?;
    let actor = call.actor();
    if !key.dry_run {
        context.put_first_catalog().await;
    }
    let (catalog, actor) = (&*context.catalog().await, actor.as_deref());
    let mut content = request.content();
    if !names.is_empty() {
        content = format!("{content} names {}", names.content());
    }
    operation(context, catalog, &id, &key, &content, &|account, now, operation| {
        let named = |account: &Account| directory::named(account, &names);
        let (made, row) = match account {
            None => {
                let opened = open::open(&id, &request, operation, catalog, actor, now)?;
                let row = named(&opened);
                (Made::Change(AccountWrite::open(Box::new(opened))), row)
            }
            Some(account) => {
                let changed = plan::change(account, &request, operation, catalog, actor, now)?;
                (changed, named(account))
            }
        };
        Ok(if names.is_empty() { made } else { Made::With(Box::new(made), row) })
    })
    .await
}

/// Finds accounts by name, label, id, plan, gate or debt.
async fn find(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (filter, after, limit) = call.accounts()?;
    let found = query::directory::find(context, &filter, after.as_ref(), limit).await?;
    Ok(http::directory::accounts(&found))
}

/// One account, as of now.
async fn show(
    context: &Context,
    call: &Call<'_>,
    account: &str,
) -> Result<Response<Body>, Problem> {
    let id = call.account(account)?;
    let catalog = context.catalog().await;
    let UpToNow { advanced, .. } = query::balance(context, &catalog, &id).await?;
    let listed = query::directory::row(context, &id).await?;
    Ok(http::directory::account(&id, listed.as_ref(), &AccountState::of(&advanced.account)))
}

async fn grant(
    context: &Context,
    call: &Call<'_>,
    account: &str,
) -> Result<Response<Body>, Problem> {
    let (id, key, request) = call.grant(account)?;
    let actor = call.actor();
    let (catalog, actor) = (&*context.catalog().await, actor.as_deref());
    operation(context, catalog, &id, &key, &request.content(), &|account, now, operation| {
        let account = account.ok_or_else(|| Refusal::no_account(&id))?;
        grant::change(account, &request, operation, catalog, actor, now).map(Made::Change)
    })
    .await
}

/// Revokes one grant.
async fn revoke(
    context: &Context,
    call: &Call<'_>,
    account: &str,
    grant: &str,
) -> Result<Response<Body>, Problem> {
    let (id, Once { key, dry_run }, request) = call.revoke(account, grant)?;
    let actor = call.actor();
    let (context, catalog) = (&context.or_dry_run(dry_run), &*context.catalog().await);
    let actor = actor.as_deref();
    let receipted = command::revoke(context, catalog, &id, &key, &request, actor).await?;
    http::receipt::or_preview(context, &id, &key, &receipted, catalog)
}

async fn freeze(
    context: &Context,
    call: &Call<'_>,
    account: &str,
    frozen: bool,
) -> Result<Response<Body>, Problem> {
    let (id, key, explanation) = call.explained(account)?;
    let actor = call.actor();
    let (catalog, actor) = (&*context.catalog().await, actor.as_deref());
    let content = plan::freeze_content(frozen, &explanation);
    operation(context, catalog, &id, &key, &content, &|account, now, operation| {
        let account = account.ok_or_else(|| Refusal::no_account(&id))?;
        let change = plan::freeze(account, frozen, &explanation, operation, catalog, actor, now);
        Ok(Made::Change(change))
    })
    .await
}

/// Waives the account's debt.
async fn waive(
    context: &Context,
    call: &Call<'_>,
    account: &str,
) -> Result<Response<Body>, Problem> {
    let (id, key, explanation) = call.explained(account)?;
    let actor = call.actor();
    let (catalog, actor) = (&*context.catalog().await, actor.as_deref());
    let content = payment::waive_content(&explanation);
    operation(context, catalog, &id, &key, &content, &|account, now, operation| {
        let account = account.ok_or_else(|| Refusal::no_account(&id))?;
        payment::waive(account, &explanation, operation, catalog, actor, now).map(Made::Change)
    })
    .await
}

/// Sets or removes a limit of the account's own.
async fn set_limit(
    context: &Context,
    call: &Call<'_>,
    account: &str,
    subject: &str,
) -> Result<Response<Body>, Problem> {
    let (id, Once { key, dry_run }, request) = call.set_limit(account, subject)?;
    let actor = call.actor();
    let (context, catalog) = (&context.or_dry_run(dry_run), &*context.catalog().await);
    let (space, by) = (KeySpace::Operators, Changer { actor: actor.as_deref(), user: None });
    let set = command::limit::set(context, catalog, &id, (space, &key), &request, by);
    http::receipt::or_preview(context, &id, &key, &set.await?, catalog)
}

/// The same for a customer, whose session names the account.
async fn set_my_limit(
    context: &Context,
    call: &Call<'_>,
    subject: &str,
) -> Result<Response<Body>, Problem> {
    let session = call.customer(context, Scope::Limits).await?;
    let (key, request) = call.set_my_limit(subject)?;
    let (id, catalog) = (&session.account, &*context.catalog().await);
    let (space, by) = (KeySpace::Customers, Changer { user: Some(&session.subject), actor: None });
    let set = command::limit::set(context, catalog, id, (space, &key), &request, by).await?;
    Ok(http::receipt::receipt(id, &key, &set, catalog))
}

/// Lists payments, the latest first; or those that wait for an operator, the oldest first.
async fn payments(context: &Context, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let (state, place) = call.payments()?;
    let (part, list) = match state {
        Some(State::Parked) => {
            (query::payments::parked(context, place.as_ref()).await?, PaymentList::Parked)
        }
        _ => {
            let part = query::payments::list(context, None, state, place.as_ref()).await?;
            (part, PaymentList::All)
        }
    };
    Ok(http::payments::payments(&part, list, &call.base()))
}

/// Lists the payments of one account, the latest first.
async fn payments_of(
    context: &Context,
    call: &Call<'_>,
    account: &str,
) -> Result<Response<Body>, Problem> {
    let (id, place) = call.payments_of(account)?;
    query::account(context, &id).await?;
    let part = query::payments::list(context, Some(&id), None, place.as_ref()).await?;
    Ok(http::payments::payments(&part, PaymentList::OfAccount(&id), &call.base()))
}

/// One payment, by its own id, its order's or an event's.
async fn payment(context: &Context, call: &Call<'_>, id: &str) -> Result<Response<Body>, Problem> {
    let found = query::payments::by_id(context, id).await?;
    Ok(http::payments::payment(&found.ok_or(Refusal::PaymentNotFound)?, &call.base()))
}

/// Decides about one of them. The same decision sent again is answered; any other is refused: the
/// payment is no longer parked.
async fn decide(
    context: &Context,
    call: &Call<'_>,
    id: &str,
    verdict: Verdict,
) -> Result<Response<Body>, Problem> {
    let ((explanation, dry_run), actor) = (call.explanation()?, call.actor());
    let decided = Decided { verdict, explanation, actor, at: context.clock.now() };
    if id.parse::<SubscriptionId>().is_ok() {
        return Err(match query::payments::by_id(context, id).await? {
            Some(PaymentRecord::Mark(mark)) => {
                Refusal::SubscriptionParked { problem: mark.problem }.into()
            }
            _ => Refusal::PaymentNotFound.into(),
        });
    }
    let context = &context.or_dry_run(dry_run);
    let news = match id.parse() {
        Ok(intent) => Some(command::payment::decide(context, &intent, &decided).await?),
        Err(_) => decide_event(context, id, decided).await?,
    };
    let account = news.as_ref().and_then(|news| Some(&news.order.as_ref()?.1));
    if let Some(account) = account {
        correlation::account(account);
    }
    let catalog = &*context.catalog().await;
    match query::preview(context, catalog, account)? {
        Some(preview) => Ok(http::balance::preview(&preview, catalog)),
        None => Ok(http::payment::decided(id, verdict.name(), news.as_ref())),
    }
}

/// Decides about a kept event. Returns the change of the payment that it is about.
async fn decide_event(
    context: &Context,
    id: &str,
    decided: Decided,
) -> Result<Option<OrderUpdate>, Problem> {
    let kept = context.store.event(id).await?;
    let (event, done) = kept.ok_or(Refusal::PaymentNotFound)?;
    if decided.explanation.message.is_some() {
        return Err(
            Refusal::invalid("message", "is not allowed: customers do not see events").into()
        );
    }
    match done {
        Some(done) if done.is_again(&decided) => return Ok(None),
        Some(_) => return Err(Refusal::PaymentNotParked.into()),
        None => {}
    }
    let mut heard = None;
    if decided.verdict == Verdict::Released {
        heard = command::topup::release(context, &event).await?;
    }
    if decided.verdict == Verdict::Released && heard.is_none() {
        // Releasing an event reads it again, with a version that can.
        let read = stripe::event(event.body.as_bytes());
        let unreadable =
            |e: stripe::Unreadable| Refusal::EventUnreadable { problem: e.to_string() };
        // A subscription needs no event: `reconcile` asks Stripe about all of them.
        if let Some(Said::Payment(notice)) = read.map_err(unreadable)?.said {
            heard = Some(command::payment::take_notice(context, &notice, true).await?);
        }
    }
    command::payment::advance_event(context, event, decided).await?;
    Ok(match heard {
        Some(NoticeOutcome::OrderUpdate(news)) => Some(news),
        _ => None,
    })
}

/// Applies `make` to the account: once for the request's key, or as a dry run.
async fn operation(
    context: &Context,
    catalog: &Catalog,
    account: &AccountId,
    Once { key, dry_run }: &Once,
    content: &str,
    make: &Make<'_>,
) -> Result<Response<Body>, Problem> {
    let (context, space) = (&context.or_dry_run(*dry_run), KeySpace::Operators);
    let done = command::receipted(context, catalog, account, space, key, content, make);
    let receipted = done.await?;
    http::receipt::or_preview(context, account, key, &receipted, catalog)
}
