//! Rate tables are published with the catalog, under its version: nothing that entries rely on
//! changes, each entry is priced by its version's, and a function reads them when they changed.

use std::collections::BTreeMap;

use cli::publish;
use serde_json::{Value, json};
use shared::decide::catalog_version;
use shared::domain::instant::Span;
use shared::domain::{Catalog, CatalogFiles, Instant, Locales};
use shared::http::price;

use crate::support::catalogs::Written;
use crate::support::wire::Fault;
use crate::support::{Answer, Stack, at_once, of};

/// The second version of the built-in catalog, with some text of it and of its table replaced.
fn second(catalog: &[(&str, &str)], table: &[(&str, &str)]) -> CatalogFiles {
    let change = |text: &str, changes: &[(&str, &str)]| {
        changes.iter().fold(text.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "there is no {from:?}");
            text.replacen(from, to, 1)
        })
    };
    let CatalogFiles { catalog: first, rates } = CatalogFiles::built_in();
    let catalog = change(&change(&first, &[("version = 1", "version = 2")]), catalog);
    CatalogFiles {
        catalog,
        rates: BTreeMap::from([("llm".to_owned(), change(&rates["llm"], table))]),
    }
}

async fn chat(stack: &Stack, key: &str, model: &str) -> Answer {
    let meters = json!({ "input": 100_000 });
    let body = json!({ "action": "chat", "model": model, "meters": meters }).to_string();
    stack.post(&of("acme", "/debits"), key, &body).await
}

const DEARER: (&str, &str) = ("credits = \"390\"", "credits = \"400\"");

#[test]
fn a_table_that_breaks_what_entries_rely_on_is_refused_with_the_key() {
    let current = Catalog::parse(&CatalogFiles::built_in()).expect("the built-in one");
    let now = Instant::EPOCH;
    let unit = "rates = \"llm\"";
    let by_unit = "credits = \"1\"\nper = 1\nunit = \"call\"\nlimit = 10";
    let chat = "[actions.chat]\nnumber = 8\nrates = \"llm\"";
    let no_chat = "[actions.chat]\nnumber = 8\nrates = \"other\"";
    let (mini, sonnet) = ("[models.\"gpt-5-mini\"]\n", "[models.\"claude-sonnet-4-5\"]\n");
    for (catalog, table, key) in [
        (
            vec![],
            vec![("number = 3", "number = 99")],
            "rates.llm.models.\"gemini-2.5-flash\".number",
        ),
        (vec![], vec![(mini, "[models.\"gpt-6\"]\n")], "rates.llm.models.\"gpt-5-mini\""),
        (vec![], vec![("number = 2", "number = 1")], "rates.llm.models.\"gpt-5-mini\".number"),
        (
            vec![],
            vec![(
                "{ credits = \"780\", cost = \"6\" }\ncached_input   = { credits = \"78\"",
                "{ credits = \"380\", cost = \"6\" }\ncached_input   = { credits = \"78\"",
            )],
            "rates.llm.models.\"claude-sonnet-4-5\".above_200000.input",
        ),
        (vec![(unit, by_unit)], vec![], "actions.chat.rates"),
        (vec![(chat, no_chat)], vec![], "actions.chat.rates"),
        (
            vec![
                ("credits = \"1\"\nper = 1\nunit = \"video\"\nlimit = 10000", unit),
                ("units = { one = { en = \"video\"", "# units = { one = { en = \"video\""),
            ],
            vec![],
            "actions.dynamic_video.rates",
        ),
    ] {
        let refused = catalog_version::publish(&current, &second(&catalog, &table), now);
        assert_eq!(refused.expect_err(key).key, key);
    }
    let mut other = second(&[(chat, no_chat)], &[]);
    other.rates.insert("other".to_owned(), other.rates["llm"].clone());
    let refused = catalog_version::publish(&current, &other, now).expect_err("another table");
    assert_eq!(refused.key, "actions.chat.rates", "{refused}");
    // What may change: rates, a retired model, another one behind the last.
    let retired = format!("{sonnet}retired = true\n");
    let more = format!("[models.\"o9\"]\nnumber = 999\ninput = {{ credits = \"0\" }}\n\n{mini}");
    let changes = [DEARER, (sonnet, &*retired), (mini, &*more)];
    let followed = catalog_version::publish(&current, &second(&[], &changes), now);
    assert!(followed.is_ok(), "{followed:?}");
}

