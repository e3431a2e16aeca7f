//! The naive arm: the debit that most people write first, over the same wire with the same retries.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use local::tables;

use super::chaos::Chaos;
use super::{FAULTY, run_on_one_thread, sdk, simulated_clock};

/// The result of the naive debits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Naive {
    pub debits: i64,
    /// Missing credits, beyond the amount asked for.
    pub off: i64,
    /// The number of the first debit that was charged twice.
    pub first: Option<i64>,
}

/// Debits one credit at a time by `SET v = v - :c IF v >=
/// :c`, and resends requests that got no answer.
pub fn naive(seed: u64, debits: i64) -> Naive {
    run_on_one_thread(async move {
        const START: i64 = 1_000_000;
        let chaos = Chaos::new(simulated_clock()(0), seed, None);
        let client = Client::from_conf(sdk(&chaos).build());
        let names = tables::names();
        tables::create(&client, &names).await.expect("tables");
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |n: i64| AttributeValue::N(n.to_string());
        let put = client.put_item().table_name(&names.accounts).item("a", text("naive"));
        put.item("v", number(START)).send().await.expect("an item");
        chaos.set_rate(FAULTY);
        let mut first = None;
        for nth in 1..=debits {
            loop {
                let update = client.update_item().table_name(&names.accounts);
                let update = update.key("a", text("naive")).update_expression("SET v = v - :c");
                let update = update.condition_expression("v >= :c");
                let update = update.expression_attribute_values(":c", number(1));
                // The caller crashes: its sender sends the request again.
                let sent = tokio::time::timeout(Duration::from_secs(30), update.send()).await;
                if sent.is_ok_and(|sent| sent.is_ok()) {
                    break;
                }
            }
            let left = chaos.peek(&names.accounts, "naive", "v");
            first = first.or((START - nth > left).then_some(nth));
        }
        chaos.set_rate(0);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let left = chaos.peek(&names.accounts, "naive", "v");
        Naive { debits, off: START - debits - left, first }
    })
}
