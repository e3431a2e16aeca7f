//! What customers call things, in a language that they read.

use serde::Serialize;

use super::Call;
use crate::domain::Locales;
use crate::domain::catalog::Contact;
use crate::domain::words::{Naming, UnitWords};
use crate::session::Session;

#[derive(Serialize)]
pub(super) struct Named<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'a str>,
}

impl<'a> Named<'a> {
    pub(super) fn new(naming: &'a Naming, reader: &Locales) -> Named<'a> {
        let about = naming.about.as_ref().map(|about| about.get(reader));
        Named { name: naming.name.get(reader), about }
    }
}

#[derive(Serialize)]
pub(super) struct NamedUnits<'a> {
    one: &'a str,
    other: &'a str,
}

impl<'a> NamedUnits<'a> {
    pub(super) fn new(units: &'a UnitWords, reader: &Locales) -> NamedUnits<'a> {
        NamedUnits { one: units.one.get(reader), other: units.other.get(reader) }
    }
}

#[derive(Serialize)]
pub(super) struct NamedContact<'a> {
    label: &'a str,
    url: &'a str,
}

impl<'a> NamedContact<'a> {
    pub(super) fn new(contact: &'a Contact, reader: &Locales) -> NamedContact<'a> {
        NamedContact { label: contact.label.get(reader), url: contact.url.as_str() }
    }
}

impl Call<'_> {
    /// The languages of a customer: that of the session, or else those of the browser.
    pub fn reader(&self, session: &Session) -> Locales {
        let accepted = || self.header("accept-language").map(Locales::accepted);
        let known = session.locale.clone().map(Locales::from);
        known.or_else(accepted).unwrap_or_default()
    }
}
