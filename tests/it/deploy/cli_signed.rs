//! `scrip --stack NAME` at the API: signed by the caller, tried again, and told in words.

use serde_json::{Value, json};
use shared::token::Keys;

use super::cli::{Ended, scrip};
use super::cli_stack::InAws;
use super::fake_api::FakeApi;
use super::fake_aws::REGION;

/// A stack whose API answers with these.
async fn with_api(answers: &[(u16, Value)]) -> (InAws, FakeApi) {
    let (there, api) = (InAws::start().await, FakeApi::start(answers).await);
    there.aws.known().outputs.insert("ApiUrl".to_owned(), api.base.clone());
    (there, api)
}

fn assert_ended(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    for part in parts {
        assert!(ended.complains.contains(part), "{part}: {ended:?}");
    }
    // Before the end, a change that is tried again has told its key.
    let told = |line: &&str| !line.starts_with("no answer yet: ");
    assert_eq!(ended.complains.lines().filter(told).count(), 1, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_signed_for_the_api_by_a_caller_who_may_read_no_table() {
    let usage = json!({ "credits": "0", "from": "2026-11-01", "to": "2026-11-03", "days": [] });
    let (there, api) = with_api(&[(200, usage)]).await;
    there.aws.known().denied = Some("ListStackResources".to_owned());
    let words = ["usage", "auth0|64f0", "--since", "2026-11-01", "--until", "2026-11-02"];
    let said = there.on(&words).await;
    assert_eq!(said, "0 credits from 2026-11-01 to the day before 2026-11-03\n");
    let asked = api.known().asked.clone();
    let [one] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((one.service.as_str(), one.method.as_str()), ("execute-api", "GET"));
    assert_eq!(one.target, "/v1/accounts/auth0%7C64f0/usage?from=2026-11-01&to=2026-11-03");
    let services: Vec<_> = there.aws.known().services.iter().cloned().collect();
    assert_eq!(services, ["cloudformation"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_sent_again_with_its_key_until_the_outcome_is_known() {
    let preview = json!({ "dry_run": true, "before": null, "after": null });
    let receipt = json!({ "id": "1", "seq": 2, "balance": { "available": "5", "held": "0" } });
    let busy = json!({ "message": "Service Unavailable" });
    let answers = [(200, preview), (503, busy.clone()), (429, busy), (201, receipt)];
    let (there, api) = with_api(&answers).await;
    let grant = ["grant", "acme", "5", "--reason", "gift", "--yes"];
    let granted = there.on(&grant).await;
    assert_eq!(granted, "granted 5 to acme: available 5 (entry 2, id 1)\n");
    let asked = api.known().asked.clone();
    let [preview, first, second, third] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(preview.body["dry_run"], true);
    assert_eq!(first.body, json!({ "reason": "gift", "credits": "5" }));
    assert!((first, second) == (second, third) && first.key.is_some(), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_has_an_exit_code_and_prints_the_key() {
    let preview = json!({ "dry_run": true, "before": null, "after": null });
    let failed = json!({ "code": "internal_error", "title": "Internal error", "detail": "No." });
    let (there, api) = with_api(&[(200, preview.clone()), (500, failed)]).await;
    let grant = ["grant", "acme", "5", "--reason", "gift", "--yes", "--patience", "1"];
    let ended = there.run(&grant).await;
    let key = api.known().asked[1].key.clone().expect("a key");
    assert_ended(&ended, 3, &["the outcome is not known", &format!("--key {key}"), "req-1"]);
    assert!(ended.says.is_empty() && api.known().asked.len() > 2, "{ended:?}");
    // An answer of the gateway says nothing about the attempt before it.
    let expired = json!({ "message": "The security token included in the request is expired" });
    let lost = json!({ "message": "Internal Server Error" });
    api.known().answers = [(200, preview), (500, lost), (403, expired)].into();
    let ended = there.run(&grant).await;
    assert_ended(&ended, 3, &["the outcome is not known", "aws sso login"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_iam_refuses_is_said_in_one_sentence_with_what_to_do() {
    let denied = json!({ "Message": "User: ada is not authorized to perform: execute-api:Invoke" });
    let (there, api) = with_api(&[(403, denied)]).await;
    let ended = there.run(&["ledger", "acme"]).await;
    let parts = ["GET /v1/accounts/acme/ledger", "not authorized", "policy", "req-1"];
    assert_ended(&ended, 1, &parts);
    let asked = api.known().asked.len();
    let nobody = [there.nobody(), vec![("AWS_REGION", REGION)]].concat();
    let words = ["--stack", "scrip-test", "ledger", "acme"];
    assert_ended(&scrip(&words, &nobody).await, 1, &["no AWS credentials", "aws sso login"]);
    assert_eq!(api.known().asked.len(), asked);
    // Tables in the environment name no API.
    let tables = [("ACCOUNTS_TABLE", "a"), ("LEDGER_TABLE", "b")];
    let ended = scrip(&["ledger", "acme"], &[&there.operator()[..], &tables].concat()).await;
    assert_ended(&ended, 2, &["--stack NAME", "--local"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_keeps_the_old_session_key_for_its_hour() {
    let there = InAws::start().await;
    let (arn, old) = ("arn:session-keys", "o".repeat(64));
    let now_s = || shared::clock::Clock::system().now().ms() / 1000;
    {
        let mut known = there.aws.known();
        let kind = "AWS::SecretsManager::Secret".to_owned();
        known.resources.push(("SessionKeys".to_owned(), kind, arn.to_owned()));
        let keys = json!({ "id": "1", "key": old }).to_string();
        known.secrets.insert(arn.to_owned(), keys);
        known.written_s = now_s() - 86_400;
    }
    let stored = || {
        let text = there.aws.known().secrets[arn].clone();
        Keys::parse(&text).expect("keys that functions read");
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let rotate = ["session-keys", "rotate", "--yes"];
    assert_ended(&there.run(&rotate[..2]).await, 2, &["--yes"]);
    assert_ended(&there.run(&["session-keys", "finish"]).await, 1, &["no old key"]);
    let said = there.on(&rotate).await;
    assert!(said.starts_with("new sessions use key 2; after "), "{said}");
    let rotated = stored();
    assert_eq!(rotated["previous"], json!({ "id": "1", "key": old }));
    let new = rotated["key"].as_str().expect("a key");
    assert!(new.len() == 64 && new != old && !said.contains(new), "{said}");
    // Within an hour and five minutes the old key still has sessions, and nothing may drop it but a leak.
    there.aws.known().written_s = now_s() - 3_850;
    assert_ended(&there.run(&rotate).await, 1, &["rotated at", "--leaked"]);
    assert_ended(&there.run(&["session-keys", "finish"]).await, 1, &["wait"]);
    assert_eq!(stored(), rotated);
    there.aws.known().written_s = now_s() - 3_950;
    there.on(&["session-keys", "finish"]).await;
    assert_eq!(stored(), json!({ "id": "2", "key": new }));
    there.on(&["session-keys", "rotate", "--leaked", "--yes"]).await;
    let alone = stored();
    assert!(alone["id"] == "3" && alone["previous"].is_null(), "{alone}");
    let local = scrip(&["--local", "session-keys", "rotate"], &[]).await;
    assert_ended(&local, 2, &["start it again"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_names_who_changed_the_account_on_each_of_its_pages() {
    let line = |seq: u64, more: Value| {
        let mut line = json!({
            "seq": seq, "id": format!("id-{seq}"), "at": "2026-11-18T12:00:00.000Z",
            "kind": "frozen", "available": "0", "balance": { "available": "25", "held": "0" },
        });
        line.as_object_mut().expect("an object").extend(more.as_object().expect("fields").clone());
        line
    };
    let actor = "arn:aws:iam::123456789012:user/ada";
    let frozen = line(2, json!({ "actor": actor, "reason": "a key has leaked" }));
    let debit = line(1, json!({ "kind": "debit", "available": "-1", "user": "grace" }));
    let pages = [
        (200, json!({ "entries": [frozen], "next_cursor": "older" })),
        (200, json!({ "entries": [debit] })),
    ];
    let (there, api) = with_api(&pages).await;
    let said = there.on(&["ledger", "acme"]).await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[1].ends_with("id-1  user grace"), "{said}");
    let by = format!("id-2  actor {actor}, \"a key has leaked\"");
    assert!(lines[2].ends_with(&by) && lines[3] == "2 entries", "{said}");
    let asked = api.known().asked.clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].target.ends_with("&cursor=older"), "{asked:?}");
}
