//! Reads the deployed template, as far as the local stack follows it: tables, routes and roles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

use crate::schedule::Schedule;

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

/// A function's subscription to a table's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The table, by its name in the template.
    pub table: String,
    /// The binary that reads it: `relay`.
    pub function: String,
    /// The number of records in one batch.
    pub batch: usize,
    /// Patterns, one of which a record must match. None: all are sent.
    filters: Vec<Value>,
}

/// The template in the repository, as CloudFormation reads it for one stack: with service keys, and
/// with Stripe or without.
#[derive(Clone, Copy, Debug)]
pub struct Template(&'static Value);

/// Parsed once: it is 56 KB, and a test opens many stacks.
static PARSED: LazyLock<Value> = LazyLock::new(|| {
    serde_saphyr::from_str(include_str!("../../template.yaml")).expect("template.yaml is YAML")
});
static WITH_STRIPE: LazyLock<Value> = LazyLock::new(|| with_keys(HAS_STRIPE, true));
static WITHOUT_STRIPE: LazyLock<Value> = LazyLock::new(|| with_keys(HAS_STRIPE, false));

/// The template of a stack with service keys, where `condition` holds, or does not.
fn with_keys(condition: &str, holds: bool) -> Value {
    decided(&decided(&PARSED, HAS_SERVICE_KEYS, true), condition, holds)
}

/// The condition of what belongs to Stripe.
pub const HAS_STRIPE: &str = "HasStripe";
/// The condition of the door for service keys.
pub const HAS_SERVICE_KEYS: &str = "HasServiceKeys";
/// The value that CloudFormation leaves out.
const NO_VALUE: &str = "AWS::NoValue";

/// An action on a resource: `dynamodb:GetItem` on `Ledger`, both as the template names them.
pub type Permission = (String, String);

/// The permissions of each function, by the name of its binary.
pub type Permissions = BTreeMap<String, BTreeSet<Permission>>;

impl Template {
    /// The template of a stack with Stripe.
    ///
    /// # Panics
    /// If the template in the repository is not YAML: the program was built from it.
    pub fn load() -> Template {
        Template(&WITH_STRIPE)
    }

    /// The template of a stack that has Stripe if it `sells`.
    ///
    /// # Panics
    /// As [`Template::load`].
    pub fn of(sells: bool) -> Template {
        Template(if sells { &WITH_STRIPE } else { &WITHOUT_STRIPE })
    }

    /// The template as it is written, with its conditions: `!If [A, B, C]` is the list of the name
    /// `A`, `B` and `C`.
    ///
    /// # Panics
    /// As [`Template::load`].
    pub fn written() -> &'static Value {
        &PARSED
    }

    /// The whole template. A reference that CloudFormation fills in (`!Ref Accounts`) is its text:
    /// `Accounts`.
    pub fn value(&self) -> &Value {
        self.0
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

    pub fn mappings(&self) -> Vec<Mapping> {
        let mut mappings = Vec::new();
        for (_, resource) in self.of_type("AWS::Serverless::Function") {
            let events = resource["Properties"]["Events"].as_object();
            for event in events.into_iter().flat_map(|events| events.values()) {
                if event["Type"] != "DynamoDB" {
                    continue;
                }
                let properties = &event["Properties"];
                let stream = text(self.own(&properties["Stream"]));
                let count = |name: &str| properties[name].as_u64().expect("a count") as usize;
                let filters = properties["FilterCriteria"]["Filters"].as_array();
                let filters = filters.into_iter().flatten().map(|filter| {
                    serde_json::from_str(&text(&filter["Pattern"])).expect("a pattern is JSON")
                });
                mappings.push(Mapping {
                    table: stream.split('.').next().unwrap_or_default().to_owned(),
                    function: text(&resource["Metadata"]["BuildProperties"]["Binary"]),
                    batch: count("BatchSize"),
                    filters: filters.collect(),
                });
            }
        }
        mappings
    }

    /// The timed invocations.
    pub fn schedules(&self) -> Vec<Schedule> {
        let mut schedules = Vec::new();
        for (_, resource) in self.of_type("AWS::Serverless::Function") {
            let events = resource["Properties"]["Events"].as_object();
            for event in events.into_iter().flat_map(|events| events.values()) {
                if event["Type"] == "ScheduleV2" {
                    let function = text(&resource["Metadata"]["BuildProperties"]["Binary"]);
                    let properties = &event["Properties"];
                    let input = serde_json::from_str(&text(&properties["Input"]));
                    let input = input.expect("template.yaml: an input is JSON");
                    let expression = text(&properties["ScheduleExpression"]);
                    schedules.push(Schedule::new(function, &expression, input));
                }
            }
        }
        schedules
    }

    /// The binaries that read the queues, by the queues' names.
    pub fn readers(&self) -> BTreeMap<String, String> {
        let mut readers = BTreeMap::new();
        for (_, resource) in self.of_type("AWS::Serverless::Function") {
            let events = resource["Properties"]["Events"].as_object();
            for event in events.into_iter().flat_map(|events| events.values()) {
                if event["Type"] == "SQS" {
                    let queue = text(&event["Properties"]["Queue"]);
                    let queue = queue.split('.').next().unwrap_or_default().to_owned();
                    let function = text(&resource["Metadata"]["BuildProperties"]["Binary"]);
                    readers.insert(queue, function);
                }
            }
        }
        readers
    }

    /// How often a message of the queue may fail before it goes to the dead-letter queue.
    pub fn receives(&self) -> u64 {
        let mut queues = self.of_type("AWS::SQS::Queue");
        let receives = queues.find_map(|(_, queue)| {
            queue["Properties"]["RedrivePolicy"]["maxReceiveCount"].as_u64()
        });
        receives.expect("template.yaml: a queue has a redrive policy")
    }

    /// The permissions that each function's statements allow, by the name of its binary.
    ///
    /// # Panics
    /// If a statement does not allow actions on resources of this template.
    pub fn permissions(&self) -> Permissions {
        let mut permissions = Permissions::new();
        for (_, resource) in self.of_type("AWS::Serverless::Function") {
            let function = text(&resource["Metadata"]["BuildProperties"]["Binary"]);
            let allowed = permissions.entry(function).or_default();
            let policies = resource["Properties"]["Policies"].as_array().into_iter().flatten();
            let statements = policies.flat_map(|policy| list(&policy["Statement"]));
            for statement in statements {
                assert_eq!(statement["Effect"], "Allow", "template.yaml: {statement}");
                for on in list(&statement["Resource"]) {
                    // `Ledger` of `Ledger.Arn`; an ARN that is a parameter has the parameter's
                    // name.
                    let on = text(self.own(on)).split('.').next().unwrap_or_default().to_owned();
                    let actions = list(&statement["Action"]);
                    allowed.extend(actions.into_iter().map(|action| (text(action), on.clone())));
                }
            }
        }
        permissions
    }

    /// The default of a parameter.
    pub fn default_of(&self, parameter: &str) -> String {
        text(&self.0["Parameters"][parameter]["Default"])
    }

    /// What a value is in a stack that uses its own tables: `Ledger.Arn` for the name of the place
    /// that holds it, and for a choice between it and a restored table's.
    fn own<'a>(&'a self, value: &'a Value) -> &'a Value {
        let place = value.as_str().and_then(|name| name.strip_suffix(".Value"));
        let chosen =
            place.map_or(value, |place| &self.0["Resources"][place]["Properties"]["Value"]);
        match chosen.as_array().map(Vec::as_slice) {
            Some([Value::String(condition), _, own]) if condition.starts_with("Restores") => own,
            _ => chosen,
        }
    }

    fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let resources = self.0["Resources"].as_object();
        let resources = resources.expect("template.yaml has resources").iter();
        resources.filter(move |(_, resource)| resource["Type"] == kind)
    }
}

