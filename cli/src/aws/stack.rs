//! A deployed stack, as CloudFormation describes it.

use std::collections::BTreeMap;

use super::xml::{self, Record};
use super::{Aws, AwsError, Service};

/// The most pages of resources that are read: a template has at most 500 resources, 100 on a page.
const PAGES: usize = 10;

/// A stack's outputs, parameters and resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployed {
    pub name: String,
    /// `CREATE_COMPLETE`, `UPDATE_ROLLBACK_COMPLETE`, ...
    pub status: String,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
    /// Type and physical id, by the name in the template.
    resources: BTreeMap<String, (String, String)>,
}

impl Deployed {
    /// The stack with this name.
    ///
    /// # Errors
    /// [`AwsError::NoStack`], or another [`AwsError`].
    pub async fn read(aws: &Aws, name: &str) -> Result<Deployed, AwsError> {
        let mut stack = Deployed::described(aws, name).await?;
        stack.resources = resources(aws, name).await?;
        Ok(stack)
    }

    /// The stack with this name, without its resources. That needs a permission less.
    ///
    /// # Errors
    /// As [`Deployed::read`].
    pub async fn described(aws: &Aws, name: &str) -> Result<Deployed, AwsError> {
        let service = Service::CloudFormation;
        let named = ("StackName".to_owned(), name.to_owned());
        let action = "DescribeStacks";
        let described = aws.query(service, action, std::slice::from_ref(&named)).await;
        let described = described.map_err(|error| match error {
            AwsError::Refused { code, message, .. }
                if code == "ValidationError" && message.contains("does not exist") =>
            {
                AwsError::NoStack { stack: name.to_owned(), region: aws.region.clone() }
            }
            error => error,
        })?;
        let unreadable = |error: roxmltree::Error| super::unreadable(service, action, error);
        let list = |list: &str| xml::list(&described, list).map_err(unreadable);
        let status = xml::text(&described, "StackStatus").map_err(unreadable)?;
        Ok(Deployed {
            name: name.to_owned(),
            status: status.unwrap_or_default(),
            outputs: pairs(list("Outputs")?, "OutputKey", "OutputValue"),
            parameters: pairs(list("Parameters")?, "ParameterKey", "ParameterValue"),
            resources: BTreeMap::new(),
        })
    }

    /// An output.
    ///
    /// # Errors
    /// [`AwsError::NotOfScrip`] if the stack has none of this name.
    pub fn output(&self, name: &str) -> Result<String, AwsError> {
        let output = self.outputs.get(name).filter(|value| !value.is_empty()).cloned();
        output.ok_or_else(|| self.without(format!("output {name}")))
    }

    /// A parameter. None: the stack has none of this name, or it is empty.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// The physical id of a resource: a function's name, a queue's address.
    ///
    /// # Errors
    /// [`AwsError::NotOfScrip`] if the stack has none of this name.
    pub fn resource(&self, name: &str) -> Result<String, AwsError> {
        let resource = self.resources.get(name).map(|(_, id)| id.clone());
        resource.ok_or_else(|| self.without(format!("resource {name}")))
    }

    /// The resources of a type: their names in the template, and their physical ids.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = (&str, &str)> {
        let all = self.resources.iter().filter(move |(_, (is, _))| is == kind);
        all.map(|(name, (_, id))| (name.as_str(), id.as_str()))
    }

    fn without(&self, part: String) -> AwsError {
        AwsError::NotOfScrip { stack: self.name.clone(), part }
    }
}

/// Type and physical id of each resource, by its name in the template.
async fn resources(aws: &Aws, name: &str) -> Result<BTreeMap<String, (String, String)>, AwsError> {
    let (service, action) = (Service::CloudFormation, "ListStackResources");
    let named = ("StackName".to_owned(), name.to_owned());
    let mut resources = BTreeMap::new();
    let mut next: Option<String> = None;
    for _ in 0..PAGES {
        let token = next.take().map(|token| ("NextToken".to_owned(), token));
        let parameters: Vec<_> = [named.clone()].into_iter().chain(token).collect();
        let page = aws.query(service, action, &parameters).await?;
        let unreadable = |error| super::unreadable(service, action, error);
        for mut record in xml::list(&page, "StackResourceSummaries").map_err(unreadable)? {
            let mut take = |name: &str| record.remove(name).unwrap_or_default();
            let (kind, id) = (take("ResourceType"), take("PhysicalResourceId"));
            resources.insert(take("LogicalResourceId"), (kind, id));
        }
        next = xml::text(&page, "NextToken").map_err(unreadable)?;
        if next.is_none() {
            break;
        }
    }
    Ok(resources)
}

/// Records of a key and a value each.
fn pairs(records: Vec<Record>, key: &str, value: &str) -> BTreeMap<String, String> {
    let pair = |mut record: Record| {
        let value = record.remove(value).unwrap_or_default();
        record.remove(key).map(|key| (key, value))
    };
    records.into_iter().filter_map(pair).collect()
}
