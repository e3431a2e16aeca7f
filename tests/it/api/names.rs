//! What customers read: names in their language, and a brand that is refused where it cannot be
//! shown.

use serde_json::json;
use shared::decide::catalog_version;
use shared::domain::brand::Color;
use shared::domain::{Catalog, Instant, Locales};

use crate::support::catalogs::{files, publish};
use crate::support::{Answer, Stack, request};

/// The default catalog as version 2, with these lines behind it.
fn ending_with(lines: &str) -> String {
    format!("{}\n{lines}\n", Catalog::DEFAULT.replacen("version = 1", "version = 2", 1))
}

/// Why a catalog with these lines may not follow the default one.
fn refusal(lines: &str) -> String {
    let current = Catalog::parse(&files(Catalog::DEFAULT)).expect("the default");
    let published = catalog_version::publish(&current, &files(ending_with(lines)), Instant::EPOCH);
    published.map_or_else(|error| error.to_string(), |_| "none".to_owned())
}

#[test]
fn a_wrong_brand_is_refused_with_the_key_and_the_reason() {
    let large = format!("<svg xmlns='http://www.w3.org/2000/svg'>{}</svg>", " ".repeat(8192));
    let long = "n".repeat(61);
    let url = "must be an https:// address";
    for (field, value, reason) in [
        ("name", "", "must be 1 to 60 characters"),
        ("name", &*long, "must be 1 to 60 characters"),
        ("logo", "<b>Acme</b>", "must be an SVG that begins with <svg, or an https://"),
        ("logo", "http://example.com/logo.svg", "must be an SVG that begins with <svg"),
        ("logo", "<svg></svg>", "must name xmlns="),
        ("logo", &*large, "must be at most 8192 bytes, not"),
        ("logo", "https://example.com/a;script-src *", url),
        ("logo", "https://*/logo.svg", url),
        ("font", "Inter; } body { display: none", "must be names of font families"),
        ("font", "Inter, ", "must be names of font families"),
        ("font", "</style><script>", "must be names of font families"),
        ("support_url", "javascript:alert(1)", url),
        ("terms_url", "https:// example.com", url),
    ] {
        let refused = refusal(&format!("[brand]\n{field} = '''{value}'''"));
        let expected = format!("catalog: brand.{field}: {reason}");
        assert!(refused.starts_with(&expected), "{value}: {refused}");
    }
    for radius in [-1, 25, 300] {
        let refused = refusal(&format!("[brand]\nradius = {radius}"));
        assert_eq!(refused, "catalog: brand.radius: must be pixels from 0 to 24");
    }
    let unknown = refusal("[brand]\ncolour = 'red'");
    assert!(unknown.contains("unknown field `colour`"), "{unknown}");
}

#[test]
fn an_accent_that_cannot_be_read_is_refused_with_its_contrast() {
    let accent = |light, dark| {
        refusal(&format!("[brand]\naccent = {{ light = '{light}', dark = '{dark}' }}"))
    };
    assert_eq!(accent("#0a6b52", "#5ecfa5"), "none");
    assert_eq!(
        accent("#ffcc00", "#5ecfa5"),
        "catalog: brand.accent.light: has a contrast of 1.44 to 1 on the page's #fbfaf7: text \
         needs at least 4.5 to 1"
    );
    let dark = accent("#0a6b52", "#0a6b52");
    assert!(dark.starts_with("catalog: brand.accent.dark: has a contrast of 2."), "{dark}");
    let named = accent("green", "#5ecfa5");
    assert_eq!(named, "catalog: brand.accent.light: must be a colour such as \"#0a6b52\"");
    let one = refusal("[brand]\naccent = '#0a6b52'");
    assert!(one.contains("light") && one.contains("dark"), "{one}");
}

#[test]
fn a_contrast_is_the_one_of_wcag() {
    let color = |text: &str| text.parse::<Color>().expect("a colour");
    // The numbers of WebAIM's contrast checker.
    for (one, other, contrast) in [
        ("#000000", "#ffffff", 2100),
        ("#777777", "#ffffff", 447),
        ("#767676", "#ffffff", 454),
        ("#0000ff", "#ffffff", 859),
        ("#ff0000", "#ffffff", 399),
        ("#123456", "#123456", 100),
    ] {
        assert_eq!(color(one).contrast(color(other)), contrast, "{one} on {other}");
        assert_eq!(color(other).contrast(color(one)), contrast, "{other} on {one}");
    }
    assert_eq!(color("#0a6b52").text(), color("#ffffff"));
    assert_eq!(color("#ffcc00").text(), color("#151517"));
}

