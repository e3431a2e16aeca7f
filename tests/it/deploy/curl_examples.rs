//! The commands that the start page shows for each operation of the contract.

use std::process::Command;

use local::stripe::Effect;

use super::start_page::{FOLDER, get};
use crate::rules::docs::there_is;
use crate::support::shop::Shop;
use crate::support::{PRODUCT, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contracts_curl_examples_work_unchanged() {
    let (shop, base) = Shop::served(None, &[PRODUCT]).await;
    if !there_is("curl") {
        return;
    }
    shop.stack.open("acme", "pro").await;
    // The portal opens for an account that had a subscription.
    let subscription = shop.subscribe("acme").await;
    shop.act(&subscription, Effect::Cancel).await;
    let active = r#"{"plan":"pro","status":"active"}"#;
    let put = request("PUT", "/v1/accounts/acme", Some("again"), active);
    assert_eq!(shop.stack.send(put).await.status, 201);
    let operations = get(&base, &format!("{FOLDER}contract")).await["operations"].take();
    let operations = operations.as_array().expect("a list");
    assert_eq!(operations.len(), crate::support::contract::operations().len());
    for operation in operations {
        let name = format!("{} {}", operation["method"], operation["path"]);
        let curl = operation["curl"].as_str().expect("a command").to_owned();
        let run = move || Command::new("sh").args(["-c", &curl]).output();
        let ran = tokio::task::spawn_blocking(run).await.expect("no panic").expect("sh runs");
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let status = said.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        match operation["note"].as_str() {
            Some(note) if !note.contains("acme") => {
                // The note names a resource that this stack does not have.
                assert_eq!(status, Some(404), "{name}: {said}");
            }
            _ => assert!(status.is_some_and(|s| (200..304).contains(&s)), "{name}: {said}"),
        }
    }
}
