//! `rates import`: writes a rate table from a file of prices, for a review. It speaks to no stack.

pub mod diff;
pub mod genai_prices;
pub mod merge;
pub mod names;
pub mod notes;
pub mod offer;
pub mod only;
pub mod price;
pub mod table;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use shared::clock::Clock;
use shared::domain::period::Day;
use shared::domain::rates::RateTable;

use self::diff::{Difference, differences};
use self::notes::Notes;
use self::price::Terms;
use self::table::RateFile;
use crate::exit::WrongUse;
use crate::options::rates::{Form, ImportRates, RatesCommand};
use crate::terminal::{plain, put, put_json};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of an import.
#[derive(Serialize)]
struct Imported<'a> {
    table: &'a Path,
    written: bool,
    differences: Vec<Difference>,
    #[serde(flatten)]
    notes: Notes,
}

/// Runs one of the commands.
///
/// # Errors
/// If a file cannot be read or written, or its models cannot be imported. Nothing is written then.
pub fn run(RatesCommand::Import(asked): RatesCommand) -> Result<(), Error> {
    let was = match std::fs::exists(&asked.table)? {
        true => RateFile::read(&read(&asked.table)?).map_err(|e| of(&asked.table, &*e))?,
        false => RateFile::new(),
    };
    let mut notes = Notes::default();
    let is = import(&asked, was.clone(), &mut notes)?;
    let text = is.to_string();
    RateTable::parse(&text)
        .map_err(|e| format!("the table would be wrong: {}: {}", e.key, e.problem))?;
    let (table, written) = (asked.table.as_path(), was != is && !asked.dry_run);
    if written {
        write(table, &text).map_err(|error| of(table, &error))?;
    }
    let imported = Imported { table, written, differences: differences(&was, &is), notes };
    match asked.print.json {
        true => Ok(put_json(&imported)?),
        false => Ok(put(imported.text())?),
    }
}

fn import(asked: &ImportRates, mut table: RateFile, notes: &mut Notes) -> Result<RateFile, Error> {
    let keep: BTreeSet<String> = asked.keep.iter().cloned().collect();
    if let Some(unknown) = keep.iter().find(|name| !table.models.contains_key(*name)) {
        return Err(WrongUse(format!("--keep {unknown}: the table has no such model")).into());
    }
    let at = asked.at.unwrap_or_else(|| Day::of(Clock::system().now()));
    let text = read(&asked.file)?;
    let Form::GenaiPrices = asked.from;
    let mut offers = genai_prices::read(&text, &asked.only, at, notes)
        .map_err(|error| of(&asked.file, &*error))?;
    offers.models = offer::united(offers.models)?;
    let terms = Terms { credits_per_usd: asked.credits_per_usd, markup: asked.markup };
    merge::merge(&mut table, &offers, &keep, terms, notes);
    let revision = asked.revision.as_ref().map(|revision| format!(" {revision}"));
    let (revision, Terms { credits_per_usd, markup }) = (revision.unwrap_or_default(), terms);
    table.source = Some(format!(
        "genai-prices v2{revision}, {credits_per_usd} credits per USD, markup {markup}"
    ));
    table.cost_currency = Some("usd".to_owned());
    Ok(table)
}

impl Imported<'_> {
    fn text(&self) -> String {
        let Imported { table, written, differences, notes } = self;
        let mut text: String = differences.iter().map(|one| format!("{one}\n")).collect();
        text.push_str(&plain_lines(&notes.left_out.under("left out:")));
        text.push_str(&plain_lines(&notes.notices.under("check:")));
        let table = plain(&table.display().to_string());
        let warnings = differences.iter().filter(|one| one.warning.is_some()).count();
        text.push_str(&match written {
            true => {
                format!("wrote {table}: {} differences, {warnings} warnings\n", differences.len())
            }
            false => format!("{table} was not changed\n"),
        });
        text
    }
}

fn plain_lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", plain(line))).collect()
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|error| of(file, &error))
}

/// Writes a file whole: a reader finds the old text or the new one.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let beside = file.with_extension("toml.new");
    std::fs::write(&beside, text)?;
    std::fs::rename(beside, file)
}

fn of(file: &Path, error: &dyn std::error::Error) -> Error {
    format!("{}: {error}", file.display()).into()
}
