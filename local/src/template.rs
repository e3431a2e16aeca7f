//! The deployed template, as far as the local stack follows it: tables and routes.

use serde_json::Value;

/// A table that the template declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the template: `Accounts`.
    pub name: String,
    /// Its properties, in the form of a CreateTable request.
    pub properties: Value,
}

/// A route that the template declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub method: String,
    /// With `{parameters}`.
    pub path: String,
    /// The binary that answers: `debit`.
    pub function: String,
}

/// The template in the repository, parsed.
#[derive(Clone, Debug)]
pub struct Template(Value);

impl Template {
    /// # Panics
    /// If the template in the repository is not YAML: the program was built from it.
    pub fn load() -> Template {
        let text = include_str!("../../template.yaml");
        Template(serde_saphyr::from_str(text).expect("template.yaml is YAML"))
    }

    pub fn tables(&self) -> Vec<Table> {
        let tables = self.of_type("AWS::DynamoDB::Table");
        tables
            .map(|(name, resource)| Table {
                name: name.clone(),
                properties: resource["Properties"].clone(),
            })
            .collect()
    }

    pub fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        for (_, resource) in self.of_type("AWS::Serverless::Function") {
            let function = text(&resource["Metadata"]["BuildProperties"]["Binary"]);
            let events = resource["Properties"]["Events"].as_object();
            for event in events.into_iter().flat_map(|events| events.values()) {
                if event["Type"] == "HttpApi" {
                    routes.push(Route {
                        method: text(&event["Properties"]["Method"]),
                        path: text(&event["Properties"]["Path"]),
                        function: function.clone(),
                    });
                }
            }
        }
        routes
    }

    fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let resources = self.0["Resources"].as_object();
        let resources = resources.expect("template.yaml has resources").iter();
        resources.filter(move |(_, resource)| resource["Type"] == kind)
    }
}

impl Route {
    /// Whether a request for `path` comes here.
    pub fn matches(&self, method: &str, path: &str) -> bool {
        let (mine, other) = (self.path.split('/'), path.split('/'));
        self.method == method
            && mine.clone().count() == other.clone().count()
            && mine.zip(other).all(|(part, sent)| part.starts_with('{') || part == sent)
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("template.yaml: a name is a text").to_owned()
}
