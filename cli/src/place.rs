//! The stack that a command works on: the tables and the Stripe of a local stack or a deployed one.

use std::time::Duration;

use serde::Deserialize;
use shared::clock::{Clock, Entropy};
use shared::config::{Config, required};
use shared::context::{Context, sdk, secret};
use shared::domain::Instant;
use shared::store::{Store, Tables};
use shared::stripe::Stripe;
use url::{Host, Url};

use crate::aws::{Aws, Deployed};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The default address of the local stack.
pub const LOCAL: &str = "http://127.0.0.1:3000";

/// The timeout of a request to the local stack.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tables of a stack, and the way to what is around them.
#[derive(Debug)]
pub struct Place {
    pub context: Context,
    pub at: At,
}

/// Where a stack is.
#[derive(Debug)]
pub enum At {
    /// In AWS, and only its tables are named, by the environment. Its Stripe key is in the secret
    /// that STRIPE_KEY_ARN names.
    Tables { aws: Aws },
    /// In AWS, as CloudFormation describes it.
    Stack { aws: Aws, stack: Deployed },
    /// On this machine at `origin`.
    Local {
        origin: String,
        stripe: LocalStripe,
        announces_debits: bool,
        /// What seals its service keys. None: it takes none.
        service_secret: Option<String>,
    },
}

/// The Stripe of a local stack.
#[derive(Debug, PartialEq, Eq)]
pub enum LocalStripe {
    /// Its own, with this key.
    Own(String),
    Real,
    /// It runs without one.
    Absent,
}

/// The local stack's answer to `GET /_local/stack`.
#[derive(Deserialize)]
struct Said {
    /// The milliseconds that its clock is ahead of the system's.
    clock_offset_ms: i64,
    /// None: the stack has no tables of its own.
    tables: Option<Named>,
    /// Whether the stack has a Stripe.
    sells: bool,
    /// None: the stack uses the real Stripe, or has none.
    stripe_key: Option<String>,
    announces_debits: bool,
    /// None: the stack takes no service keys.
    service_secret: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    accounts: String,
    ledger: String,
}

impl Place {
    /// The stack that runs at `origin`, with its clock as it was moved.
    ///
    /// # Errors
    /// If no stack answers there, its tables are elsewhere, or its catalog is wrong.
    pub async fn local(origin: String) -> Result<Place, Error> {
        let asked = format!("{origin}/_local/stack");
        let said = tokio::task::spawn_blocking(move || ask(&asked)).await?;
        let said = said.map_err(|error| {
            format!(
                "no local stack answers at {origin} ({error}): start one with `cargo run` in a \
                 clone of Scrip, or give its address with --local=http://127.0.0.1:PORT"
            )
        })?;
        let Named { accounts, ledger } = said.tables.ok_or_else(|| {
            format!(
                "the stack at {origin} was started with --endpoint: its tables are at that endpoint"
            )
        })?;
        let (announces_debits, service_secret) = (said.announces_debits, said.service_secret);
        let (system, offset_ms) = (Clock::system(), said.clock_offset_ms);
        let clock = Clock::new(move || Instant::from_ms(system.now().ms() + offset_ms));
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = Config { tables: Tables { accounts, ledger }, ..Config::default() };
        let sdk = sdk(http, &format!("{origin}/_local/dynamodb"));
        let store = Store::new(sdk, config.tables.clone(), clock.clone());
        let context = Context::new(store, clock, Entropy::system(), config).await?;
        let stripe = match (said.sells, said.stripe_key) {
            (false, _) => LocalStripe::Absent,
            (true, Some(key)) => LocalStripe::Own(key),
            (true, None) => LocalStripe::Real,
        };
        Ok(Place { context, at: At::Local { origin, stripe, announces_debits, service_secret } })
    }

    /// The deployed stack of this name, in `region` or the one that the environment names. It says
    /// itself what its tables and its secrets are called.
    ///
    /// # Errors
    /// If nobody is logged in, there is no such stack, or AWS does not allow reading its catalog.
    pub async fn stack(name: &str, region: Option<String>) -> Result<Place, Error> {
        let aws = Aws::load(region).await?;
        let stack = Deployed::read(&aws, name).await?;
        let (accounts, ledger) = (stack.output("AccountsTable")?, stack.output("LedgerTable")?);
        let config = Config { tables: Tables { accounts, ledger }, ..Config::default() };
        let context = Context::deployed(&aws.sdk, config, Clock::system()).await?;
        Ok(Place { context, at: At::Stack { aws, stack } })
    }

