//! How much a view of the page and the indicator transfer.

use std::io::Write as _;
use std::process::{Command, Stdio};

use ::page::FILES;

use super::html::page;
use crate::support::Stack;

/// The compressed size of a text in bytes, by a program that every machine has.
fn compressed(text: &str) -> usize {
    let mut gzip = Command::new("gzip");
    let gzip = gzip.arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut gzip = gzip.spawn().expect("gzip");
    let mut to = gzip.stdin.take().expect("piped");
    to.write_all(text.as_bytes()).expect("it reads all before it writes much");
    drop(to);
    gzip.wait_with_output().expect("gzip").stdout.len()
}

/// Measures one compressed view. The indicator is part of another product's page.
#[tokio::test]
async fn a_page_view_transfers_little() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for n in 0..30 {
        stack.action("acme", &format!("a{n}"), "custom_image", 1 + n).await;
    }
    let (_, html) = page(&stack, "acme", "").await;
    let files = |not: &[&str]| -> usize {
        let own = FILES.iter().filter(|(name, ..)| !not.contains(name));
        own.map(|(_, _, text)| compressed(text)).sum()
    };
    let view = compressed(&html) + files(&["scrip.js"]);
    let indicator = files(&["page.js", "page.css", "icon.svg"]);
    println!("a view of the page {view}, the indicator {indicator} bytes");
    assert!(view < 23_500, "{view} bytes");
    assert!(indicator < 15_000, "{indicator} bytes");
}
