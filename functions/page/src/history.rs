//! What of the ledger the page shows: a group, what a search finds, or what a form keeps.

use serde_json::{Value, json};
use shared::domain::entry::EntryGroup;
use shared::domain::period::Day;
use shared::session::Session;

use super::address::Address;

/// The parameters of the page that choose entries. `from` and `to` are days in UTC, as the browser
/// sends them: `2026-11-18`. Both days are shown.
const FIELDS: [&str; 6] = ["group", "reference", "kind", "action", "from", "to"];

/// The history that an address of the page asks for.
pub(super) struct History<'a> {
    address: &'a Address,
}

impl History<'_> {
    pub(super) fn new(address: &Address) -> History<'_> {
        History { address }
    }

    /// The same as parameters of the ledger's route.
    pub(super) fn listing(&self) -> Vec<(String, String)> {
        // Text that is no day stays as it is, and the route refuses it. The last day is included.
        let day = |day: &str, days| match Day::parse(day) {
            Some(day) => day.plus(days).start().to_string(),
            None => day.to_owned(),
        };
        let listing = FIELDS.into_iter().chain(["cursor"]).map(|name| {
            let value = self.address.get(name).trim();
            let value = match name {
                "from" => day(value, 0),
                "to" => day(value, 1),
                _ => value.to_owned(),
            };
            (name.to_owned(), value)
        });
        listing.filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The fields of its forms, its groups as links, and what its forms keep of other sections.
    pub(super) fn shown(&self) -> Value {
        let mut shown: Value =
            FIELDS.into_iter().map(|name| (name, json!(self.address.get(name)))).collect();
        let is_set = |names: &[&str]| names.iter().any(|name| !self.address.get(name).is_empty());
        shown["set"] = json!(is_set(&FIELDS));
        // The form behind the links is open while one of its fields is set.
        shown["detailed"] = json!(is_set(&["kind", "action", "from", "to"]));
        let groups = EntryGroup::ALL.map(EntryGroup::name);
        let groups = [""].into_iter().chain(groups).map(|group| {
            let others = is_set(&["reference", "kind", "action"]);
            let on = self.address.get("group") == group && !others;
            json!({ "name": if group.is_empty() { "all" } else { group }, "on": on,
                "link": self.group(group) })
        });
        shown["groups"] = json!(groups.collect::<Vec<_>>());
        shown["keeps"] = json!(self.address.without(&[&FIELDS[..], &["cursor"]].concat()));
        shown["clear"] = json!(self.without_fields().link("ledger"));
        shown
    }

    /// The page from a cursor of the ledger on.
    pub(super) fn link(&self, cursor: Option<&str>) -> String {
        self.address.with(&[("cursor", cursor.unwrap_or_default())]).link("ledger")
    }

    /// The address of the CSV. A link has no headers, so its query names the session of the page.
    pub(super) fn csv(&self, session: &Session) -> String {
        let listing = self.listing().into_iter().filter(|(name, _)| name != "cursor");
        let mut query = form_urlencoded::Serializer::new("format=csv&limit=200".to_owned());
        query.extend_pairs(listing).append_pair("session", &session.id.to_string());
        format!("/v1/me/ledger?{}", query.finish())
    }

    /// The page with the entries of a group, of the same days; of all, if it is empty.
    fn group(&self, group: &str) -> String {
        let (from, to) = (self.address.get("from"), self.address.get("to"));
        let fields = [("group", group), ("from", from), ("to", to)];
        self.without_fields().with(&fields).link("ledger")
    }

    fn without_fields(&self) -> Address {
        let none = FIELDS.map(|name| (name, ""));
        self.address.with(&none).with(&[("cursor", "")])
    }
}
