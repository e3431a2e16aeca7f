//! Checks of callers: which policy allows which route, as IAM matches them, and the roles for other
//! AWS accounts.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Value, json};
use shared::http::routes::{INVOCATION, ROUTES, is_signed};

use super::reading::{Complaints, list, of_type};

/// The document with the table of who may do what.
const TABLE: &str = include_str!("../../../../docs/operating/roles.md");

/// The stack's own API, as the policies name it.
pub(super) const API: &str =
    "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/$default/";

/// The action that reads the address of the API.
const DESCRIPTION: &str = "cloudformation:DescribeStacks";

/// The command of service keys, which speaks to the table and the secret.
const KEYS: &str = "scrip keys";

/// What that command needs, and nothing else: of the table, the rows of service keys.
fn needed_for_keys() -> [Value; 2] {
    let rows = json!({ "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["#keys"] } });
    [
        json!({
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "ServiceSecret",
        }),
        json!({
            "Effect": "Allow",
            "Action": ["dynamodb:PutItem", "dynamodb:Query"],
            "Resource": "LedgerTableArn.Value",
            "Condition": rows,
        }),
    ]
}

/// The stack itself, as the policies name it.
pub(super) const OWN_STACK: &str = concat!(
    "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:",
    "stack/${AWS::StackName}/*",
);

/// Ids that a caller can choose so that a path looks like another route's. The gateway decodes
/// slashes in ids before IAM sees the path.
const HOSTILE: [&str; 14] = [
    "*",
    "batch",
    "debits",
    "debits/batch",
    "x/debits",
    "x/debits/y/refund",
    "x/grants",
    "x/grants/y/revoke",
    "x/holds/y/release",
    "x/sessions",
    "../payments/x",
    "payments/x/release",
    "balance",
    "a/b/c",
];

/// What a policy allows.
struct Policy {
    name: String,
    /// Patterns of requests, such as `POST/v1/accounts/*/debits`.
    routes: Vec<Regex>,
    /// Whether it allows invoking `debit`.
    invokes: bool,
    /// Whether it allows reading the address of the API, for `scrip --stack`.
    describes: bool,
    /// How much it allows of what `scrip keys` needs.
    keys: usize,
}

impl Policy {
    fn allows(&self, method: &str, path: &str) -> bool {
        let asked = format!("{method}{path}");
        self.routes.iter().any(|route| route.is_match(&asked))
    }
}

fn policies(template: &Value, complaints: &mut Complaints) -> Vec<Policy> {
    let mut read = Vec::new();
    for (name, policy) in of_type(template, "AWS::IAM::ManagedPolicy") {
        let (invokes, describes) = (false, false);
        let (routes, keys) = (Vec::new(), 0);
        let mut allowed = Policy { name: name.to_owned(), routes, invokes, describes, keys };
        let statements = policy["Properties"]["PolicyDocument"]["Statement"].as_array();
        for statement in statements.into_iter().flatten() {
            if needed_for_keys().contains(statement) {
                allowed.keys += 1;
                continue;
            }
            for resource in list(&statement["Resource"]) {
                match (statement["Action"].as_str(), resource.strip_prefix(API)) {
                    (Some("execute-api:Invoke"), Some(route)) => {
                        allowed.routes.push(as_iam_matches(route));
                    }
                    (Some("lambda:InvokeFunction"), None) if resource == "Debit.Alias" => {
                        allowed.invokes = true;
                    }
                    (Some(DESCRIPTION), None) if resource == OWN_STACK => {
                        allowed.describes = true;
                    }
                    _ => complaints.push(format!("{name} allows {statement}")),
                }
            }
        }
        read.push(allowed);
    }
    read
}

/// The pattern of a resource: a star is any text, slashes too, and a question mark any character.
fn as_iam_matches(resource: &str) -> Regex {
    let pattern = regex::escape(resource).replace(r"\*", ".*").replace(r"\?", ".");
    Regex::new(&format!("(?s)^{pattern}$")).expect("a pattern")
}

/// The signed routes: each method of each path.
fn signed() -> Vec<(&'static str, &'static str)> {
    let signed = ROUTES.into_iter().filter(|(path, _)| {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        is_signed(&parts)
    });
    signed
        .flat_map(|(path, methods)| methods.split(", ").map(move |method| (method, path)))
        .collect()
}

/// The document's table has a row for each signed route, with the policies that allow it.
pub(super) fn callers_are_told_apart(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let policies = policies(template, &mut complaints);
    let row = |of: &str, allows: &dyn Fn(&Policy) -> bool| {
        let cells = policies.iter().map(|policy| if allows(policy) { " yes |" } else { " |" });
        format!("| `{of}` |{}", cells.collect::<String>())
    };
    let names = policies.iter().map(|policy| format!(" `{}` |", policy.name));
    let mut rows = vec![format!("| |{}", names.collect::<String>())];
    rows.push(format!("|---|{}", "---|".repeat(policies.len())));
    rows.push(row(INVOCATION, &|policy| policy.invokes));
    rows.push(row(DESCRIPTION, &|policy| policy.describes));
    let needed = needed_for_keys().len();
    rows.push(row(KEYS, &|policy| policy.describes && policy.keys == needed));
    for (method, path) in signed() {
        let plain = path.replace("{account}", "acme").replace("{id}", "an-id");
        let plain = plain.replace("{subject}", "user:ada");
        rows.push(row(&format!("{method} {path}"), &|policy| policy.allows(method, &plain)));
        if !policies.iter().any(|policy| policy.allows(method, &plain)) {
            complaints.push(format!("{method} {path} is allowed to nobody"));
        }
    }
    let table: Vec<&str> = TABLE
        .lines()
        .skip_while(|line| !line.starts_with("| | `"))
        .take_while(|l| l.starts_with('|'))
        .collect();
    if table != rows {
        let differ = rows.iter().filter(|row| !table.contains(&row.as_str()));
        complaints.extend(differ.map(|row| format!("not in docs/operating/roles.md: {row}")));
        complaints.push(format!("the whole table:\n{}", rows.join("\n")));
    }
    complaints
}

/// No id makes a route look like another one to IAM: a policy allows a route for each id, or for
/// none.
pub(super) fn no_id_opens_another_route(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let policies = policies(template, &mut complaints);
    for (method, path) in signed() {
        let plain = path.replace("{account}", "acme").replace("{id}", "an-id");
        let plain = plain.replace("{subject}", "user:ada");
        for policy in &policies {
            let allows = policy.allows(method, &plain);
            for (account, id) in HOSTILE.iter().flat_map(|a| HOSTILE.map(|id| (a, id))) {
                let asked = path.replace("{account}", account).replace("{id}", id);
                let asked = asked.replace("{subject}", id);
                if policy.allows(method, &asked) != allows {
                    complaints.push(format!(
                        "{}: {method} {path} as {asked} is {}",
                        policy.name,
                        if allows { "denied" } else { "allowed" }
                    ));
                }
            }
        }
    }
    complaints
}

/// Each policy has a name of the stack and the region, by which IAM Identity Center refers to it,
/// and is an output.
pub(super) fn policies_have_names(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    for (name, policy) in of_type(template, "AWS::IAM::ManagedPolicy") {
        let named = format!("${{AWS::StackName}}-${{AWS::Region}}-{name}");
        if policy["Properties"]["ManagedPolicyName"] != named {
            complaints.push(format!("{name} is not named {named}"));
        }
        if template["Outputs"][name]["Value"] != name {
            complaints.push(format!("{name} is no output"));
        }
    }
    complaints
}

/// Each policy has a role that the accounts of the parameter may assume, nobody else, and that
/// allows nothing more. Without such accounts there is no role.
pub(super) fn roles_trust_the_accounts_of_the_parameter(template: &Value) -> Complaints {
    let mut complaints = Complaints::new();
    let mut without: BTreeMap<&str, &Value> =
        of_type(template, "AWS::IAM::ManagedPolicy").into_iter().collect();
    // Who makes keys is of the stack's own account.
    without.remove("KeyAccess");
    for (name, role) in of_type(template, "AWS::IAM::Role") {
        let properties = &role["Properties"];
        let trusted = json!([{
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": { "AWS": [",", "TrustedAccounts"] },
        }]);
        if properties["AssumeRolePolicyDocument"]["Statement"] != trusted {
            complaints.push(format!("{name}: others may assume it"));
        }
        if role["Condition"] != "HasTrustedAccounts"
            || template["Outputs"][name]["Condition"] != "HasTrustedAccounts"
        {
            complaints.push(format!("{name} is there for nobody"));
        }
        let policies = list(&properties["ManagedPolicyArns"]);
        match &policies[..] {
            [policy] if without.remove(policy).is_some() => {}
            _ => complaints.push(format!("{name} has the policies {policies:?}")),
        }
        if properties.get("Policies").is_some() {
            complaints.push(format!("{name} allows more than its policy"));
        }
    }
    let pattern = template["Parameters"]["TrustedAccounts"]["AllowedPattern"].as_str();
    if pattern != Some("([0-9]{12}(,[0-9]{12})*)?") {
        complaints.push("TrustedAccounts takes more than ids of accounts".to_owned());
    }
    complaints.extend(without.keys().map(|name| format!("{name} has no role")));
    complaints
}

/// A policy's name has at most 128 characters, and those of regions have had at most 14 so far.
#[test]
fn a_policys_name_leaves_room_for_the_stacks_and_two_more() {
    let longest = "-ap-southeast-1-OperatorAccess".len();
    assert_eq!(128 - longest - 2, 96);
    assert!(TABLE.contains("the stack's name has at most 96 characters"));
}
