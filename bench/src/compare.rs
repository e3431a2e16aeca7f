//! One run: every contender that this machine has, counted, and timed in interleaved rounds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::contender::{Contender, Error, Place};
use crate::contenders::{self, Tables};
use crate::machine::Machine;
use crate::play::{Played, play};
use crate::servers::dynamodb_local;
use crate::timing::{CALLERS, Timed, time};
use crate::workload::Workload;

/// Debits of one account by one caller. A segment of Scrip's ledger has 16.
pub const PLAIN: usize = 960;
/// The callers of the workload.
pub const PLAYERS: usize = 16;
/// The accounts of the timings on many.
pub const MANY: usize = 1_000;
/// The credits of an account that is timed, in DynamoDB's tables: the most that an operator of Scrip
/// may grant at once, and more than a window takes.
const IN_TABLES: u64 = 100_000;
/// In other databases, which take more in a window.
const IN_SERVERS: u64 = 1_000 * IN_TABLES;

/// What a run does.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub accounts: usize,
    pub debits: usize,
    /// 0: nothing is timed.
    pub rounds: usize,
    pub window: Duration,
    /// The folder where DynamoDB Local is installed.
    pub dynamodb_local: PathBuf,
}

/// Where debits are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    pub is_one_account: bool,
    pub callers: usize,
}

/// The figures of one contender.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub place: Place,
    /// [`PLAIN`] debits.
    pub plain: Played,
    /// The workload.
    pub mixed: Played,
    /// One window for each round.
    pub times: BTreeMap<Shape, Vec<Timed>>,
}

/// All figures of a run.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub plan: Plan,
    pub machine: Machine,
    pub rows: Vec<Row>,
    /// The versions of the servers.
    pub versions: Vec<String>,
    /// What this machine lacks, and what installs it.
    pub left_out: Vec<String>,
}

/// The contenders of this machine.
#[derive(Default)]
struct Field {
    contenders: Vec<Arc<dyn Contender>>,
    versions: Vec<String>,
    left_out: Vec<String>,
    /// It ends after the contenders.
    local: Option<dynamodb_local::Server>,
}

/// Runs the comparison; `say` is told how far it is.
///
/// # Errors
/// If a contender or a server breaks.
pub async fn run(plan: Plan, say: impl Fn(&str)) -> Result<Comparison, Error> {
    let machine = Machine::now();
    let field = Field::gather(&plan).await?;
    let plain = Arc::new(Workload::plain(PLAIN));
    let workload = Arc::new(Workload::new(plan.seed, plan.accounts, plan.debits));
    let mut rows = Vec::new();
    for contender in &field.contenders {
        say(&format!("counts: {} on {}", contender.name(), contender.place()));
        rows.push(Row {
            name: contender.name().to_owned(),
            place: contender.place(),
            plain: play(contender, &plain, 1, None).await?,
            mixed: play(contender, &workload, PLAYERS, Some(plan.seed)).await?,
            times: BTreeMap::new(),
        });
    }
    if plan.rounds > 0 {
        time_all(&plan, &field.contenders, &mut rows, say).await?;
    }
    let Field { versions, left_out, .. } = field;
    Ok(Comparison { plan, machine, rows, versions, left_out })
}

fn credits(contender: &dyn Contender) -> u64 {
    match contender.place() {
        Place::Embedded | Place::DynamoDbLocal => IN_TABLES,
        Place::Server => IN_SERVERS,
    }
}

/// The rounds are interleaved: what disturbs the machine for a while disturbs all contenders.
async fn time_all(
    plan: &Plan,
    contenders: &[Arc<dyn Contender>],
    rows: &mut [Row],
    say: impl Fn(&str),
) -> Result<(), Error> {
    let many: Arc<Vec<String>> = Arc::new((0..MANY).map(|n| format!("many-{n}")).collect());
    for contender in contenders {
        say(&format!("opens {MANY} accounts: {} on {}", contender.name(), contender.place()));
        for account in many.iter() {
            contender.open(account, credits(&**contender)).await?;
        }
    }
    let shapes = [true, false].into_iter().flat_map(|is_one_account| {
        CALLERS.into_iter().map(move |callers| Shape { is_one_account, callers })
    });
    let shapes: Vec<Shape> = shapes.collect();
    for round in 1..=plan.rounds {
        for shape in &shapes {
            say(&format!("round {round} of {}: {shape:?}", plan.rounds));
            for (contender, row) in contenders.iter().zip(&mut *rows) {
                let accounts = match shape.is_one_account {
                    true => {
                        let account = format!("one-{round}-{}", shape.callers);
                        contender.open(&account, credits(&**contender)).await?;
                        Arc::new(vec![account])
                    }
                    false => many.clone(),
                };
                let timed = time(contender, shape.callers, &accounts, plan.window).await?;
                row.times.entry(*shape).or_default().push(timed);
            }
        }
    }
    Ok(())
}

impl Field {
    async fn gather(plan: &Plan) -> Result<Field, Error> {
        let mut field =
            Field { contenders: contenders::on(Tables::embedded).await?, ..Field::default() };
        match dynamodb_local::Server::start(&plan.dynamodb_local)? {
            None => field.lacks("DynamoDB Local", dynamodb_local::INSTALL),
            Some(server) => {
                let url = server.url();
                field.contenders.extend(contenders::on(|| Tables::at(&url)).await?);
                field.versions.push(server.version.clone());
                field.local = Some(server);
            }
        }
        field.add_servers().await?;
        Ok(field)
    }

    fn lacks(&mut self, name: &str, install: &str) {
        self.left_out.push(format!("{name}, which `{install}` installs"));
    }

    #[cfg(feature = "servers")]
    async fn add_servers(&mut self) -> Result<(), Error> {
        use crate::servers::redis::Durability;
        use crate::servers::{postgres, redis};
        if crate::machine::disk().as_deref() == Some("tmpfs") {
            return Err("no file on tmpfs is durable: name another folder in TMPDIR".into());
        }
        match postgres::Server::start()? {
            None => self.lacks("PostgreSQL", postgres::INSTALL),
            Some(server) => {
                self.versions.push(server.version.clone());
                self.contenders.push(Arc::new(contenders::Postgres::new(server).await?));
            }
        }
        for durability in [Durability::Always, Durability::None] {
            match redis::Server::start(durability)? {
                None => self.lacks(&format!("Valkey or Redis, {durability}"), redis::INSTALL),
                Some(server) => {
                    if durability == Durability::Always {
                        self.versions.push(server.version.clone());
                    }
                    self.contenders.push(Arc::new(contenders::Redis::new(server).await?));
                }
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "servers"))]
    async fn add_servers(&mut self) -> Result<(), Error> {
        let built = "cargo run --profile proof -p bench --features servers -- compare";
        for name in ["PostgreSQL", "Valkey or Redis"] {
            self.left_out.push(format!("{name}, whose client `{built}` builds in"));
        }
        Ok(())
    }
}
