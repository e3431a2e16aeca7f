//! The options of `scrip load`.

use clap::Args;
use clap::builder::RangedI64ValueParser;

use super::how::Print;

/// The bounds of a load.
#[derive(Debug, Args)]
pub struct Load {
    /// The accounts that it is spread over, `load-test-1` and so on. With 1, all of it is on one.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = up_to(100))]
    pub accounts: u32,
    /// The callers that send at the same time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = up_to(256))]
    pub callers: u32,
    /// The requests a second of all callers together.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = up_to(1_000))]
    pub rate: u32,
    /// How long it sends, in seconds.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = up_to(600))]
    pub seconds: u32,
    /// The most requests that it sends.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = up_to(100_000))]
    pub most: u32,
    /// The plan of the accounts that it opens. It has to allow spending.
    #[arg(long, value_name = "PLAN", default_value = "pro")]
    pub plan: String,
    /// Print what it would do and cost, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub print: Print,
}

impl Load {
    /// The requests that it may send: of rate and time, and of the count.
    pub fn requests(&self) -> u32 {
        (self.rate * self.seconds).min(self.most)
    }
}

fn up_to(most: i64) -> RangedI64ValueParser<u32> {
    RangedI64ValueParser::new().range(1..=most)
}