impl Mapping {
    /// Whether a record matches one of the filters.
    pub fn wants(&self, record: &Value) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| matches(filter, record))
    }
}

/// The part of Lambda's filter patterns that the template uses: strings, and strings by prefix.
fn matches(pattern: &Value, value: &Value) -> bool {
    match pattern {
        Value::Object(fields) => {
            fields.iter().all(|(name, pattern)| matches(pattern, &value[name]))
        }
        Value::Array(ways) => ways.iter().any(|way| match way.get("prefix") {
            Some(prefix) => {
                let prefix = prefix.as_str().expect("a prefix is a text");
                value.as_str().is_some_and(|text| text.starts_with(prefix))
            }
            None => way == value,
        }),
        _ => panic!("template.yaml: not a pattern: {pattern}"),
    }
}

impl Route {
    /// Whether this route answers a request for `path`.
    pub fn matches(&self, method: &str, path: &str) -> bool {
        let (mine, other) = (self.path.split('/'), path.split('/'));
        self.method == method
            && mine.clone().count() == other.clone().count()
            && mine.zip(other).all(|(part, sent)| part.starts_with('{') || part == sent)
    }
}

/// `template` where `condition` holds, or does not: without the resources, outputs and values that
/// CloudFormation leaves out then.
pub fn decided(template: &Value, condition: &str, holds: bool) -> Value {
    decide(template, condition, holds).unwrap_or_default()
}

/// None: the value is left out.
fn decide(value: &Value, condition: &str, holds: bool) -> Option<Value> {
    match value {
        Value::Array(items) => match &items[..] {
            [Value::String(asked), yes, no] if asked == condition => {
                let value = if holds { yes } else { no };
                if value == NO_VALUE { None } else { decide(value, condition, holds) }
            }
            items => Some(items.iter().filter_map(|item| decide(item, condition, holds)).collect()),
        },
        Value::Object(fields) if !holds && fields.get("Condition") == Some(&condition.into()) => {
            None
        }
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), decide(value, condition, holds)?)));
            Some(Value::Object(kept.collect()))
        }
        other => Some(other.clone()),
    }
}

/// The list of a value that may be a single item or a list.
fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |list| list.iter().collect())
}

fn text(value: &Value) -> String {
    value.as_str().expect("template.yaml: a name is a text").to_owned()
}