#[test]
fn a_table_beyond_its_size_is_refused_and_the_largest_is_not() {
    let current = Catalog::parse(&CatalogFiles::built_in()).expect("the built-in one");
    let publish = |text: String| {
        let mut files = second(&[], &[]);
        files.rates.insert("llm".to_owned(), text);
        catalog_version::publish(&current, &files, Instant::EPOCH).map_err(|e| e.key)
    };
    let built_in = CatalogFiles::built_in().rates["llm"].clone();
    let of_length =
        |bytes: usize| format!("{built_in}#{}\n", "x".repeat(bytes - built_in.len() - 2));
    assert!(publish(of_length(350_000)).is_ok());
    assert_eq!(publish(of_length(350_001)), Err("rates.llm".to_owned()));
    let model =
        |n: usize| format!("\n[models.\"m{n}\"]\nnumber = {n}\ninput = {{ credits = \"1\" }}");
    let sold = current.rates["llm"].models.len();
    let models = |count: usize| {
        let more = (1_000..).take(count - sold).map(model).collect::<String>();
        format!("{built_in}{more}")
    };
    assert!(publish(models(1_000)).is_ok());
    assert_eq!(publish(models(1_001)), Err("rates.llm.models".to_owned()));
}

#[tokio::test]
async fn a_catalog_without_the_table_it_names_is_refused_by_the_tables_file() {
    let stack = Stack::noon().await;
    let written =
        Written::new("tableless", &second(&[("rates = \"llm\"", "rates = \"gone\"")], &[]));
    let refused = publish::diff(stack.context(), written.path()).await.expect_err("no such file");
    assert!(refused.to_string().contains("rates/gone.toml"), "{refused}");
}

#[tokio::test]
async fn the_difference_names_a_changed_rate_by_its_key() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let table = [DEARER, ("cost_currency = \"usd\"", "cost_currency = \"eur\"")];
    let written = Written::new("rates", &second(&[], &table));
    let changed = publish::diff(stack.context(), written.path()).await.expect("a diff");
    let lines: Vec<String> = changed.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "  rates.llm.cost_currency = \"usd\" -> \"eur\"",
            "  rates.llm.models.\"claude-sonnet-4-5\".input.credits = \"390\" -> \"400\"",
            "  version = 1 -> 2",
        ]
    );
    publish::publish(stack.context(), written.path()).await.expect("published");
    let kept = stack.context().store.catalog().await.expect("an answer");
    assert_eq!(kept, Some(second(&[], &table)));
    let first = stack.context().store.catalog_of(1).await.expect("an answer");
    assert_eq!(first, Some(CatalogFiles::built_in()));
}

