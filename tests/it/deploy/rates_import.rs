//! `scrip rates import`: what a file of prices becomes in a rate table, and what is said of it.

use serde_json::{Value, json};
use shared::domain::meters::Meter;
use shared::domain::rates::RateTable;

use super::cli::{Ended, scrip};
use crate::protocol::restart::Folder;

/// A part of the real file: its README has the source.
const PRICES: &str = include_str!("../../fixtures/genai_prices/data.json");

/// A folder with the file of prices `prices`, and the table that is imported.
struct Desk {
    folder: Folder,
}

impl Desk {
    fn new(name: &str, prices: &str) -> Desk {
        let desk = Desk { folder: Folder::new(name) };
        std::fs::create_dir_all(&desk.folder.0).expect("a folder");
        std::fs::write(desk.path("data.json"), prices).expect("a file");
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.0.join(name).display().to_string()
    }

    /// Runs an import at 100 credits per USD and 30 %, with these options.
    async fn run(&self, more: &[&str]) -> Ended {
        let (file, table) = (self.path("data.json"), self.path("llm.toml"));
        let fixed = ["rates", "import", &file, "--from", "genai-prices", "--table", &table];
        let terms = ["--credits-per-usd", "100", "--markup", "30%"];
        scrip(&[&fixed[..], &terms, more].concat(), &[]).await
    }

    /// The same; it must succeed. Returns its JSON.
    async fn import(&self, more: &[&str]) -> Value {
        let ended = self.run(&[more, &["--json"]].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.says).expect("JSON")
    }

    fn table(&self) -> String {
        std::fs::read_to_string(self.path("llm.toml")).expect("a table")
    }
}

/// The part of a table that is about `name`.
fn part<'a>(table: &'a str, name: &str) -> &'a str {
    let heading = format!("[models.\"{name}\"]\n");
    let (_, part) = table.split_once(&heading).unwrap_or_else(|| panic!("no {name}: {table}"));
    part.split("\n[models.").next().expect("a part").trim_end()
}

/// The remark that begins so, with its models.
fn models_of(remarks: &Value, begins: &str) -> Value {
    let mut found = remarks.as_array().expect("remarks").iter();
    let found = found.find(|one| one["what"].as_str().is_some_and(|what| what.starts_with(begins)));
    found.unwrap_or_else(|| panic!("no {begins}: {remarks:#}"))["models"].clone()
}

const ALL: [&str; 4] = ["--only", "openai,anthropic,google:gemini", "--at", "2026-11-28"];

