//! Valkey or Redis: a script that takes the credits and writes the ledger row under the key.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, InfoDict, cmd};

use crate::contender::{Contender, Error, Later, Logged, Outcome, Place};
use crate::meter::Meter;
use crate::servers::redis::{Durability, Server};

/// The server runs a script alone, so its steps need no condition. Without rewriting, the log says
/// what each debit wrote.
const DEBIT: &str = "
    if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return 1 end
    if tonumber(redis.call('GET', KEYS[1])) < tonumber(ARGV[2]) then return 0 end
    redis.call('DECRBY', KEYS[1], ARGV[2])
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
    return 1";

/// A server that keeps all accounts in memory.
pub struct Redis {
    name: String,
    /// Requests of all callers share it, and travel together.
    connection: MultiplexedConnection,
    script: String,
    durability: Durability,
    meter: Meter,
    /// It ends with the contender.
    _server: Server,
}

impl Redis {
    /// # Errors
    /// If the server refuses.
    pub async fn new(server: Server) -> Result<Redis, Error> {
        let client = Client::open(server.url())?;
        // An answer that waits for the disk may take longer than the client's own half second.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let script = cmd("SCRIPT").arg("LOAD").arg(DEBIT).query_async(&mut connection).await?;
        let durability = server.durability;
        let name = format!("{}, {durability}", server.name);
        let meter = Meter::default();
        Ok(Redis { name, connection, script, durability, meter, _server: server })
    }

    async fn take(&self, account: &str, id: &str, credits: u64) -> Result<Outcome, Error> {
        let mut connection = self.connection.clone();
        let mut debit = cmd("EVALSHA");
        debit.arg(&self.script).arg(2).arg(balance(account)).arg(format!("ledger {account}"));
        let done: i64 = debit.arg(id).arg(credits).query_async(&mut connection).await?;
        Ok(match (self.meter.round_trip(), done) {
            (true, _) => Outcome::Unknown,
            (false, 1) => Outcome::Done,
            (false, _) => Outcome::Refused,
        })
    }
}

fn balance(account: &str) -> String {
    format!("balance {account}")
}

impl Contender for Redis {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> Place {
        Place::Server
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }

    fn open<'a>(&'a self, account: &'a str, credits: u64) -> Later<'a, ()> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let mut set = cmd("SET");
            set.arg(balance(account)).arg(credits).exec_async(&mut connection).await?;
            Ok(())
        })
    }

    fn debit<'a>(&'a self, account: &'a str, id: &'a str, credits: u64) -> Later<'a, Outcome> {
        Box::pin(self.take(account, id, credits))
    }

    fn left<'a>(&'a self, account: &'a str) -> Later<'a, i64> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            Ok(cmd("GET").arg(balance(account)).query_async(&mut connection).await?)
        })
    }

    fn logged(&self) -> Later<'_, Option<Logged>> {
        Box::pin(async move {
            if self.durability == Durability::None {
                return Ok(None);
            }
            let mut connection = self.connection.clone();
            let info: InfoDict =
                cmd("INFO").arg("persistence").query_async(&mut connection).await?;
            let bytes = info.get("aof_current_size").ok_or("no size of the log")?;
            Ok(Some(Logged { bytes, fsyncs: None }))
        })
    }
}