#[tokio::test]
async fn the_built_in_catalog_is_stored_before_another_is_published() {
    let stack = Stack::noon().await;
    let written = Written::new("unopened", &second(&[], &[DEARER]));
    publish::publish(stack.context(), written.path()).await.expect("published");
    let first = stack.context().store.catalog_of(1).await.expect("an answer");
    assert_eq!(first, Some(CatalogFiles::built_in()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_call_is_priced_by_the_version_that_its_entry_names_while_another_is_published() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    stack.grant("acme", "much", "100000").await;
    let before = chat(&stack, "before", "claude-sonnet-4-5").await;
    assert_eq!(before.text("/credits"), "39", "{before:?}");
    let sonnet = "[models.\"claude-sonnet-4-5\"]\n";
    let retired = "[models.\"gpt-5-mini\"]\nretired = true\n";
    let mini = chat(&stack, "mini", "gpt-5-mini").await;
    let table = [DEARER, ("[models.\"gpt-5-mini\"]\n", retired), (sonnet, sonnet)];
    let written = Written::new("live", &second(&[], &table));
    let start = stack.clock.now();
    at_once(4, |n| {
        let (stack, file) = (stack.clone(), written.path().to_owned());
        async move {
            for round in 0..15 {
                if (n, round) == (0, 4) {
                    publish::publish(stack.context(), &file).await.expect("published");
                }
                if (n, round) == (0, 8) {
                    stack.clock.set(start + Span::from_s(61));
                }
                let key = stack.id(0).to_string();
                let mut debit = chat(&stack, &key, "claude-sonnet-4-5").await;
                // In flight while the clock jumped: the outcome is unknown.
                while debit.status == 503 {
                    debit = chat(&stack, &key, "claude-sonnet-4-5").await;
                }
                assert_eq!(debit.status, 201, "{debit:?}");
            }
        }
    })
    .await;
    let ledger = stack.get("/v1/accounts/acme/ledger?limit=200").await;
    let entries = ledger.body["entries"].as_array().expect("entries");
    let calls = entries.iter().filter(|entry| entry["model"] == "claude-sonnet-4-5");
    let mut versions = [0, 0];
    for entry in calls {
        let version = entry["catalog"].as_u64().expect("a version");
        versions[version as usize - 1] += 1;
        let price = if version == 1 { "-39" } else { "-40" };
        assert_eq!(entry["available"], Value::from(price), "{entry}");
    }
    assert_eq!(versions[0] + versions[1], 61);
    assert!(versions[0] > 1 && versions[1] > 1, "{versions:?}");
    // A retry across the change replays, even for a model that is no longer sold.
    let again = chat(&stack, "before", "claude-sonnet-4-5").await;
    assert_eq!((again.replayed, again.body), (true, before.body));
    let again = chat(&stack, "mini", "gpt-5-mini").await;
    assert_eq!((again.replayed, again.body), (true, mini.body));
    assert_eq!(chat(&stack, "new", "gpt-5-mini").await.code(), "unknown_model");
}

#[tokio::test]
async fn a_debit_reads_nothing_a_minute_reads_the_version_and_a_change_its_tables_once() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let reads = async |key: &str, model: &str, status| {
        stack.wire.take_costs();
        let answer = chat(&stack, key, model).await;
        assert_eq!(answer.status, status, "{answer:?}");
        stack.wire.take_costs().calls("GetItem")
    };
    let minute = |n| stack.clock.set(stack.clock.now() + Span::from_s(n));
    assert_eq!(reads("first", "gpt-5-mini", 201).await, 0);
    minute(61);
    assert_eq!(reads("looks", "gpt-5-mini", 201).await, 1, "the version");
    assert_eq!(reads("fresh", "gpt-5-mini", 201).await, 0);
    let new =
        "[models.\"o9\"]\nnumber = 999\ninput = { credits = \"1\" }\n\n[models.\"gpt-5-mini\"]\n";
    let files = second(&[], &[("[models.\"gpt-5-mini\"]\n", new)]);
    let change = catalog_version::publish(
        &*stack.context().catalog().await,
        &files,
        stack.context().clock.now(),
    );
    stack.context().store.commit(&change.expect("it follows")).await.expect("published");
    minute(2);
    // The model is not known yet: the version is read, which is another one, and its table.
    assert_eq!(reads("new", "o9", 201).await, 2);
    assert!(reads("none", "o10", 422).await <= 1, "the version, at most once a second");
    minute(61);
    assert_eq!(reads("then", "o9", 201).await, 1, "the version is the same");
}

#[tokio::test]
async fn while_a_table_cannot_be_read_the_last_catalog_stays_in_force() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let change = catalog_version::publish(
        &*stack.context().catalog().await,
        &second(&[], &[DEARER]),
        stack.context().clock.now(),
    );
    stack.context().store.commit(&change.expect("it follows")).await.expect("published");
    stack.clock.set(stack.clock.now() + Span::from_s(61));
    let mut reads = 0;
    stack.wire.set_policy(move |operation, _| {
        reads += usize::from(operation == "GetItem");
        // The version is read, and its table, in each try, is not.
        if operation == "GetItem" && reads > 1 { Fault::LoseRequest } else { Fault::None }
    });
    let debit = chat(&stack, "meanwhile", "claude-sonnet-4-5").await;
    assert_eq!((debit.status, debit.text("/credits")), (201, "39"), "{debit:?}");
    stack.wire.heal();
    stack.clock.set(stack.clock.now() + Span::from_s(61));
    let debit = chat(&stack, "after", "claude-sonnet-4-5").await;
    assert_eq!(debit.text("/credits"), "40");
}

#[tokio::test]
async fn the_rate_card_lists_the_models_that_are_sold_with_their_rates_and_no_cost() {
    let mini = "[models.\"gpt-5-mini\"]\n";
    let new = "[models.\"o9\"]\nnumber = 999\ninput = { credits = \"1\" }\n\n";
    let retired = format!("{new}{mini}retired = true\n");
    let files = second(&[], &[(mini, &*retired)]);
    let catalog = Catalog::parse(&files).expect("a right one");
    let card: Value =
        serde_json::from_str(&price::catalog_json(&catalog, &Locales::default())).expect("JSON");
    let actions = card["actions"].as_array().expect("a list");
    let chat = actions.iter().find(|rate| rate["action"] == "chat").expect("it is sold");
    assert_eq!((&chat["rates"], &chat["context"][1]), (&json!("llm"), &json!("cached_input")));
    let models = chat["models"].as_array().expect("a list");
    let model = |name| models.iter().find(|model| model["model"] == name);
    assert_eq!(model("gpt-5-mini"), None, "it is retired");
    let sonnet = model("claude-sonnet-4-5").expect("it is sold");
    assert_eq!(sonnet["dated"], true);
    assert_eq!(sonnet["names"], json!(["claude-sonnet-4.5"]));
    assert_eq!(sonnet["rates"]["cache_write"], "487.5");
    assert_eq!(sonnet["tiers"][0]["above"], 200_000);
    assert_eq!(sonnet["tiers"][0]["rates"]["output"], "2925");
    let new = model("o9").expect("it is sold");
    assert_eq!(*new, json!({ "model": "o9", "rates": { "input": "1" } }));
    assert!(!card.to_string().contains("cost"), "{card}");
}
