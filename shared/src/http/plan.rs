//! The request that opens an account or changes its plan.

use super::fields::{Fields, NAME_BYTES};
use super::request::Keyed;
use super::{Call, Problem};
use crate::decide::open::{PlanRequest, When};
use crate::domain::period::{Anchor, Day};
use crate::domain::plan_terms::MAX_SEATS;
use crate::domain::{AccountNames, Status, directory};

const BLANK: &str = "must not be blanks alone";

impl Call<'_> {
    /// The plan of an account, and what operators find it by. A request that only names the account
    /// needs no plan: one that was read before could undo a change that was made since.
    pub fn plan(&self, account: &str) -> Result<Keyed<(PlanRequest, AccountNames)>, Problem> {
        self.keyed(account, |fields| {
            let any = |fields: &Fields, names: &[&str]| names.iter().any(|name| fields.sent(name));
            let only_names = any(fields, &["name", "labels"])
                && !any(fields, &["status", "anchor", "seats", "restart", "at"]);
            let plan = fields.text("plan", NAME_BYTES);
            if plan.is_none() && !only_names {
                fields.missing("plan", "is required");
            }
            let status = fields.choice("status", &Status::ALL, Status::name);
            let day = "a day such as \"2026-01-31\"";
            let anchor = fields.parsed("anchor", day, |text| Day::parse(text).map(Anchor));
            let restart = fields.flag("restart").unwrap_or(false);
            let name = fields.text_or_none("name", directory::NAME_BYTES);
            let (most, longest) = (directory::MAX_LABELS, directory::LABEL_BYTES);
            let labels = fields.texts("labels", most, longest);
            // Nobody could see such a name, or find the account by it.
            let is_blank = |text: &String| !text.is_empty() && text.trim().is_empty();
            if name.as_ref().is_some_and(is_blank) {
                fields.wrong("name", BLANK);
            }
            for (place, _) in labels.iter().flatten().enumerate().filter(|(_, text)| is_blank(text))
            {
                fields.wrong(&format!("labels[{place}]"), BLANK);
            }
            let seats = fields.integer("seats", 1..=i64::from(MAX_SEATS));
            let seats = seats.and_then(|seats| u32::try_from(seats).ok());
            let when = fields.choice("at", &When::ALL, When::name).unwrap_or_default();
            let request = PlanRequest { plan, status, anchor, seats, restart, when };
            Some((request, AccountNames { name, labels }))
        })
    }
}
