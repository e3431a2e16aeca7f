//! The catalog is reviewed data: a wrong key is refused by name, and a new version needs no deploy.

use crate::support::catalogs::{files, in_folder};
use cli::publish;
use serde_json::Value;
use shared::decide::catalog_version;
use shared::domain::{Catalog, CatalogFiles};

use crate::support::{Stack, at_once};

/// The default catalog with some of its text replaced.
fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(Catalog::DEFAULT.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the default catalog has no {from:?}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn a_wrong_catalog_is_refused_with_the_key_that_is_wrong() {
    for (from, to, key) in [
        ("version = 1", "version = 0", "version"),
        ("version = 1", "version = \"1\"", "line"),
        ("version = 1", "vresion = 1", "line"),
        ("https://example.com/contact", "javascript:alert(1)", "contact_url"),
        ("weekly = \"25\"", "weekly = \"-25\"", "plans.free.weekly"),
        ("weekly = \"25\"", "weekly = 25", "line"),
        ("ai = false", "ai = false\nweekly = \"1\"", "plans.standard.ai"),
        ("[plans.free]", "[plans.Free]", "plans.Free"),
        ("number = 2", "number = 1", "actions.dynamic_video.number"),
        ("number = 2", "number = 0", "actions.custom_image.number"),
        ("per = 2", "per = 0", "actions.custom_image.per"),
        ("per = 2", "per = 3", "actions.custom_image.per"),
        ("per = 2", "per = 3\nrounding = \"down\"", "actions.custom_image.rounding"),
        ("limit = 10000\n", "limit = 0\n", "actions.dynamic_video.limit"),
        ("limit = 10000\n", "limit = 9000000000000\n", "actions.dynamic_video.limit"),
        ("unit = \"video\"", "unit = \"\"", "actions.dynamic_video.unit"),
        ("price_minor = 4900", "price_minor = 0", "packs.starter.price_minor"),
        ("currency = \"usd\"", "currency = \"USD\"", "packs.starter.currency"),
        (
            "expires_after_months = 12",
            "expires_after_months = 0",
            "packs.starter.expires_after_months",
        ),
        ("[plans.pro]\nai", "[plans.pro]\nsize = 1\nai", "line"),
    ] {
        let error = Catalog::parse(&files(with(&[(from, to)]))).expect_err(to);
        assert!(error.key.starts_with(key), "{to}: {error}");
        assert!(!error.to_string().contains('\n'), "one sentence: {error}");
    }
    // The first in the file is not always the first named; numbers must differ somewhere.
    assert!(Catalog::parse(&files("")).is_err());
    let rounded = with(&[("per = 2", "per = 3\nrounding = \"up\"")]);
    let catalog = Catalog::parse(&files(&*rounded)).expect("rounding is stated");
    assert_eq!(catalog.price("custom_image", 1).expect("sold").1.to_string(), "0.333334");
}

#[tokio::test]
async fn a_catalog_that_may_not_follow_is_refused_and_changes_nothing() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let next = ("version = 1", "version = 2");
    for (name, changes, key) in [
        ("same", vec![], "version"),
        ("skip", vec![("version = 1", "version = 3")], "version"),
        (
            "renumbered",
            vec![next, ("number = 7", "number = 999")],
            "actions.background_removal.number",
        ),
        ("gone", vec![next, ("[actions.rich_text]", "[actions.poor_text]")], "actions.rich_text"),
        ("planless", vec![next, ("[plans.pro]", "[plans.gold]")], "plans.pro"),
        ("broken", vec![next, ("per = 2", "per = 7")], "actions.custom_image.per"),
    ] {
        let file = in_folder(name, with(&changes));
        for result in [
            publish::diff(stack.context(), file.path()).await.map(|_| ()),
            publish::publish(stack.context(), file.path()).await,
        ] {
            let error = result.expect_err(name).to_string();
            assert!(error.contains(key), "{name}: {error}");
        }
    }
    let kept = stack.context().store.catalog().await.expect("an answer");
    assert_eq!(kept, Some(CatalogFiles::built_in()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn prices_change_without_a_deploy_and_every_entry_names_its_version() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let before = stack.action("acme", "before", "custom_image", 2).await;
    assert_eq!(before.text("/credits"), "1");
    let text = with(&[
        ("version = 1", "version = 2"),
        ("per = 2", "per = 1"),
        ("limit = 10000000", "limit = 10000000\nretired = true"),
    ]);
    let retired = stack.action("acme", "retired", "feed_field", 50).await;
    let file = in_folder("dearer", &*text);
    let changed = publish::diff(stack.context(), file.path()).await.expect("a diff");
    let lines: Vec<String> = changed.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "  actions.custom_image.per = 2 -> 1",
            "+ actions.feed_field.retired = true",
            "  version = 1 -> 2",
        ]
    );
    // Debits go on while the clock moves past the minute for which a catalog is fresh.
    let start = stack.clock.now();
    at_once(8, |n| {
        let (stack, file) = (stack.clone(), file.path().to_owned());
        async move {
            for round in 0..20 {
                if (n, round) == (0, 5) {
                    publish::publish(stack.context(), &file).await.expect("published");
                }
                if (n, round) == (0, 10) {
                    stack.clock.set(start + shared::domain::instant::Span::from_s(61));
                }
                let key = stack.id(0).to_string();
                let mut debit = stack.action("acme", &key, "custom_image", 2).await;
                // In flight while the clock jumped: the stamps
                // do not fit, so the outcome is unknown.
                while debit.status == 503 {
                    debit = stack.action("acme", &key, "custom_image", 2).await;
                }
                assert_eq!(debit.status, 201, "{debit:?}");
            }
        }
    })
    .await;
    let twice = publish::publish(stack.context(), file.path()).await.expect_err("it is in force");
    assert!(twice.to_string().contains("version"), "{twice}");

    let ledger = stack.get("/v1/accounts/acme/ledger?limit=200").await;
    let entries = ledger.body["entries"].as_array().expect("entries");
    let mut versions = [0, 0];
    for entry in entries.iter().filter(|entry| entry["action"] == "custom_image") {
        let version = entry["catalog"].as_u64().expect("a version");
        versions[version as usize - 1] += 1;
        let price = if version == 1 { "-1" } else { "-2" };
        assert_eq!(entry["available"], Value::from(price), "{entry}");
    }
    assert_eq!(versions[0] + versions[1], 161);
    assert!(versions[0] > 1 && versions[1] > 1, "{versions:?}");
    // A retry across the change replays at its first price, even for an action no longer sold.
    let again = stack.action("acme", "before", "custom_image", 2).await;
    assert_eq!((again.replayed, again.body), (true, before.body));
    let again = stack.action("acme", "retired", "feed_field", 50).await;
    assert_eq!((again.replayed, again.body), (true, retired.body));
    assert_eq!(stack.action("acme", "new", "feed_field", 50).await.code(), "unknown_action");
}

/// A deploy proposes the catalog of the repository. Without a release there is none to follow.
#[test]
fn the_repositorys_catalog_can_follow_the_last_releases() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let git = |arguments: &[&str]| {
        let run = std::process::Command::new("git").args(arguments).current_dir(root).output();
        let run = run.expect("git");
        run.status.success().then(|| String::from_utf8(run.stdout).expect("text"))
    };
    let Some(tag) = git(&["describe", "--tags", "--abbrev=0"]) else {
        return println!("there is no release yet");
    };
    let released = git(&["show", &format!("{}:shared/catalog.toml", tag.trim())]);
    let released = files(released.expect("a release has a catalog"));
    let released = Catalog::parse(&released).expect("it is right");
    let now = shared::clock::Clock::system().now();
    let same = Catalog::parse(&CatalogFiles::built_in()).expect("the default") == released;
    let follows = catalog_version::publish(&released, &CatalogFiles::built_in(), now);
    assert!(same || follows.is_ok(), "{follows:?}");
}