#[test]
fn wrong_names_are_refused_with_the_key_that_is_wrong() {
    let long = format!("\"{}\"", "n".repeat(81));
    for (table, field, value, key) in [
        ("packs.wrong", "name", "\"\"", "packs.wrong.name: must be 1 to 80"),
        ("packs.wrong", "name", &*long, "packs.wrong.name: must be 1 to 80"),
        ("packs.wrong", "about", "\"a\\nb\"", "packs.wrong.about: must be 1 to 300"),
        ("packs.wrong", "name", "{}", "packs.wrong.name: must have at least one language"),
        ("packs.wrong", "name", "{ de_AT = \"x\" }", "packs.wrong.name.de_AT: must be a language"),
        ("packs.wrong", "name", "{ de = \" \" }", "packs.wrong.name.de: must be 1 to 80"),
        ("packs.wrong", "name", "{ de = \"a\", DE = \"b\" }", "packs.wrong.name.de: is repeated"),
    ] {
        let pack =
            "credits = \"1\"\nprice_minor = 100\ncurrency = \"usd\"\nexpires_after_months = 1";
        let refused = refusal(&format!("[{table}]\n{pack}\n{field} = {value}"));
        assert!(refused.starts_with(&format!("catalog: {key}")), "{value}: {refused}");
    }
    let contact = "[plans.sold]\nai = true\ncontact = { label = \"Ask\", url = \"mailto:a@b.c\" }";
    let refused = refusal(contact);
    assert!(refused.starts_with("catalog: plans.sold.contact.url: must be an https"), "{refused}");
    let rated =
        "[actions.rated]\nnumber = 99\nrates = \"llm\"\nunits = { one = \"a\", other = \"b\" }";
    assert_eq!(
        refusal(rated),
        "catalog: actions.rated.units: must be omitted: the action has rates"
    );
}

#[test]
fn accepted_languages_are_ordered_by_their_weight() {
    for (header, languages) in [
        ("de-AT,de;q=0.9,en;q=0.8", "de-AT de en"),
        ("en;q=0.5, zh-hant-tw, fr;q=0.501", "zh-Hant-TW fr en"),
        ("*, de;q=0, EN-us;q=1.000", "en-US"),
        ("de;q=2, fr;q=x, e, -, 1a", ""),
        ("", ""),
    ] {
        let read: Vec<String> = Locales::accepted(header).iter().map(ToString::to_string).collect();
        assert_eq!(read.join(" "), languages, "{header}");
    }
}

/// What a session that was made with `more` reads at `path`.
async fn read(stack: &Stack, more: &str, path: &str, accepts: &str) -> Answer {
    let body = format!(r#"{{"subject":"ada","return_url":"https://app.example.com/"{more}}}"#);
    let made = stack.session("acme", &body).await;
    let token = format!("Bearer {}", made.text("/token"));
    let headers = [("authorization", &*token), ("accept-language", accepts)];
    let answer = stack.ask("GET", path, &headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

#[tokio::test]
async fn names_are_in_the_language_of_the_session_or_else_of_the_browser() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    let catalog = Catalog::DEFAULT
        .replacen("version = 1", "version = 2", 1)
        .replacen(
            "[plans.pro]\n",
            "[plans.pro]\nname = { en = \"Pro\", de = \"Profi\" }\nabout = \"Much\"\n\
             contact = { label = { fr = \"Ventes\" }, url = \"https://example.com/sales\" }\n",
            1,
        )
        .replacen("[packs.team]\n", "[packs.team]\nname = { de = \"Mannschaft\" }\n", 1)
        .replacen("[actions.chat]\n", "[actions.chat]\ngroup = { en = \"AI\", de = \"KI\" }\n", 1);
    publish(&stack, &catalog).await;
    let german = r#","locale":"de-at""#;
    for (more, accepts, video, videos, group) in [
        (german, "en", "Dynamisches Video", "Videos", "KI"),
        ("", "de-CH,de;q=0.9", "Dynamisches Video", "Videos", "KI"),
        ("", "fr, en;q=0.5", "Dynamic video", "videos", "AI"),
        (r#","locale":"ja""#, "de", "Dynamic video", "videos", "AI"),
        ("", "", "Dynamic video", "videos", "AI"),
    ] {
        let answer = read(&stack, more, "/v1/me/catalog", accepts).await;
        let actions = answer.body["actions"].as_array().expect("actions").clone();
        let named = |name| actions.iter().find(|action| action["action"] == name).expect("sold");
        assert_eq!(named("dynamic_video")["name"], video, "{more} {accepts}");
        assert_eq!(named("dynamic_video")["units"]["other"], videos);
        assert_eq!(named("chat")["name"], "Chat");
        assert_eq!(named("chat")["group"], group);
    }
    let plans = read(&stack, german, "/v1/me/subscriptions", "en").await;
    assert_eq!(plans.text("/plan_name"), "Profi");
    assert_eq!(plans.body["contact"]["label"], "Ventes");
    assert_eq!((plans.text("/plans/0/name"), plans.text("/plans/0/about")), ("Profi", "Much"));
    let packs = read(&stack, "", "/v1/me/packs", "en").await;
    let names: Vec<_> = packs.body["packs"].as_array().expect("packs").iter().collect();
    let names: Vec<_> = names.into_iter().map(|pack| pack["name"].clone()).collect();
    assert_eq!(names, [json!("Starter"), json!("Mannschaft"), json!("Studio")]);
    let topups = read(&stack, german, "/v1/me/topup-plans", "en").await;
    assert_eq!(topups.text("/topups/0/name"), "Monatliche Aufladung");
}

#[tokio::test]
async fn a_locale_that_is_no_language_tag_is_refused() {
    let stack = Stack::noon().await;
    stack.open("acme", "pro").await;
    for locale in [
        "\"\"",
        "\"de_AT\"",
        "\"d\"",
        "7",
        "\"de-abcdefghi\"",
        "\"en-x-aaaaaaaa-bbbbbbbb-cccccccc-dddd\"",
    ] {
        let body = format!(
            r#"{{"subject":"a","return_url":"https://app.example.com/","locale":{locale}}}"#
        );
        let refused = stack.send(request("POST", "/v1/accounts/acme/sessions", None, &body)).await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_request"), "{locale}");
        assert_eq!(refused.text("/fields/0/field"), "locale", "{refused:?}");
    }
}
