//! Reads the brand in a catalog's file.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::naming::one_text;
use super::values::wrong;
use crate::domain::brand::{Accent, Brand, HttpsUrl, Logo, MAX_LOGO_BYTES, MAX_RADIUS_PX};
use crate::domain::catalog::CatalogError;

/// The longest name of a product, in characters.
const NAME_CHARS: usize = 60;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct BrandFile {
    name: Option<String>,
    logo: Option<String>,
    accent: Option<AccentFile>,
    radius: Option<i64>,
    font: Option<String>,
    support_url: Option<String>,
    terms_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "must be { light = \"#…\", dark = \"#…\" }")]
struct AccentFile {
    light: String,
    dark: String,
}

impl BrandFile {
    pub(super) fn check(self) -> Result<Brand, CatalogError> {
        let url = |field, text: Option<String>| {
            text.map(|text| parsed::<HttpsUrl>(field, &text)).transpose()
        };
        let name = self.name.map(|name| one_text(key("name"), name, NAME_CHARS));
        let accent = self.accent.map(|accent| {
            let light = parsed("accent.light", &accent.light)?;
            Ok(Accent { light, dark: parsed("accent.dark", &accent.dark)? })
        });
        let radius_px = self.radius.map(|radius| {
            let px = u8::try_from(radius).ok().filter(|px| *px <= MAX_RADIUS_PX);
            let problem = format!("must be pixels from 0 to {MAX_RADIUS_PX}");
            px.ok_or_else(|| wrong(key("radius"), problem))
        });
        Ok(Brand {
            name: name.transpose()?,
            logo: self.logo.map(logo).transpose()?,
            accent: accent.transpose()?,
            radius_px: radius_px.transpose()?,
            font: self.font.map(|font| parsed("font", &font)).transpose()?,
            support_url: url("support_url", self.support_url)?,
            terms_url: url("terms_url", self.terms_url)?,
        })
    }
}

fn key(field: &str) -> String {
    format!("brand.{field}")
}

fn parsed<T: FromStr<Err: fmt::Display>>(field: &str, text: &str) -> Result<T, CatalogError> {
    text.parse().map_err(|e: T::Err| wrong(key(field), e.to_string()))
}

fn logo(text: String) -> Result<Logo, CatalogError> {
    if text.starts_with("https://") {
        return Ok(Logo::Url(parsed("logo", &text)?));
    }
    let svg = text.trim();
    let bytes = svg.len();
    if !svg.starts_with("<svg") {
        let problem = "must be an SVG that begins with <svg, or an https:// address of a picture";
        return Err(wrong(key("logo"), problem));
    }
    if bytes > MAX_LOGO_BYTES {
        let problem = format!("must be at most {MAX_LOGO_BYTES} bytes, not {bytes}");
        return Err(wrong(key("logo"), problem));
    }
    if !svg.contains("http://www.w3.org/2000/svg") {
        let problem = "must name xmlns=\"http://www.w3.org/2000/svg\": no browser shows it without";
        return Err(wrong(key("logo"), problem));
    }
    Ok(Logo::Svg(svg.to_owned()))
}
