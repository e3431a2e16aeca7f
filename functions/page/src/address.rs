//! Addresses of the page: each view of it is its parameters, and a link changes some of them.

/// Parameters of one view alone: a payment that was just made, and a link that was redeemed.
const OF_ONE_VIEW: [&str; 4] = ["checkout", "canceled", "session", "t"];

/// The parameters of the present view that stay in the next one, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address(Vec<(String, String)>);

impl Address {
    /// The address of a query. Of a parameter that is sent twice the first counts.
    pub fn new(query: impl IntoIterator<Item = (String, String)>) -> Address {
        let mut address = Address::default();
        for (name, value) in query {
            let is_new = address.0.iter().all(|(known, _)| *known != name);
            if is_new && !value.is_empty() && !OF_ONE_VIEW.contains(&name.as_str()) {
                address.0.push((name, value));
            }
        }
        address
    }

    /// The value of a parameter; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The address with these parameters set. An empty value removes its parameter.
    pub fn with(&self, changes: &[(&str, &str)]) -> Address {
        let names: Vec<&str> = changes.iter().map(|(name, _)| *name).collect();
        let mut changed = Address(self.without(&names));
        let set = changes.iter().filter(|(_, value)| !value.is_empty());
        changed.0.extend(set.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        changed
    }

    /// The parameters but for these: the hidden fields of a form that has fields for them.
    pub fn without(&self, names: &[&str]) -> Vec<(String, String)> {
        self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
    }

    /// The address as a link to a section of the page.
    pub fn link(&self, section: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.0);
        let query = query.finish();
        let question = if query.is_empty() { "" } else { "?" };
        format!("/{question}{query}#{section}")
    }
}
