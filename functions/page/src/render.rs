//! Renders the templates with their texts.
//!
//! Numbers and times are readable as they are rendered; the page's script writes them again in the
//! customer's format, from the exact value that the element carries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, Error, HtmlEscape, State, UndefinedBehavior, context};
use sha2::{Digest, Sha256};
use shared::domain::period::Day;
use shared::domain::{Brand, Instant, Locales, Words};
use shared::http::page::Html;

use super::brand;
use super::files::FOLDER;
use super::language::Language;

/// The name and the text of each template, and of the style that each has in its head.
const TEMPLATES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// A language, and the brand of the product.
pub(super) type Look<'a> = (&'static Language, &'a Brand);

pub(super) fn page(look: Look<'_>, view: &serde_json::Value) -> Html {
    render(look, "page.html", Value::from(Serde(view)))
}

/// The statement of a month.
pub(super) fn statement(look: Look<'_>, view: &serde_json::Value) -> Html {
    render(look, "statement.html", Value::from(Serde(view)))
}

/// The page that asks whether to open the session of a link.
pub(super) fn enter(look: Look<'_>, link: &serde_json::Value) -> Html {
    render(look, "enter.html", Value::from(Serde(link)))
}

/// The page without a session: it is `over`, or the customer `left`. `back`: the product's address.
pub(super) fn ended(look: Look<'_>, how: &str, back: Option<&str>) -> Html {
    render(look, "ended.html", context! { how, back })
}

fn render((language, brand): Look<'_>, name: &str, view: Value) -> Html {
    let templates = language.templates.get_or_init(|| templates(language));
    let (_, style) = TEMPLATES.iter().find(|(name, _)| *name == "page.css").expect("it is there");
    let style = format!("{style}{}", brand::style(brand));
    let hash = BASE64.encode(Sha256::digest(&style));
    let style = Value::from_safe_string(style);
    let shown = Value::from(Serde(brand::shown(brand)));
    let template = templates.get_template(name).expect("it is in the folder");
    let text = template.render(context! { style, brand => shown, ..view });
    let text = text.unwrap_or_else(|error| panic!("{name}: {error:#}"));
    Html { text, style: hash, logo_origin: brand::logo_origin(brand) }
}

fn templates(language: &'static Language) -> Environment<'static> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.add_global("t", Value::from(Serde(&language.texts)));
    templates.add_global("assets", FOLDER.as_str());
    let say = move |name: &str, values: Kwargs| say(language, name, &values, true);
    templates.add_function("say", say);
    let plain = move |name: &str, values: Kwargs| self::say(language, name, &values, false);
    templates.add_function("plain", plain);
    let credits = move |value: Value| safe(amount(language, &value.to_string()));
    templates.add_function("credits", credits);
    let about = move |value: Value| safe(about(language, &value.to_string()));
    templates.add_function("about", about);
    let change = move |value: Value| safe(change(language, &value.to_string()));
    templates.add_function("change", change);
    let money = move |value: &str, currency: &str| safe(money(language, value, currency));
    templates.add_function("money", money);
    templates.add_function("time", |at: &str, style: &str| safe(time(at, style)));
    templates.add_function("label", label);
    for (name, text) in TEMPLATES.iter().filter(|(name, _)| name.ends_with(".html")) {
        templates.add_template(name, text).expect("the templates are right: a test renders them");
    }
    templates
}

/// A text with its values filled in: each is escaped, unless it is markup of ours.
fn say(language: &Language, name: &str, values: &Kwargs, markup: bool) -> Result<Value, Error> {
    let entry = &language.texts[name];
    let count = |key| values.get::<Option<Value>>(key).ok().flatten().map(|v| v.to_string());
    let form = if count("n").as_deref() == Some("1") { "one" } else { "other" };
    let text = entry.as_str().or_else(|| entry[form].as_str());
    let text = text.unwrap_or_else(|| panic!("{} has no {name}", language.tag));
    let mut said = String::new();
    for part in text.split_inclusive('}') {
        let (before, key) = match part.split_once('{') {
            Some((before, key)) => (before, key.trim_end_matches('}')),
            None => (part, ""),
        };
        said.push_str(before);
        if !key.is_empty() {
            let value: Value = values.get(key)?;
            said.push_str(&match (value.is_safe(), key, markup) {
                (true, _, _) => value.to_string(),
                (false, "n", true) => amount(language, &value.to_string()),
                (false, _, true) => HtmlEscape(&value.to_string()).to_string(),
                (false, "n" | "credits" | "available" | "total" | "price", false) => {
                    spoken(language, &value.to_string())
                }
                (false, _, false) => value.to_string(),
            });
        }
    }
    // A template escapes plain text where it puts it.
    Ok(if markup { Value::from_safe_string(said) } else { Value::from(said) })
}