#[tokio::test]
async fn an_import_of_the_same_file_twice_writes_a_table_once() {
    let desk = Desk::new("rates-twice", PRICES);
    let dry = desk.import(&[&ALL[..], &["--dry-run"]].concat()).await;
    assert!(!std::fs::exists(desk.path("llm.toml")).expect("a folder"), "{dry:#}");
    let first = desk.import(&ALL).await;
    assert_eq!((&first["written"], &dry["written"]), (&json!(true), &json!(false)));
    assert_eq!(first["differences"], dry["differences"]);
    let table = desk.table();
    let parsed = RateTable::parse(&table).expect("a table");
    let sonnet = "\
number = 6
dated = true
names = [\"claude-sonnet-4.5\"]
input          = { credits = \"390\", cost = \"3\" }
cached_input   = { credits = \"39\", cost = \"0.3\" }
cache_write    = { credits = \"487.5\", cost = \"3.75\" }
cache_write_1h = { credits = \"780\", cost = \"6\" }
output         = { credits = \"1950\", cost = \"15\" }
input_image    = { credits = \"390\", cost = \"3\" }";
    assert_eq!(part(&table, "claude-sonnet-4-5"), sonnet);
    // A tier is of the whole call, and a meter that the file does not price follows input.
    let tier = table.split("[models.\"gpt-5.4\".above_272000]\n").nth(1).expect("a tier");
    assert!(tier.contains("cache_write  = { credits = \"650\", cost = \"5\" }"), "{tier}");
    // Names as the provider answers with them.
    let named = ["claude-haiku-4-5-20251001", "claude-sonnet-4-20250514", "gpt-4o-2024-05-13"];
    let own = ["claude-haiku-4-5", "claude-sonnet-4-0", "gpt-4o"];
    assert_eq!(named.map(|name| parsed.model(name).map(|(own, _)| own)), own.map(Some));
    let second = desk.import(&ALL).await;
    assert_eq!((&second["written"], &second["differences"]), (&json!(false), &json!([])));
    assert_eq!(desk.table(), table);
}

#[tokio::test]
async fn models_that_no_rate_can_price_are_left_out_and_listed() {
    let desk = Desk::new("rates-left-out", PRICES);
    let imported = desk.import(&ALL).await;
    let (left_out, notices) = (&imported["left_out"], &imported["notices"]);
    let image = models_of(left_out, "cache_image_read_mtok");
    assert_eq!(image, json!(["openai:gpt-image-1.5"]));
    assert_eq!(models_of(left_out, "no price of a token"), json!(["openai:moderation"]));
    let video = models_of(left_out, "output_video_mtok");
    assert_eq!(video, json!(["google:gemini-omni-flash-preview"]));
    let change = models_of(notices, "prices change on 2027-01-01");
    assert_eq!(change, json!(["google:gemini-3.7-flash"]));
    let write = models_of(notices, "no price of cache_write:");
    assert!(write.to_string().contains("openai:gpt-5-mini"), "{write}");
    let pattern = models_of(notices, "names by a pattern").to_string();
    assert!(pattern.contains("anthropic:claude-2 contains claude-v2"), "{pattern}");
    let table = RateTable::parse(&desk.table()).expect("a table");
    assert!(table.model("gpt-image-1.5").is_none() && table.model("moderation").is_none());
}

#[tokio::test]
async fn prices_are_those_of_the_day_and_the_highest_of_the_hours() {
    for (at, input) in [("2026-08-31", "260"), ("2026-09-01", "390")] {
        let desk = Desk::new(&format!("rates-{at}"), PRICES);
        desk.import(&["--only", "anthropic:=claude-sonnet-5,deepseek", "--at", at]).await;
        let table = desk.table();
        let rate = format!("input          = {{ credits = \"{input}\"");
        assert!(part(&table, "claude-sonnet-5").contains(&rate), "{at}: {table}");
        // 0.135 and 0.27 dollars, by the hour.
        assert!(part(&table, "deepseek-chat").contains("\"35.1\", cost = \"0.27\""), "{table}");
    }
}

#[tokio::test]
async fn a_name_with_different_prices_at_two_providers_is_refused_until_one_is_chosen() {
    let desk = Desk::new("rates-names", PRICES);
    let refused = desk.run(&["--only", "anthropic,google,openai"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.complains.contains("claude-opus-5 (anthropic, google)"), "{refused:?}");
    assert!(!std::fs::exists(desk.path("llm.toml")).expect("a folder"));
    // With the same prices it is one model.
    desk.import(&["--only", "openai,azure"]).await;
    assert_eq!(desk.table().matches("text-embedding-3-small").count(), 1);
}

#[tokio::test]
async fn a_table_keeps_numbers_comments_and_kept_models_and_retires_what_vanished() {
    let desk = Desk::new("rates-keeps", PRICES);
    let table = "\
# Ours.
context = [\"input\"]

# Negotiated.
[models.\"claude-opus-5 batch\"]
number = 7
input = { credits = \"1\" }

[models.\"gpt-5-mini\"]
number = 9
names = [\"mini\"]
input  = { credits = \"80\" }
output = { credits = \"260\", cost = \"2\" }
output_audio = { credits = \"1\" }

[models.\"gpt-9\"]
number = 3
input = { credits = \"1\" }
";
    std::fs::write(desk.path("llm.toml"), table).expect("a table");
    let only = ["--only", "openai:=gpt-5-mini,openai:=o3", "--keep", "claude-opus-5 batch"];
    let imported = desk.import(&only).await;
    let warned: Vec<_> = imported["differences"].as_array().expect("a list").iter().collect();
    let warning = |model: &str, key: &str| {
        let one = warned.iter().find(|one| one["model"] == model && one["key"] == key);
        one.unwrap_or_else(|| panic!("{imported:#}"))["warning"].clone()
    };
    assert_eq!(warning("gpt-5-mini", "input"), "moved by more than half");
    assert_eq!(warning("gpt-5-mini", "output_audio"), "vanished");
    assert_eq!(warning("gpt-5-mini", "cached_input"), Value::Null);
    assert!(warning("gpt-9", "retired").to_string().contains("vanished from the file"));
    let written = desk.table();
    assert!(written.starts_with("# Ours.\nsource = \"genai-prices v2, 100 credits"), "{written}");
    let kept = "# Negotiated.\n[models.\"claude-opus-5 batch\"]\nnumber = 7\ninput = ";
    assert!(written.contains(kept), "{written}");
    assert!(part(&written, "gpt-5-mini").starts_with("number = 9\n"), "{written}");
    assert!(part(&written, "gpt-5-mini").contains("\"mini\""), "{written}");
    assert!(part(&written, "gpt-9").starts_with("number = 3\nretired = true"), "{written}");
    assert!(part(&written, "o3").starts_with("number = 10\n"), "{written}");
    // What is not asked for is not retired by that.
    let other = desk.import(&["--only", "anthropic:=claude-opus-5"]).await;
    let stays = models_of(&other["notices"], "not imported, but in the file");
    assert_eq!(stays, json!(["gpt-5-mini", "o3"]));
}

/// The difference of a model and a key: what was, what is, and its warning.
fn difference(imported: &Value, model: &str, key: &str) -> [Value; 3] {
    let mut all = imported["differences"].as_array().expect("a list").iter();
    let one = all.find(|one| one["model"] == model && one["key"] == key);
    let one = one.unwrap_or_else(|| panic!("no {model} {key}: {imported:#}"));
    ["was", "is", "warning"].map(|field| one[field].clone())
}

const HALF: &str = "moved by more than half";
const WORSE: &str = "means a model with a rate that vanished, is 0, or differs by more than half";

#[tokio::test]
async fn a_model_of_which_the_file_has_any_name_is_not_retired() {
    let desk = Desk::new("rates-any-name", PRICES);
    // By names of theirs with a date, by their other names, and by one that is not asked for.
    let table = "\
context = [\"input\"]

[models.\"gpt-4o-2024-08-06\"]
number = 2
input = { credits = \"325\" }

[models.\"gpt-5-small\"]
number = 3
names = [\"gpt-5-mini\", \"o3\"]
input = { credits = \"32.5\" }

[models.\"sonnet\"]
number = 4
names = [\"claude-sonnet-5\"]
input = { credits = \"390\" }
";
    std::fs::write(desk.path("llm.toml"), table).expect("a table");
    let only = ["--only", "openai:=gpt-4o,openai:=gpt-5-mini,openai:=o3"];
    let imported = desk.import(&only).await;
    let stays = models_of(&imported["notices"], "not imported, but in the file");
    assert_eq!(stays, json!(["sonnet"]));
    let written = desk.table();
    assert!(part(&written, "gpt-4o-2024-08-06").contains("output"), "{written}");
    assert!(part(&written, "gpt-5-small").contains("output"), "{written}");
    let parsed = RateTable::parse(&written).expect("a table");
    let named = ["gpt-4o", "gpt-4o-2024-05-13", "gpt-5-mini", "o3"];
    let own = ["gpt-4o-2024-08-06", "gpt-4o-2024-08-06", "gpt-5-small", "o3"];
    assert_eq!(named.map(|name| parsed.model(name).map(|(own, _)| own)), own.map(Some));
    for name in ["gpt-4o-2024-08-06", "gpt-5-small", "sonnet"] {
        assert!(!parsed.models[name].retired, "{name}: {written}");
    }
    assert_eq!(desk.import(&only).await["differences"], json!([]));
}

#[tokio::test]
async fn a_new_tier_is_warned_of_by_the_rate_that_its_calls_had() {
    let desk = Desk::new("rates-tier", PRICES);
    let only = ["--only", "anthropic:=claude-sonnet-4-5"];
    desk.import(&only).await;
    let table = desk.table();
    let (base, _) = table.split_once("\n[models.\"claude-sonnet-4-5\".above").expect("a tier");
    std::fs::write(desk.path("llm.toml"), base).expect("a table");
    let imported = desk.import(&only).await;
    let of =
        |meter: &str| difference(&imported, "claude-sonnet-4-5", &format!("above_200000.{meter}"));
    // Of 390 and of 1950.
    assert_eq!(of("input"), [Value::Null, json!("780"), json!(HALF)]);
    assert_eq!(of("output"), [Value::Null, json!("2925"), Value::Null]);
}

#[tokio::test]
async fn a_name_that_moves_to_another_model_is_listed_and_warned_of_by_the_rates() {
    let desk = Desk::new("rates-moved", PRICES);
    let table = "\
context = [\"input\"]

[models.\"gpt-5-mini\"]
number = 1
names = [\"gpt-5-nano\", \"mini\"]
input        = { credits = \"32.5\" }
cached_input = { credits = \"3.25\" }
cache_write  = { credits = \"32.5\" }
output       = { credits = \"260\" }
input_image  = { credits = \"32.5\" }

[models.\"gpt-4\"]
number = 2
names = [\"gpt-4o\"]
input = { credits = \"300\" }

[models.\"gpt-9\"]
number = 3
input = { credits = \"1\" }
";
    std::fs::write(desk.path("llm.toml"), table).expect("a table");
    let only = ["--only", "openai:=gpt-5-mini,openai:=gpt-5-nano", "--keep", "gpt-4"];
    let imported = desk.import(&only).await;
    let nano = difference(&imported, "gpt-5-nano", "means");
    assert_eq!(nano, [json!("gpt-5-mini"), json!("gpt-5-nano"), json!(WORSE)]);
    let listed = imported["differences"].to_string();
    assert_eq!(listed.matches("\"means\"").count(), 1, "{listed}");
    // A name of a model that is kept stays there.
    let kept = desk.import(&["--only", "openai:=gpt-4o", "--keep", "gpt-4"]).await;
    assert!(!kept["differences"].to_string().contains("\"means\""), "{kept:#}");
    assert!(part(&desk.table(), "gpt-4").contains("names = [\"gpt-4o\"]"), "{}", desk.table());
}

#[tokio::test]
async fn images_cost_what_input_costs_at_every_provider_without_a_price_of_them() {
    let desk = Desk::new("rates-images", PRICES);
    desk.import(&["--only", "openai,anthropic,google:gemini,x-ai", "--at", "2026-11-28"]).await;
    let table = RateTable::parse(&desk.table()).expect("a table");
    for (name, model) in &table.models {
        assert!(model.rates.contains_key(&Meter::InputImage), "{name}");
    }
    let rate = |name: &str| table.models[name].rates[&Meter::InputImage].to_string();
    let models = ["grok-4.3", "gpt-5-mini", "text-embedding-3-small", "gemini-2.5-pro"];
    assert_eq!(models.map(rate), ["162.5", "32.5", "2.6", "162.5"]);
}

#[tokio::test]
async fn a_rate_is_rounded_up_once_and_one_of_0_is_warned_of() {
    let odd = PRICES.replace(r#""input_mtok": 0.25, "#, r#""input_mtok": 0.08333333333333334, "#);
    let odd = odd.replace(r#""output_mtok": 2}"#, r#""output_mtok": 0}"#);
    let desk = Desk::new("rates-rounding", &odd);
    let imported = desk.import(&["--only", "openai:=gpt-5-mini"]).await;
    // 0.083333333 dollars x 130 = 10.83333329 credits.
    let table = desk.table();
    assert!(
        part(&table, "gpt-5-mini").contains("\"10.833334\", cost = \"0.083333333\""),
        "{table}"
    );
    let differences = imported["differences"].to_string();
    assert!(differences.contains("a rate is 0: it is sold for nothing"), "{differences}");
}

#[tokio::test]
async fn a_wrong_file_option_or_table_is_refused_and_nothing_is_written() {
    let desk = Desk::new("rates-wrong", PRICES);
    let only = desk.run(&["--only", "openai,antropic"]).await;
    assert!(only.complains.contains("no model of --only antropic"), "{only:?}");
    let keep = desk.run(&["--only", "openai", "--keep", "gpt-9"]).await;
    assert_eq!(keep.code, Some(2), "{keep:?}");
    let old = Desk::new("rates-old", &PRICES.replace("cache_write_1h_mtok", "cache_write_2h_mtok"));
    let old = old.run(&[]).await;
    assert!(old.complains.contains("prices/new_data/v2/data.json"), "{old:?}");
    assert!(!std::fs::exists(desk.path("llm.toml")).expect("a folder"));
    let commented = "\
context = [\"input\"]
[models.\"gpt-5-mini\"]
number = 1
input = { credits = \"1\" } # low
";
    std::fs::write(desk.path("llm.toml"), commented).expect("a table");
    let lost = desk.run(&["--only", "openai"]).await;
    assert!(lost.complains.contains("line 4: an import keeps"), "{lost:?}");
    assert_eq!(desk.table(), commented);
    let markup = ["rates", "import", "x", "--from", "genai-prices", "--credits-per-usd", "1"];
    let markup = scrip(&[&markup[..], &["--markup", "30"]].concat(), &[]).await;
    assert!(markup.code == Some(2) && markup.complains.contains("30%"), "{markup:?}");
}
