//! What a stack costs in a month beside its operations, from its template, a run and the prices.

use cli::load::prices::Prices;
use local::template::Template;
use serde_json::Value;

use super::priced::dollars;
use crate::protocol::held::{grouped, table};
use crate::protocol::scale::{Load, units_of_an_account};

/// Days of a month on which the audit and the daily sweep run.
const DAYS: f64 = 30.0;
/// The accounts of the examples.
const ACCOUNTS: f64 = 100_000.0;
/// How often a screen that is looked at asks in an hour, while nothing changes and while it always
/// does: `page::polling` holds the first.
const ASKS_AN_HOUR: [f64; 2] = [20.0, 360.0];
/// Ten thousand customers who look for eight hours on 21 days.
const HOURS_LOOKED: f64 = 10_000.0 * 8.0 * 21.0;

/// The read units of the audit of one account, with so many entries beside its first.
pub(super) async fn audit_units() -> Vec<(usize, f64)> {
    let mut units = Vec::new();
    for entries in [0, 160] {
        let counted = units_of_an_account(Load { entries, ..Load::default() }).await;
        units.push((entries, counted));
    }
    units
}

/// The resources of the template of a type.
fn resources(kind: &str) -> Vec<Value> {
    let template = Template::load();
    let resources = template.value()["Resources"].as_object().expect("resources").values();
    resources.filter(|one| one["Type"] == kind).cloned().collect()
}

/// The table: `poll` is the price of a million polls by the page's cookie.
pub(super) fn month(poll: f64, audits: Vec<(usize, f64)>) -> String {
    let Prices { per_million: million, per_gb, per_month, assumed, .. } = Prices::known();
    let alarms = resources("AWS::CloudWatch::Alarm");
    // AWS charges an alarm by the metrics that it looks at.
    let looked_at = |alarm: &Value| alarm.to_string().matches("\"MetricStat\":").count().max(1);
    let looked_at = alarms.iter().map(looked_at).sum::<usize>();
    let alarm_cost = looked_at as f64 * dollars(per_month.alarm_metrics);
    // Stripe's key and its webhook's secret are the operator's.
    let secrets = resources("AWS::SecretsManager::Secret").len() + 2;
    let secrets_cost = secrets as f64 * dollars(per_month.secrets);
    let readers = Template::load().readers().len();
    let asked = readers as f64 * assumed.queue_requests_a_minute as f64 * 60.0 * 24.0 * DAYS;
    let dashboard = dollars(per_month.dashboards);
    let queues = asked / 1e6 * dollars(million.queue_requests);
    let idle = alarm_cost + secrets_cost + dashboard + queues;
    let polls = ASKS_AN_HOUR.map(|asks| asks * HOURS_LOOKED / 1e6);
    let [(_, account), (entries, with)] = audits[..] else { panic!("two sizes") };
    let entry = (with - account) / entries as f64;
    let read = dollars(million.read_units);
    let row = |what: &str, price: String, comes: String| vec![what.to_owned(), price, comes];
    let rows = [
        row(
            "polling",
            format!("{poll:.2} a million by the page's cookie"),
            format!(
                "a screen in view asks {} times an hour while nothing changes, {} times while it \
                 always does. 10 000 customers, 8 h on 21 days: {:.0} million requests, \
                 **{:.0}**; always changing: {:.0} million, {}",
                ASKS_AN_HOUR[0],
                ASKS_AN_HOUR[1],
                polls[0],
                polls[0] * poll,
                polls[1],
                grouped(polls[1] * poll),
            ),
        ),
        row(
            "traces",
            format!(
                "{:.2} a million recorded; X-Ray takes one a second of each function and 5 % of \
                 the rest",
                dollars(million.traces)
            ),
            format!(
                "a function with 1 request a second or less has each recorded: up to {:.0}; \
                 beyond that {:.2} a million requests",
                dollars(million.traces) * 86_400.0 * DAYS / 1e6,
                dollars(million.traces) / 20.0,
            ),
        ),
        row(
            "storage",
            format!(
                "{:.2} per GB and month, and {:.2} for point-in-time recovery",
                dollars(per_month.gb_stored),
                dollars(per_month.gb_recoverable)
            ),
            format!(
                "{:.2} per GB of both tables; a million entries are about 0.05 GB",
                dollars(per_month.gb_stored) + dollars(per_month.gb_recoverable)
            ),
        ),
        row(
            "logs",
            format!(
                "{:.2} per GB written, {:.2} per GB and month kept",
                dollars(per_gb.logs),
                dollars(per_month.gb_of_logs_kept)
            ),
            format!(
                "written: in the table above. `LogRetentionDays` decides only about the {:.2}",
                dollars(per_month.gb_of_logs_kept)
            ),
        ),
        row(
            "metrics",
            format!(
                "{:.2} a metric and month, by the hour in which it counts",
                dollars(per_month.metrics)
            ),
            format!(
                "some 50 that all count all the time: {:.2}; two more for each version that \
                 answered with an error in that month",
                50.0 * dollars(per_month.metrics)
            ),
        ),
        row(
            "alarms",
            format!("{:.2} a metric that they look at", dollars(per_month.alarm_metrics)),
            format!("{} alarms look at {looked_at} metrics: {alarm_cost:.2}", alarms.len()),
        ),
        row(
            "dashboard",
            format!("{dashboard:.2}, the first three of an AWS account free"),
            format!("{dashboard:.2}"),
        ),
        row(
            "secrets",
            format!("{:.2} each", dollars(per_month.secrets)),
            format!("{secrets}, two of them Stripe's: {secrets_cost:.2}"),
        ),
        row(
            "queues",
            format!("{:.2} a million requests", dollars(million.queue_requests)),
            format!(
                "Lambda asks each of the {readers} queues some {} times a minute: {:.1} million, \
                 {queues:.2}",
                assumed.queue_requests_a_minute,
                asked / 1e6
            ),
        ),
        row(
            "audit, daily",
            format!(
                "{account:.1} read units an account and {entry:.4} for each of its entries: all \
                 of the ledger is read twice, the second time for rows without an account"
            ),
            format!(
                "100 000 accounts: {:.2}; with 1 000 entries each: {:.2} more",
                ACCOUNTS * account * read * DAYS / 1e6,
                ACCOUNTS * 1_000.0 * entry * read * DAYS / 1e6,
            ),
        ),
    ];
    let heading = ["what", "price", "what it comes to"];
    let table = table(&heading, &rows);
    format!(
        "{table}\nA stack that nobody uses costs some {idle:.0} a month: alarms, dashboard, \
         secrets, queues."
    )
}
