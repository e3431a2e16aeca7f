//! Requests to revoke a grant.

use super::Problem;
use super::request::{Call, ID, Keyed, explanation};
use crate::decide::revoke::RevokeRequest;
use crate::domain::GrantId;

impl Call<'_> {
    pub fn revoke(&self, account: &str, grant: &str) -> Result<Keyed<RevokeRequest>, Problem> {
        self.keyed(account, |fields| {
            let grant = fields.checked(ID, grant.parse::<GrantId>());
            let explanation = explanation(fields);
            Some(RevokeRequest { grant: grant?, explanation: explanation? })
        })
    }
}
