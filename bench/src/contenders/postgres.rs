//! PostgreSQL: one statement that takes the credits and writes the ledger row under a unique key.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, Statement};

use crate::contender::{Contender, Error, Later, Logged, Outcome, Place};
use crate::meter::Meter;
use crate::servers::postgres::Server;

/// One for each of the callers at once.
const CONNECTIONS: usize = 64;

const TABLES: &str = "
    CREATE TABLE accounts (account text PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE ledger (
        key text PRIMARY KEY, account text NOT NULL, credits bigint NOT NULL,
        at timestamptz NOT NULL DEFAULT now());";

/// In one round trip, which is a transaction of its own.
const DEBIT: &str = "
    WITH there AS (SELECT FROM ledger WHERE key = $2),
    taken AS (
        UPDATE accounts SET balance = balance - $3
        WHERE account = $1 AND balance >= $3 AND NOT EXISTS (SELECT FROM there)
        RETURNING balance),
    written AS (
        INSERT INTO ledger (key, account, credits) SELECT $2, $1, $3 FROM taken)
    SELECT EXISTS (SELECT FROM taken) OR EXISTS (SELECT FROM there)";

/// The statement sees the ledger as it was when it began: it may have waited for the debit with the
/// same key, so a refusal is looked up once more.
const LOOK: &str = "SELECT EXISTS (SELECT FROM ledger WHERE key = $1)";

/// A connection with its statements, prepared.
struct Connection {
    client: Client,
    debit: Statement,
    look: Statement,
}

/// PostgreSQL as Debian installs it: a commit is on disk before it is answered.
pub struct Postgres {
    connections: Vec<Connection>,
    free: Mutex<Vec<usize>>,
    waiting: Semaphore,
    meter: Meter,
    /// It ends with the contender.
    _server: Server,
}

impl Postgres {
    /// # Errors
    /// If the server refuses.
    pub async fn new(server: Server) -> Result<Postgres, Error> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let client = connected(&server.url()).await?;
            if connections.is_empty() {
                client.batch_execute(TABLES).await?;
            }
            let (debit, look) = (client.prepare(DEBIT).await?, client.prepare(LOOK).await?);
            connections.push(Connection { client, debit, look });
        }
        Ok(Postgres {
            free: Mutex::new((0..CONNECTIONS).collect()),
            waiting: Semaphore::new(CONNECTIONS),
            connections,
            meter: Meter::default(),
            _server: server,
        })
    }

    async fn take(&self, account: &str, id: &str, credits: u64) -> Result<Outcome, Error> {
        let _turn = self.waiting.acquire().await?;
        let place = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let place = place.ok_or("fewer connections than turns")?;
        let outcome = self.take_by(&self.connections[place], account, id, credits).await;
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        outcome
    }

    async fn take_by(
        &self,
        connection: &Connection,
        account: &str,
        id: &str,
        credits: u64,
    ) -> Result<Outcome, Error> {
        let credits = i64::try_from(credits)?;
        let Connection { client, debit, look } = connection;
        let sent = client.query_one(debit, &[&account, &id, &credits]).await;
        if self.meter.round_trip() {
            return Ok(Outcome::Unknown);
        }
        match sent {
            Ok(row) if row.get(0) => Ok(Outcome::Done),
            // Another debit with this key was committed meanwhile.
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(Outcome::Done),
            Err(error) => Err(error.into()),
            Ok(_) => {
                let there = client.query_one(look, &[&id]).await?.get(0);
                match self.meter.round_trip() {
                    true => Ok(Outcome::Unknown),
                    false if there => Ok(Outcome::Done),
                    false => Ok(Outcome::Refused),
                }
            }
        }
    }

    async fn log(&self) -> Result<Option<Logged>, Error> {
        // A session reports its fsyncs when it has been idle for a while, or is asked to.
        for Connection { client, .. } in &self.connections {
            client.execute("SELECT pg_stat_force_next_flush()", &[]).await?;
        }
        let bytes =
            "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint, wal_sync FROM pg_stat_wal";
        let row = self.connections[0].client.query_one(bytes, &[]).await?;
        let whole = |column| u64::try_from(row.get::<_, i64>(column));
        Ok(Some(Logged { bytes: whole(0)?, fsyncs: Some(whole(1)?) }))
    }
}

/// A connection. The server listens a moment before it takes any.
async fn connected(url: &str) -> Result<Client, Error> {
    for _ in 0..100 {
        match tokio_postgres::connect(url, NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                return Ok(client);
            }
            Err(error) if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err("PostgreSQL does not get ready".into())
}

impl Contender for Postgres {
    fn name(&self) -> &str {
        "PostgreSQL"
    }

    fn place(&self) -> Place {
        Place::Server
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }

    fn open<'a>(&'a self, account: &'a str, credits: u64) -> Later<'a, ()> {
        Box::pin(async move {
            let credits = i64::try_from(credits)?;
            let insert = "INSERT INTO accounts VALUES ($1, $2)";
            self.connections[0].client.execute(insert, &[&account, &credits]).await?;
            Ok(())
        })
    }

    fn debit<'a>(&'a self, account: &'a str, id: &'a str, credits: u64) -> Later<'a, Outcome> {
        Box::pin(self.take(account, id, credits))
    }

    fn left<'a>(&'a self, account: &'a str) -> Later<'a, i64> {
        Box::pin(async move {
            let select = "SELECT balance FROM accounts WHERE account = $1";
            Ok(self.connections[0].client.query_one(select, &[&account]).await?.get(0))
        })
    }

    fn logged(&self) -> Later<'_, Option<Logged>> {
        Box::pin(self.log())
    }
}
