//! DynamoDB's tables: embedded, or DynamoDB Local's; and the accounts of what is not Scrip.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide::Database;
use local::embedded::Embedded;
use local::{context, tables};
use shared::clock::{Clock, Entropy};

use crate::contender::{Contender, Error, Later, Outcome, Place};
use crate::meter::Meter;
use crate::wire::metered;

/// Tables that nobody else has.
pub struct Tables {
    pub(super) sdk: Builder,
    pub(super) meter: Meter,
    pub(super) place: Place,
}

impl Tables {
    /// In this process and in memory.
    pub fn embedded() -> Tables {
        let meter = Meter::default();
        let database = Database::memory().expect("a database in memory");
        let client = Embedded::new(database, Clock::system()).client();
        let sdk = context::sdk(metered(client, meter.clone()), "http://embedded");
        Tables { sdk, meter, place: Place::Embedded }
    }

    /// At this address of a DynamoDB Local: each access key has tables of its own.
    pub fn at(url: &str) -> Tables {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        let key = format!("bench{}", KEYS.fetch_add(1, Ordering::Relaxed));
        let meter = Meter::default();
        let client = aws_smithy_http_client::Builder::new().build_http();
        let sdk = context::sdk(metered(client, meter.clone()), url);
        let sdk = sdk.credentials_provider(Credentials::new(key, "local", None, None, "bench"));
        Tables { sdk, meter, place: Place::DynamoDbLocal }
    }
}

/// Accounts as most people keep them: an item with a number.
pub(super) struct Accounts {
    pub(super) client: Client,
    pub(super) names: shared::store::Tables,
    meter: Meter,
    place: Place,
}

/// The attribute with the credits.
const CREDITS: &str = "v";

impl Accounts {
    async fn new(tables: Tables) -> Result<Accounts, Error> {
        let client = Client::from_conf(tables.sdk.build());
        let names = local::tables::names();
        tables::create(&client, &names).await?;
        Ok(Accounts { client, names, meter: tables.meter, place: tables.place })
    }

    async fn open(&self, account: &str, credits: u64) -> Result<(), Error> {
        let put = self.client.put_item().table_name(&self.names.accounts);
        let put = put.item("a", text(account)).item("n", number(0));
        put.item(CREDITS, number(credits)).send().await?;
        Ok(())
    }

    pub(super) async fn read(&self, account: &str) -> Result<Read, Error> {
        let get = self.client.get_item().table_name(&self.names.accounts).consistent_read(true);
        let item = get.key("a", text(account)).send().await?.item.ok_or("no account")?;
        Ok(Read { credits: whole(&item, CREDITS)?, version: whole(&item, "n")? })
    }
}

/// A way to debit such accounts: in that alone these contenders differ.
pub(super) trait Debit: Send + Sync {
    /// The name in the tables of the report.
    const NAME: &'static str;

    /// Takes whole credits. `id`: the same id is the same debit, if the way has keys.
    fn take(
        accounts: &Accounts,
        account: &str,
        id: &str,
        credits: u64,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send;
}

/// Accounts that are debited in one way.
pub(super) struct Debited<D>(Accounts, PhantomData<D>);

impl<D: Debit> Debited<D> {
    pub(super) async fn new(tables: Tables) -> Result<Debited<D>, Error> {
        Ok(Debited(Accounts::new(tables).await?, PhantomData))
    }
}

impl<D: Debit> Contender for Debited<D> {
    fn name(&self) -> &str {
        D::NAME
    }

    fn place(&self) -> Place {
        self.0.place
    }

    fn meter(&self) -> &Meter {
        &self.0.meter
    }

    fn open<'a>(&'a self, account: &'a str, credits: u64) -> Later<'a, ()> {
        Box::pin(self.0.open(account, credits))
    }

    fn debit<'a>(&'a self, account: &'a str, id: &'a str, credits: u64) -> Later<'a, Outcome> {
        Box::pin(D::take(&self.0, account, id, credits))
    }

    fn left<'a>(&'a self, account: &'a str) -> Later<'a, i64> {
        Box::pin(async { Ok(self.0.read(account).await?.credits) })
    }
}

/// An account as it was read.
pub(super) struct Read {
    pub(super) credits: i64,
    pub(super) version: i64,
}

fn whole(item: &HashMap<String, AttributeValue>, name: &str) -> Result<i64, Error> {
    let value = item.get(name).and_then(|value| value.as_n().ok()).ok_or("no number")?;
    Ok(value.parse()?)
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A wait between two tries: at random up to 25 ms.
pub(super) async fn wait() {
    let wait = Duration::from_millis(Entropy::system().below(25));
    tokio::time::sleep(wait).await;
}
