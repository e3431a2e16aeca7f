//! The request that opens an account or changes its plan.

use super::fields::NAME_BYTES;
use super::request::Keyed;
use super::{Call, Problem};
use crate::decide::open::PlanRequest;
use crate::domain::period::{Anchor, Day};
use crate::domain::{AccountNames, Status, directory};

impl Call<'_> {
    /// The plan of an account, and what operators find it by.
    pub fn plan(&self, account: &str) -> Result<Keyed<(PlanRequest, AccountNames)>, Problem> {
        self.keyed(account, |fields| {
            let plan = fields.text("plan", NAME_BYTES);
            let plan = fields.required("plan", plan);
            let status = fields.choice("status", &Status::ALL, Status::name);
            let day = "a day such as \"2026-01-31\"";
            let anchor = fields.parsed("anchor", day, |text| Day::parse(text).map(Anchor));
            let restart = fields.flag("restart").unwrap_or(false);
            let name = fields.text_or_none("name", directory::NAME_BYTES);
            let (most, longest) = (directory::MAX_LABELS, directory::LABEL_BYTES);
            let labels = fields.texts("labels", most, longest);
            let request = PlanRequest { plan: plan?, status, anchor, restart };
            Some((request, AccountNames { name, labels }))
        })
    }
}
