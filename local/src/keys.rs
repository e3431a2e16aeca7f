//! The keys that a person presses at the local stack's terminal.

use std::io::Write as _;

use shared::domain::Instant;
use shared::domain::period;

use crate::clock::LocalClock;
use crate::context::Data;
use crate::terminal::{self, Terminal};

/// How the stack ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process ends.
    Quit,
    /// The stack starts anew with no data.
    Reset,
}

/// Obeys the keys until one of them ends the stack. Without a terminal none does.
pub async fn obey(
    terminal: Option<&mut Terminal>,
    base: &str,
    data: &Data,
    clock: &LocalClock,
) -> End {
    let Some(terminal) = terminal else { return std::future::pending().await };
    loop {
        match terminal.key().await {
            'o' => open(&format!("{base}/")).await,
            'm' => {
                let monday = next_monday(clock.now());
                clock.set(monday);
                let date = monday.utc().format("%Y-%m-%d");
                say(&format!("It is Monday, {date} 00:00 UTC. Free credits are back."));
            }
            'r' if !data.is_own() => {
                say(&format!("The tables {data} do not belong to this stack: they are kept."));
            }
            'r' => {
                say(&format!(
                    "Delete the tables {data}, the clock and the local Stripe's data? y/n"
                ));
                match terminal.key().await {
                    'y' | 'Y' => {
                        say("Starting over.\n");
                        return End::Reset;
                    }
                    _ => say("Nothing was changed."),
                }
            }
            'q' => return End::Quit,
            _ => {}
        }
    }
}

/// The first Monday 00:00 UTC after `now`.
pub fn next_monday(now: Instant) -> Instant {
    period::week(now).end
}

async fn open(url: &str) {
    match terminal::browse(url).await {
        true => say(&format!("{url} is open in the browser.")),
        false => say(&format!("No browser can be opened from here. Open {url}")),
    }
}

/// Prints a line. A closed output is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", console::style(text).bold());
}
