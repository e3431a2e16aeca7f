//! `demo`: plays seven scenes of one account through the routes, on its own tables.

mod door;
mod ledger;
mod player;
mod rush;
mod scenes;
mod screen;

use shared::config::Config;
use shared::domain::Instant;
use shared::secrets::Secret;
use shared::stripe::Stripe;
use tokio::net::TcpListener;

pub use player::play;
pub use scenes::BEGINS;
pub use screen::Screen;

use door::Error;

use crate::clock::LocalClock;
use crate::context::{self, Data};
use crate::routes::Functions;
use crate::stripe::{self, LocalStripe};
use crate::terminal::Terminal;
use crate::{session, tables};

/// The address of the demo's product.
const PRODUCT: &str = "https://example.com";

/// Plays the demo for the person at `terminal`, or as plain text on standard output.
///
/// # Errors
/// If a scene does not end as it must, or the output is closed.
pub async fn run(terminal: Option<&mut Terminal>) -> Result<(), Error> {
    let begins = Instant::parse(BEGINS).ok_or("the story begins at no time")?;
    let clock = LocalClock::starting_at(begins);
    let config = Config {
        tables: tables::names(),
        top_up_url: Some(format!("{PRODUCT}/credits")),
        origins: vec![PRODUCT.to_owned()],
        allows_unsigned: true,
        sells: true,
        ..Config::default()
    };
    let context = context::open(&Data::Memory, &clock, config).await?.context;
    let functions = Functions::new(context.with_session_keys(session::new_keys()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let local = LocalStripe::new(clock.clock(), &base);
    let client = Stripe::new(stripe::KEY, Some(&format!("{base}/_local/stripe/")))?;
    let functions = functions.with_stripe(client, Secret::fixed(stripe::WEBHOOK_SECRET));
    let mut screen = match terminal {
        Some(terminal) => Screen::live(terminal),
        None => Screen::plain(std::io::stdout()),
    };
    tokio::select! {
        served = stripe::serve(listener, local.clone()) => Ok(served?),
        played = play(&functions, &clock, &local, &mut screen) => played,
    }
}