fn safe(html: String) -> Value {
    Value::from_safe_string(html)
}

/// An amount: its digits in groups, with its exact value.
fn amount(language: &Language, value: &str) -> String {
    format!("<data value=\"{value}\">{}</data>", grouped(language, value))
}

/// An amount in a summary: with at most two decimals, and its exact digits behind it.
fn about(language: &Language, value: &str) -> String {
    let (exact, shown) = (grouped(language, value), grouped(language, cut(value)));
    let title = match exact == shown {
        true => String::new(),
        false => format!(" title=\"{exact}\""),
    };
    format!("<data value=\"{value}\" data-about{title}>{shown}</data>")
}

/// An amount without the decimals after the second, so that nobody is shown more than there is.
/// Less than a hundredth keeps them all: it is not nothing.
fn cut(value: &str) -> &str {
    let Some((whole, decimals)) = value.split_once('.') else { return value };
    match decimals.get(..2).unwrap_or(decimals).trim_end_matches('0') {
        "" if whole.trim_start_matches('-') == "0" => value,
        "" => whole,
        kept => &value[..whole.len() + 1 + kept.len()],
    }
}

/// A text whose numbers are in groups, for a label that has no markup.
fn spoken(language: &Language, text: &str) -> String {
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let words = text.split(' ');
    let words = words.map(|word| match is_number(word) {
        true => grouped(language, word),
        false => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn change(language: &Language, value: &str) -> String {
    let shown = match value.strip_prefix('-') {
        Some(rest) => format!("\u{2212}{}", grouped(language, rest)),
        None if value == "0" => "0".to_owned(),
        None => format!("+{}", grouped(language, value)),
    };
    format!("<data value=\"{value}\" data-sign>{shown}</data>")
}

fn money(language: &Language, value: &str, currency: &str) -> String {
    let (code, shown) = (currency.to_uppercase(), grouped(language, value));
    format!("<data value=\"{value}\" data-currency=\"{code}\">{code} {shown}</data>")
}

/// `1234567.5` as `1,234,567.5`.
fn grouped(language: &Language, value: &str) -> String {
    let (group, decimal) = &language.separators;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let (sign, whole) = match whole.strip_prefix('-') {
        Some(whole) => ("-", whole),
        None => ("", whole),
    };
    let mut shown = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            shown.push_str(group);
        }
        shown.push(digit);
    }
    if !decimals.is_empty() {
        shown.push_str(decimal);
        shown.push_str(decimals);
    }
    shown
}

/// A time in UTC, in a form that every language reads. A time at the start or end of a UTC day is
/// shown as that day, the first or the last on which something holds, as the script shows it.
fn time(at: &str, style: &str) -> String {
    let (day, clock) = at.split_once('T').unwrap_or((at, ""));
    let is_midnight = clock == "00:00:00.000Z";
    let clock = clock.get(..5).unwrap_or_default();
    let shown = match style {
        "day" if is_midnight => day.to_owned(),
        "tick" if is_midnight => day.get(5..).unwrap_or(day).to_owned(),
        "last" if is_midnight => last_day(at),
        "end" if is_midnight => format!("{} UTC", last_day(at)),
        "clock" => format!("{clock} UTC"),
        _ => format!("{day} {clock} UTC"),
    };
    format!("<time datetime=\"{at}\" data-style=\"{style}\">{shown}</time>")
}

/// The day before the one that begins at `at`.
fn last_day(at: &str) -> String {
    Instant::parse(at).map_or_else(|| at.to_owned(), |at| Day::of(at).minus(1).to_string())
}

/// The name of an action, or of another `kind` of thing in the catalog, by its key.
fn label(state: &State<'_, '_>, key: &str, kind: Option<&str>) -> String {
    let names =
        state.lookup("names").and_then(|names| names.get_attr(kind.unwrap_or("action")).ok());
    let name = names.and_then(|names| names.get_attr(key).ok()).filter(|name| !name.is_undefined());
    // An order may name a pack that is no longer sold.
    name.map_or_else(
        || Words::of_key(key).get(&Locales::default()).to_owned(),
        |name| name.to_string(),
    )
}
