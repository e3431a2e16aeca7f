//! The signature verifier, compared with Stripe's own, and given arbitrary bytes.

use std::cell::Cell;

use proptest::prelude::*;
use serde_json::Value;
use shared::domain::Instant;
use shared::stripe::signature::{self, SignatureError};
use shared::stripe::{self, event};

/// Headers that Stripe's own verifier accepts and ours does not: Stripe never sends them.
const STRICTER: [&str; 4] =
    ["301 s ahead", "86400 s ahead", "two times, the last signed", "a trailing comma"];

#[test]
fn the_verifier_agrees_with_stripes_own_or_is_stricter() {
    let corpus: Value =
        serde_json::from_str(include_str!("../../corpus/signatures.json")).expect("JSON");
    let now = Instant::from_ms(corpus["now_s"].as_i64().expect("a number") * 1000);
    let cases = corpus["cases"].as_array().expect("cases");
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let mut stricter = Vec::new();
    for case in cases {
        let text = |field: &str| case[field].as_str().expect("text");
        let secrets = case["secrets"].as_array().expect("secrets").iter();
        let secrets: Vec<&str> = secrets.filter_map(Value::as_str).collect();
        let ours = signature::verify(text("header"), text("payload").as_bytes(), &secrets, now);
        match (ours.is_ok(), case["accepted"] == true) {
            (true, false) => panic!("{}: Stripe's own refuses it", text("name")),
            (false, true) => stricter.push(text("name")),
            _ => {}
        }
    }
    assert_eq!(stricter, STRICTER);
}

#[test]
fn a_signature_is_valid_for_five_minutes_before_and_after() {
    let now = Instant::from_ms(1_795_003_200_000);
    for (off_s, expected) in
        [(0, Ok(())), (300, Ok(())), (-300, Ok(())), (301, Err(())), (-301, Err(()))]
    {
        let at = Instant::from_ms(now.ms() + off_s * 1000);
        let header = signature::sign(b"{}", "whsec", at);
        let verified = signature::verify(&header, b"{}", &["whsec"], now);
        assert_eq!(verified.map_err(|e| assert_eq!(e, SignatureError::Stale)), expected, "{off_s}");
    }
    // An empty secret signs nothing, and a third one is not used.
    let header = signature::sign(b"{}", "", now);
    assert!(signature::verify(&header, b"{}", &[""], now).is_err());
    let header = signature::sign(b"{}", "c", now);
    assert!(signature::verify(&header, b"{}", &["a", "b", "c"], now).is_err());
}

/// A secret that counts how often it is used.
struct Counted(&'static str, Cell<usize>);

impl AsRef<str> for Counted {
    fn as_ref(&self) -> &str {
        self.1.set(self.1.get() + 1);
        self.0
    }
}

#[test]
fn many_signatures_are_checked_up_to_five_once_per_secret() {
    let now = Instant::from_ms(1_795_003_200_000);
    let right = signature::sign(b"{}", "b", now);
    let (time, right) = right.split_once(',').expect("a time and a signature");
    let wrong = format!("v1={}", "0".repeat(64));
    for (before, passes) in [(0, true), (4, true), (5, false), (27, false)] {
        let secrets = ["a", "b", "c"].map(|secret| Counted(secret, Cell::new(0)));
        let mut header = vec![time];
        header.extend(std::iter::repeat_n(wrong.as_str(), before));
        header.push(right);
        let verified = signature::verify(&header.join(","), b"{}", &secrets, now);
        assert_eq!(
            verified,
            if passes { Ok(()) } else { Err(SignatureError::NoMatch) },
            "{before}"
        );
        // Once to check that it is not empty, and once for its MAC.
        assert_eq!(secrets.map(|secret| secret.1.get()), [2, 2, 0], "{before}");
    }
}

/// A value that a field of an object may have, right or wrong.
const VALUE: &str = r#"null|true|-1|1e9|"[ !#-~]{0,9}"|\{\}|\[\]"#;

proptest! {
    #[test]
    fn no_header_makes_the_verifier_panic_or_pass(
        header in "[tv01=, a-f0-9+.-]{0,200}|.{0,80}",
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let now = Instant::from_ms(1_795_003_200_000);
        prop_assert!(signature::verify(&header, &body, &["whsec"], now).is_err());
    }

    #[test]
    fn a_signature_with_one_bit_changed_is_refused(
        body in prop::collection::vec(any::<u8>(), 1..64),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let now = Instant::from_ms(1_795_003_200_000);
        let header = signature::sign(&body, "whsec", now);
        prop_assert!(signature::verify(&header, &body, &["whsec"], now).is_ok());
        let mut other = body.clone();
        *place.get_mut(&mut other) ^= 1 << bit;
        prop_assert!(signature::verify(&header, &other, &["whsec"], now).is_err());
        let mut changed = header.clone().into_bytes();
        *place.get_mut(&mut changed) ^= 1 << bit;
        if let Ok(changed) = String::from_utf8(changed) {
            prop_assert!(signature::verify(&changed, &body, &["whsec"], now).is_err());
        }
    }

    #[test]
    fn no_bytes_make_the_reader_of_events_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in prop::sample::select(stripe::kinds().collect::<Vec<_>>()),
        objects in prop::sample::select(vec![
            "checkout.session", "payment_intent", "charge", "refund", "dispute", "coupon",
        ]),
        fields in prop::collection::vec(("[a-z_]{1,16}", VALUE), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let _ = event(&bytes);
        let fields: String =
            fields.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
        let text = format!(
            "{{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"{kind}\",\"livemode\":false,\
             \"data\":{{\"object\":{{\"object\":\"{objects}\"{fields}}}}}}}"
        );
        let _ = event(text.as_bytes());
        let _ = event(&text.as_bytes()[..cut.index(text.len())]);
    }
}
