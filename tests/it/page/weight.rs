//! How much a view of the page and the indicator transfer.

use ::page::FILES;

use super::html::page;
use crate::support::{Stack, request};

/// Measures one compressed view. The indicator is part of another product's page.
#[tokio::test]
async fn a_page_view_transfers_little() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for n in 0..30 {
        stack.action("acme", &format!("a{n}"), "custom_image", 1 + n).await;
    }
    let (_, plain) = page(&stack, "acme", "").await;
    let visitor = stack.visitor("acme").await;
    let mut get = request("GET", "/", None, "");
    for (name, value) in [("cookie", &*visitor.cookie), ("accept-encoding", "br, gzip")] {
        get.headers_mut().insert(name, value.parse().expect("a header"));
    }
    let packed = stack.functions.answer(get).await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let html = packed.body().len();
    assert!(html * 4 < plain.len(), "{html} of {} bytes", plain.len());
    let files = |names: &[&str]| -> usize {
        let own = FILES.iter().filter(|file| names.contains(&file.name));
        own.map(|file| file.gzip.len()).sum()
    };
    let view = html + files(&["page.en.js", "icon.svg"]);
    let indicator = files(&["scrip.js"]);
    println!("a view of the page {view}, the indicator {indicator} bytes");
    assert!(view < 23_500, "{view} bytes");
    assert!(indicator < 15_000, "{indicator} bytes");
}
