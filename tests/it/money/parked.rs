//! Parked payments, when there are more of them than fit into one listing.

use crate::support::request;
use crate::support::shop::Shop;

const LIST: &str = "/v1/payments?state=parked";

#[tokio::test]
async fn parked_payments_are_all_listed_while_some_are_resolved() {
    let shop = Shop::noon().await;
    for n in 0..230 {
        let kept = shop.take_notice(&format!("this cannot be read: {n}")).await;
        assert_eq!(kept.text("/outcome"), "parked");
    }
    let (mut path, mut sizes, mut seen) = (LIST.to_owned(), Vec::new(), Vec::new());
    loop {
        let listed = shop.stack.get(&path).await;
        let payments = listed.body["payments"].as_array().expect("payments").clone();
        sizes.push(payments.len());
        seen.extend(payments.iter().map(|one| (one["at"].to_string(), one["id"].to_string())));
        // The last payment of a listing is dismissed: the
        // next listing continues after it all the same.
        let last = payments.last().and_then(|last| last["id"].as_str()).expect("one");
        let dismiss = format!("/v1/payments/{last}/dismiss");
        let reason = r#"{"reason":"looked at"}"#;
        assert_eq!(shop.stack.send(request("POST", &dismiss, None, reason)).await.status, 200);
        match listed.body["next_cursor"].as_str() {
            Some(next) => path = format!("{LIST}&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(sizes, [100, 100, 30]);
    assert!(seen.is_sorted_by(|a, b| a < b), "each once, the oldest first");
    assert_eq!(shop.stack.get(LIST).await.body["payments"].as_array().map(Vec::len), Some(100));

    let cursor = path.split_once("cursor=").expect("a cursor").1;
    let changed = match cursor.strip_prefix("00") {
        Some(rest) => format!("01{rest}"),
        None => format!("00{}", &cursor[2..]),
    };
    for (query, field) in [
        (format!("state=parked&cursor={changed}"), "cursor"),
        (format!("state=parked&cursor={}", &cursor[2..]), "cursor"),
        ("state=parked&cursor=".to_owned(), "cursor"),
        (format!("state=parked&cursor={cursor}&cursor={cursor}"), "cursor"),
        (format!("cursor={cursor}"), "cursor"),
        ("state=parked&state=parked".to_owned(), "state"),
        ("state=waiting".to_owned(), "state"),
        ("state=parked&limit=5".to_owned(), "limit"),
    ] {
        let refused = shop.stack.get(&format!("/v1/payments?{query}")).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{query}");
        assert_eq!(refused.text("/fields/0/field"), field, "{query}");
    }
}
