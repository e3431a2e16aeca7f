//! The brand of the product on its pages: the logo's address, and what the style has of it.

use std::fmt::Write as _;

use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared::domain::Brand;
use shared::domain::brand::{FontStack, Logo, Theme};
use shared::domain::hash::short_hash;
use shared::http::{Call, Problem, page};

/// Families that CSS knows by a word: in quotes they would be names of fonts.
const GENERIC: [&str; 10] = [
    "serif",
    "sans-serif",
    "monospace",
    "cursive",
    "system-ui",
    "ui-serif",
    "ui-sans-serif",
    "ui-monospace",
    "ui-rounded",
    "-apple-system",
];

/// The brand as the templates show it.
pub(super) fn shown(brand: &Brand) -> Value {
    json!({
        "name": brand.name,
        "logo": brand.logo.as_ref().map(|logo| match logo {
            Logo::Svg(svg) => address(svg),
            Logo::Url(url) => url.as_str().to_owned(),
        }),
        "support_url": brand.support_url.as_ref().map(|url| url.as_str()),
        "terms_url": brand.terms_url.as_ref().map(|url| url.as_str()),
    })
}

/// The origin of the logo, if it is not ours.
pub(super) fn logo_origin(brand: &Brand) -> Option<String> {
    match brand.logo.as_ref()? {
        Logo::Url(url) => Some(url.origin().to_owned()),
        Logo::Svg(_) => None,
    }
}

/// The address of a logo that is text: it changes whenever the logo does.
fn address(svg: &str) -> String {
    format!("/brand/{}.svg", short_hash(svg))
}

/// The logo. A page of a moment ago may ask by another logo's address: it gets this one, and no
/// browser keeps it under that address.
pub(super) fn logo(call: &Call<'_>, brand: &Brand, file: &str) -> Result<Response<Body>, Problem> {
    let Some(Logo::Svg(svg)) = &brand.logo else { return Err(call.no_route()) };
    let named = file.strip_suffix(".svg").ok_or_else(|| call.no_route())?;
    Ok(page::logo(svg.clone(), named == short_hash(svg)))
}

/// The rules that a brand adds to the style. Each value has a type that lets nothing else into it.
pub(super) fn style(brand: &Brand) -> String {
    let mut rules = String::new();
    if let Some(accent) = brand.accent {
        let [light, dark] = [Theme::Light, Theme::Dark].map(|theme| accent.of(theme));
        let (on_light, on_dark) = (light.text(), dark.text());
        let _ = write!(
            rules,
            "--accent:light-dark({light},{dark});--on-accent:light-dark({on_light},{on_dark});\
             --soft:color-mix(in srgb,var(--accent) 35%,var(--paper));"
        );
    }
    if let Some(px) = brand.radius_px {
        let _ = write!(rules, "--radius:{px}px;");
    }
    if let Some(font) = &brand.font {
        let _ = write!(rules, "--font:{};", families(font));
    }
    if rules.is_empty() { rules } else { format!(":root{{{rules}}}\n") }
}

fn families(font: &FontStack) -> String {
    let quoted = |name: &str| match GENERIC.contains(&name) {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    };
    font.families().map(quoted).collect::<Vec<_>>().join(",")
}
