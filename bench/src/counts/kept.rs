//! The counts that a run is compared with: `docs/reference/counts.toml`.

use std::path::Path;

use toml::Table;

use super::{Count, Counts};
use crate::contender::Error;
use crate::machine::Machine;

/// The file of the counts.
pub struct Kept<'a>(pub &'a Path);

impl Kept<'_> {
    /// The counts in it.
    ///
    /// # Errors
    /// If it is not there or lacks a count.
    pub fn read(&self) -> Result<Counts, Error> {
        let file: Table = std::fs::read_to_string(self.0)?.parse()?;
        let number = |table: &str, name: &str| {
            let found = file.get(table).and_then(|table| table.get(name)?.as_integer());
            let found = found.and_then(|found| u64::try_from(found).ok());
            found.ok_or_else(|| format!("{}: no {table}.{name}", self.0.display()))
        };
        let count = |table: &str| {
            let (instructions, allocations) =
                (number(table, "instructions")?, number(table, "allocations")?);
            Ok::<Count, Error>(Count { instructions, allocations })
        };
        Ok(Counts {
            sdk: count("sdk")?,
            http: count("http")?,
            direct: count("direct")?,
            cold_start: number("cold_start", "instructions")?,
        })
    }

    /// Writes the counts of a run in their place.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, counts: &Counts, machine: &Machine) -> Result<(), Error> {
        let Counts { sdk, http, direct, cold_start } = counts;
        let of = |name: &str, count: &Count| {
            let Count { instructions, allocations } = count;
            format!("\n[{name}]\ninstructions = {instructions}\nallocations = {allocations}\n")
        };
        let Machine { day, compiler, processor, .. } = machine;
        let text = format!(
            "# What one debit took when it was last accepted: see docs/internals/speed.md.\n\
             # `bench -- counts` fails where a run counts 3 % more; `--accept` writes this file.\n\
             day = \"{day}\"\ncompiler = \"{compiler}\"\nprocessor = \"{processor}\"\n\
             \n# A debit's calls by the bare SDK; `http` and `direct` are what is ours above it.\
             {}{}{}\n# From the start of the function to its first reply.\n\
             [cold_start]\ninstructions = {cold_start}\n",
            of("sdk", sdk),
            of("http", http),
            of("direct", direct),
        );
        Ok(std::fs::write(self.0, text)?)
    }
}
