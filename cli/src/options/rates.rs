//! The options of `scrip rates`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use shared::domain::period::Day;

use super::how::Print;
use crate::rates::only::Only;
use crate::rates::price::{CreditsPerUsd, Markup};

#[derive(Debug, Subcommand)]
pub enum RatesCommand {
    /// Write a rate table from a file of prices, and print what differs: for a review. It reads and
    /// writes files only; `catalog publish` puts a table in force. An import of the same file
    /// changes nothing.
    #[command(after_help = "Example:\n  \
        scrip rates import data.json --from genai-prices --credits-per-usd 100 --markup 30% \
        --only openai,anthropic --table rates/llm.toml")]
    Import(ImportRates),
}

#[derive(Debug, Args)]
pub struct ImportRates {
    /// The file of prices. Of genai-prices: prices/new_data/v2/data.json or data_slim.json.
    pub file: PathBuf,
    /// The form of the file.
    #[arg(long, value_name = "FORM")]
    pub from: Form,
    /// The credits that a customer pays for what costs one dollar, before the markup.
    #[arg(long, value_name = "CREDITS")]
    pub credits_per_usd: CreditsPerUsd,
    /// What is added to each price: 30%, or 0%.
    #[arg(long, value_name = "PERCENT")]
    pub markup: Markup,
    /// The providers and models to import, separated by commas: `openai` is all models of OpenAI,
    /// `google:gemini` those of Google whose ids begin so, `openai:=gpt-5` that one model. Default:
    /// all.
    #[arg(long, value_name = "PROVIDER[:PREFIX]", value_delimiter = ',')]
    pub only: Vec<Only>,
    /// A model that the import leaves as the table has it. May be repeated.
    #[arg(long, value_name = "MODEL")]
    pub keep: Vec<String>,
    /// The rate table to write. It need not exist.
    #[arg(long, value_name = "FILE", default_value = "shared/rates/llm.toml")]
    pub table: PathBuf,
    /// The day whose prices are taken: 2026-12-01. Default: today.
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub at: Option<Day>,
    /// The version of the file, such as its commit: the table's `source` names it.
    #[arg(long, value_name = "TEXT", value_parser = revision)]
    pub revision: Option<String>,
    /// Print what would be written, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub print: Print,
}

/// A form of files of prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Pydantic's genai-prices, version 2 of its data.
    GenaiPrices,
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "not a day such as 2026-12-01".to_owned())
}

fn revision(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "a text of 1 to 64 bytes".to_owned())
}