    /// The deployed stack whose tables the environment names: ACCOUNTS_TABLE, LEDGER_TABLE.
    ///
    /// # Errors
    /// If it names none, or AWS does not allow reading its catalog.
    pub async fn deployed(region: Option<String>) -> Result<Place, Error> {
        let is_named = |name| std::env::var(name).is_ok_and(|value| !value.is_empty());
        if !["ACCOUNTS_TABLE", "LEDGER_TABLE"].into_iter().all(is_named) {
            return Err("no stack is named. Use --stack NAME for a deployed stack (see \
                        docs/operating/deploy.md), or --local for the stack that `cargo run` \
                        starts on this machine. In place of --stack, ACCOUNTS_TABLE and \
                        LEDGER_TABLE in the environment name the tables of a deployed stack"
                .into());
        }
        let aws = Aws::load(region).await?;
        let config = Config::read(|name| std::env::var(name).ok())?;
        let context = Context::deployed(&aws.sdk, config, Clock::system()).await?;
        Ok(Place { context, at: At::Tables { aws } })
    }

    /// The stack as CloudFormation describes it, for a command that needs more than the tables.
    ///
    /// # Errors
    /// If only the tables are named.
    pub fn described(&self) -> Result<(&Aws, &Deployed), Error> {
        match &self.at {
            At::Stack { aws, stack } => Ok((aws, stack)),
            At::Tables { .. } | At::Local { .. } => {
                Err("this command needs the whole stack: name it with --stack NAME".into())
            }
        }
    }

    /// Whether the place has a Stripe to ask.
    pub fn has_stripe(&self) -> bool {
        match &self.at {
            At::Tables { .. } => required("STRIPE_KEY_ARN").is_ok(),
            At::Stack { stack, .. } => stack.parameter("StripeKeyArn").is_some(),
            At::Local { stripe, .. } => *stripe != LocalStripe::Absent,
        }
    }

    /// The Stripe of the place. On a local stack STRIPE_SECRET_KEY, a test key, selects the real
    /// one.
    ///
    /// # Errors
    /// If its key is missing, or is not allowed here.
    pub async fn stripe(&self) -> Result<Stripe, Error> {
        let now = self.context.clock.now();
        let (aws, arn) = match &self.at {
            At::Tables { aws } => (aws, required("STRIPE_KEY_ARN")?),
            At::Stack { aws, stack } => {
                let arn = stack.parameter("StripeKeyArn").ok_or_else(|| {
                    format!("the stack {} has no Stripe: StripeKeyArn is empty", stack.name)
                })?;
                (aws, arn)
            }
            At::Local { origin, stripe, .. } => return local_stripe(origin, stripe),
        };
        Ok(Stripe::by_secret(secret(&aws.sdk, arn), None, now).await?)
    }
}

/// The Stripe of the local stack at `origin`.
fn local_stripe(origin: &str, stripe: &LocalStripe) -> Result<Stripe, Error> {
    if let LocalStripe::Absent = stripe {
        return Err("this stack has no Stripe".into());
    }
    match (std::env::var("STRIPE_SECRET_KEY"), stripe) {
        (Ok(key), _) if !key.starts_with("sk_test_") => {
            Err("STRIPE_SECRET_KEY: the local stack accepts only a test key".into())
        }
        (Ok(key), _) => Ok(Stripe::new(&key, None)?),
        (Err(_), LocalStripe::Own(key)) => {
            Ok(Stripe::new(key, Some(&format!("{origin}/_local/stripe/")))?)
        }
        (Err(_), _) => Err(format!(
            "the stack at {origin} uses the real Stripe: set STRIPE_SECRET_KEY to the stack's value"
        )
        .into()),
    }
}

/// The origin of a local stack in the text that the operator typed.
///
/// # Errors
/// If it is not an address of this machine.
pub fn origin(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.path() == "/");
    let is_here = url.as_ref().is_some_and(|url| match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    });
    match url.filter(|_| is_here) {
        Some(url) => Ok(url.origin().ascii_serialization()),
        None => Err(format!("not an address of this machine such as {LOCAL}")),
    }
}

/// Asks a local stack for its description.
fn ask(url: &str) -> Result<Said, Error> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build();
    let text = ureq::Agent::from(agent).get(url).call()?.body_mut().read_to_string()?;
    serde_json::from_str(&text).map_err(|_| "another program answers there".into())
}
