//! Renders the templates with their texts.
//!
//! Numbers and times are readable as they are rendered; the page's script writes them again in the
//! customer's format, from the exact value that the element carries.

use std::sync::LazyLock;

use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, Error, HtmlEscape, UndefinedBehavior, context};

use shared::domain::Instant;
use shared::domain::period::Day;

use super::files::FOLDER;

/// The texts, by key.
static TEXTS: LazyLock<serde_json::Value> = LazyLock::new(|| {
    let file = include_str!("../files/en.js");
    let (_, json) = file.split_once("export default ").expect("en.js is a table");
    serde_json::from_str(json).expect("en.js is JSON after its first lines")
});

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.add_global("t", Value::from(Serde(&*TEXTS)));
    templates.add_global("assets", FOLDER.as_str());
    templates.add_function("say", |name: &str, values: Kwargs| say(name, &values, true));
    templates.add_function("plain", |name: &str, values: Kwargs| say(name, &values, false));
    templates.add_function("credits", |value: Value| safe(amount(&value.to_string(), "")));
    templates.add_function("change", |value: Value| safe(change(&value.to_string())));
    templates.add_function("money", |value: &str, currency: &str| safe(money(value, currency)));
    templates.add_function("time", |at: &str, style: &str| safe(time(at, style)));
    templates.add_function("label", label);
    for (name, text) in [
        ("page.html", include_str!("../files/page.html")),
        ("enter.html", include_str!("../files/enter.html")),
        ("ended.html", include_str!("../files/ended.html")),
    ] {
        templates.add_template(name, text).expect("the templates are right: a test renders them");
    }
    templates
});

pub(super) fn page(view: &serde_json::Value) -> String {
    render("page.html", Value::from(Serde(view)))
}

/// The page that asks whether to open the session of a link.
pub(super) fn enter(link: &serde_json::Value) -> String {
    render("enter.html", Value::from(Serde(link)))
}

/// The page without a session: it is `over`, or the customer `left`. `back`: the product's address.
pub(super) fn ended(how: &str, back: Option<&str>) -> String {
    render("ended.html", context! { how, back })
}

fn render(name: &str, view: Value) -> String {
    let template = TEMPLATES.get_template(name).expect("it was added above");
    template.render(view).unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

/// The word for `unit`, in its singular or plural.
pub(super) fn unit(unit: &str, many: bool) -> &str {
    let form = if many { "other" } else { "one" };
    TEXTS["units"][unit][form].as_str().unwrap_or(unit)
}

/// A text with its values filled in: each is escaped, unless it is markup of ours.
fn say(name: &str, values: &Kwargs, markup: bool) -> Result<Value, Error> {
    let entry = &TEXTS[name];
    let count = |key| values.get::<Option<Value>>(key).ok().flatten().map(|v| v.to_string());
    let form = if count("n").as_deref() == Some("1") { "one" } else { "other" };
    let text = entry.as_str().or_else(|| entry[form].as_str());
    let text = text.unwrap_or_else(|| panic!("en.js has no {name}"));
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
                (false, "n", true) => amount(&value.to_string(), ""),
                (false, _, true) => HtmlEscape(&value.to_string()).to_string(),
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
fn amount(value: &str, attributes: &str) -> String {
    format!("<data value=\"{value}\"{attributes}>{}</data>", grouped(value))
}

fn change(value: &str) -> String {
    let shown = match value.strip_prefix('-') {
        Some(rest) => format!("\u{2212}{}", grouped(rest)),
        None if value == "0" => "0".to_owned(),
        None => format!("+{}", grouped(value)),
    };
    format!("<data value=\"{value}\" data-sign>{shown}</data>")
}

fn money(value: &str, currency: &str) -> String {
    let (code, shown) = (currency.to_uppercase(), grouped(value));
    format!("<data value=\"{value}\" data-currency=\"{code}\">{code} {shown}</data>")
}

/// `1234567.5` as `1,234,567.5`.
fn grouped(value: &str) -> String {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let (sign, whole) = match whole.strip_prefix('-') {
        Some(whole) => ("-", whole),
        None => ("", whole),
    };
    let mut shown = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    if !decimals.is_empty() {
        shown.push('.');
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

/// `dynamic_video` in the form that a person reads.
fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
