//! The template must be as safe as the code: each check reads it and complains.
//!
//! A check is a function from the template to complaints, so that `mistakes` can run each one on a
//! template with a mistake: no check can stay silent unnoticed.

mod access;
mod callers;
mod change;
mod conditions;
mod data;
mod domain;
mod door;
mod failures;
mod limits;
mod mistakes;
mod monitoring;
mod questions;
mod reading;

use local::template::{HAS_SERVICE_KEYS, HAS_STRIPE, Template, decided};
use reading::Complaints;
use serde_json::Value;

type Check = fn(&Value) -> Complaints;

/// The check that reads the template as it is written, with its conditions. The others read it as
/// CloudFormation does for a stack with Stripe and with service keys.
const CONDITIONS: &str = "what is left out is missed by nothing";

/// Every check of the template alone, by its name.
const CHECKS: [(&str, Check); 35] = [
    ("routes are closed", access::routes_are_closed),
    ("keys have a door of their own", door::keys_have_a_door_of_their_own),
    ("routes are the contract's", access::routes_are_the_contracts),
    ("callers are told apart", callers::callers_are_told_apart),
    ("no id opens another route", callers::no_id_opens_another_route),
    ("policies have names", callers::policies_have_names),
    (
        "roles trust the accounts of the parameter",
        callers::roles_trust_the_accounts_of_the_parameter,
    ),
    ("permissions are narrow", access::permissions_are_narrow),
    ("no secret is written", access::no_secret_is_written),
    ("a domain is the address", domain::a_domain_is_the_address),
    ("pages read the gateway's answers", domain::pages_read_the_gateways_answers),
    ("the gateway throttles", limits::the_gateway_throttles),
    ("queues take few instances", limits::queues_take_few_instances),
    ("a new AWS account suffices", limits::a_new_aws_account_suffices),
    ("ARNs are full", limits::arns_are_full),
    ("new versions are tried", change::new_versions_are_tried),
    ("parameters reach the alias", change::parameters_reach_the_alias),
    ("a pause stops what writes", change::a_pause_stops_what_writes),
    ("tables can be restored", change::tables_can_be_restored),
    ("tables are kept", data::tables_are_kept),
    ("what is stored is encrypted", data::what_is_stored_is_encrypted),
    ("queues are over TLS", data::queues_are_over_tls),
    ("events are archived", data::events_are_archived),
    ("logs end", data::logs_end),
    ("access logs say no secret", data::access_logs_say_no_secret),
    ("questions are saved", questions::questions_are_saved),
    ("stages share an account", data::stages_share_an_account),
    ("failures go somewhere", failures::failures_go_somewhere),
    ("what goes on may go on", failures::what_goes_on_may_go_on),
    ("alarms are heard", monitoring::alarms_are_heard),
    ("absence is heard", monitoring::absence_is_heard),
    ("late metrics are seen", monitoring::late_metrics_are_seen),
    ("every function is watched", monitoring::every_function_is_watched),
    ("metrics are known", monitoring::metrics_are_known),
    (CONDITIONS, conditions::what_is_left_out_is_missed_by_nothing),
];

/// The complaints of a check about `template` as it is written.
fn complaints(name: &str, check: Check, template: &Value) -> Complaints {
    match name {
        CONDITIONS => check(template),
        _ => check(&decided(&decided(template, HAS_STRIPE, true), HAS_SERVICE_KEYS, true)),
    }
}

#[test]
fn the_template_passes_every_check() {
    for (name, check) in CHECKS {
        assert_eq!(complaints(name, check, Template::written()), Complaints::new(), "{name}");
    }
}

/// Nothing of the door is left, and nothing else is missing.
#[test]
fn the_template_without_service_keys_passes_every_other_check() {
    let without = decided(&decided(Template::written(), HAS_STRIPE, true), HAS_SERVICE_KEYS, false);
    for (name, check) in CHECKS {
        match name {
            "keys have a door of their own" | CONDITIONS | "callers are told apart" => {}
            _ => assert_eq!(check(&without), Complaints::new(), "{name}"),
        }
    }
    let text = without["Resources"].to_string() + &without["Outputs"].to_string();
    for part in ["ServiceApi", "KeysOver", "AWS::ApiGatewayV2::Route", "Lambda::Permission"] {
        assert!(!text.contains(part), "{part} is left");
    }
    // What no deploy can bring back.
    assert!(without["Resources"].get("ServiceSecret").is_some());
    let variables = &without["Resources"]["Debit"]["Properties"]["Environment"]["Variables"];
    assert_eq!(variables["SERVICE_KEYS_ARN"], "");
}

/// Only the contract has more, and nothing is parked.
#[test]
fn the_template_without_stripe_passes_every_other_check() {
    let without = Template::of(false);
    for (name, check) in CHECKS {
        match name {
            "routes are the contract's" | CONDITIONS => {}
            "alarms are heard" => {
                let about_payments =
                    Complaints::from(["nobody hears of PaymentParked ".to_owned()]);
                assert_eq!(check(without.value()), about_payments);
            }
            _ => assert_eq!(check(without.value()), Complaints::new(), "{name}"),
        }
    }
    let [routes, schedules] = [without.routes().len(), without.schedules().len()];
    let with = Template::load();
    assert_eq!((with.routes().len() - routes, with.schedules().len() - schedules), (20, 1));
}
