//! The banner of the local stack: its address, its accounts, and its keys.

use shared::domain::Instant;

use crate::context::Data;
use crate::seed;

/// About twelve lines. `key`: a service key. `keys`: a person is at a terminal and can press them.
///
/// Scripts read the address and the clock in its first line.
pub fn banner(base: &str, data: &Data, now: Instant, key: &str, keys: bool) -> String {
    let accounts = seed::ACCOUNTS.map(|(account, plan, shows)| {
        format!("  {} {plan:<9} {shows}\n", name(&format!("{account:<7}")))
    });
    let hint = match keys {
        true => {
            let keys =
                [("o", "open in the browser"), ("m", "next Monday"), ("r", "reset"), ("q", "quit")];
            keys.map(|(key, does)| format!("{} {does}", name(key))).join("    ")
        }
        false => "Stop it with Ctrl-C.".to_owned(),
    };
    format!(
        "{} on {}, {now}, tables {data}\n\n  Start here  {}\n  SCRIP_URL   {base}\n  \
         SCRIP_KEY   {key}\n\n{}\n  {hint}\n",
        console::style("Scrip").bold(),
        console::style(base).cyan(),
        console::style(format!("{base}/")).cyan().underlined(),
        accounts.concat(),
    )
}

fn name(text: &str) -> String {
    console::style(text).bold().to_string()
}
