//! Renders the documents' screenshots again: `cargo run -p tests --bin screenshots`.
//!
//! The page is the real one, in a real Chromium, with an account that has some history.

use std::path::Path;
use std::process::{Command, ExitCode};

use local::states;
use local::stripe::Effect;
use serde_json::json;
use tests::support::browser::{Browser, Tab};
use tests::support::shop::Shop;
use tests::support::{PRODUCT, Stack, request};

/// A Wednesday, as in the tests; the page shows times in Berlin's time zone.
const NOW: &str = "2026-11-18T12:00:00Z";

#[tokio::main]
async fn main() -> ExitCode {
    let Some(mut browser) = Browser::start() else { return ExitCode::FAILURE };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::create_dir_all(&folder).expect("docs");
    let (shop, base) = Shop::served(Some(NOW), &[PRODUCT]).await;
    let stack = &shop.stack;
    states::seed(&stack.functions, Some(&shop.stripe)).await.expect("accounts with a past");
    for (name, account, width, height, scheme) in [
        ("page-light", "busy", 1040, 1500, "light"),
        ("page-dark", "busy", 1040, 820, "dark"),
        ("page-narrow", "busy", 360, 820, "light"),
        ("page-empty", "empty", 1040, 620, "light"),
    ] {
        let mut tab = browser.tab(width, height);
        tab.scheme(scheme);
        tab.enter(&link(stack, account).await);
        tab.until("document.querySelector('#hero [data-style=soon]').textContent.includes('(')");
        take(&mut tab, &folder.join(format!("{name}.png")));
    }
    // Between the payment and its credits: the customer pays by a method that takes days.
    let (order, session) = shop.begin("busy", "pack", "starter").await;
    shop.act(&session, Effect::PayLater).await;
    let mut tab = browser.tab(1040, 620);
    tab.scheme("light");
    tab.enter(&link(stack, "busy").await);
    tab.open(&format!("{base}/?checkout={order}"));
    tab.until("document.querySelector('#news-message')");
    take(&mut tab, &folder.join("page-processing.png"));
    ExitCode::SUCCESS
}

async fn link(stack: &Stack, account: &str) -> String {
    let base = stack.context().config.public_url.clone().expect("an address");
    let body = json!({ "subject": "ada", "scopes": ["buy"], "return_url": base });
    let path = format!("/v1/accounts/{account}/sessions");
    let made = stack.send(request("POST", &path, None, &body.to_string())).await;
    made.text("/url").to_owned()
}

/// Takes a screenshot, with fewer colours if `pngquant` is installed.
fn take(tab: &mut Tab<'_>, file: &Path) {
    tab.picture(file);
    let mut quantize = Command::new("pngquant");
    quantize.args(["--force", "--ext", ".png", "48"]).arg(file);
    let small = quantize.status().is_ok_and(|status| status.success());
    let bytes = std::fs::metadata(file).map_or(0, |file| file.len());
    println!("{} {bytes} bytes{}", file.display(), if small { "" } else { ", not quantized" });
}
