//! The contenders: Scrip, and what others do in its place.

mod dynamodb;
mod naive;
#[cfg(feature = "servers")]
mod postgres;
#[cfg(feature = "servers")]
mod redis;
mod scrip;
mod textbook;
mod versioned;

use std::sync::Arc;

use crate::contender::{Contender, Error};
use dynamodb::Debited;
pub use dynamodb::Tables;
use naive::Naive;
#[cfg(feature = "servers")]
pub use postgres::Postgres;
#[cfg(feature = "servers")]
pub use redis::Redis;
use scrip::Scrip;
use textbook::Textbook;
use versioned::Versioned;

/// The contenders that keep accounts in DynamoDB's tables, each on tables of its own.
///
/// # Errors
/// If the tables cannot be reached.
pub async fn on(tables: impl Fn() -> Tables) -> Result<Vec<Arc<dyn Contender>>, Error> {
    Ok(vec![
        Arc::new(Debited::<Naive>::new(tables()).await?),
        Arc::new(Debited::<Versioned>::new(tables()).await?),
        Arc::new(Debited::<Textbook>::new(tables()).await?),
        Arc::new(Scrip::in_process(tables()).await?),
        Arc::new(Scrip::by_client(tables(), false).await?),
        Arc::new(Scrip::by_client(tables(), true).await?),
    ])
}
