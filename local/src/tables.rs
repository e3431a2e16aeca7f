//! Creates the template's tables where they are missing.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use serde_json::Value;
use shared::store::Tables;

use crate::template::{Table, Template};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The local stack's names of the tables.
pub fn names() -> Tables {
    Tables { accounts: "scrip-accounts".to_owned(), ledger: "scrip-ledger".to_owned() }
}

/// The local stack's name of a table of the template.
pub fn name<'a>(table: &str, names: &'a Tables) -> Option<&'a str> {
    match table {
        "Accounts" => Some(&names.accounts),
        "Ledger" => Some(&names.ledger),
        _ => None,
    }
}

/// Creates each table of the template that does not exist yet.
///
/// # Errors
/// If the endpoint cannot be reached or refuses.
pub async fn create(client: &Client, names: &Tables) -> Result<(), Error> {
    for table in Template::load().tables() {
        let name = name(&table.name, names)
            .ok_or_else(|| format!("the local stack has no name for table {}", table.name))?;
        create_table(client, name, &table).await?;
    }
    Ok(())
}

async fn create_table(client: &Client, name: &str, table: &Table) -> Result<(), Error> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |field: &str| table.properties[field].as_array().cloned().unwrap_or_default();
    let mut request =
        client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for attribute in list("AttributeDefinitions") {
        let kind = ScalarAttributeType::from(text(&attribute["AttributeType"]).as_str());
        let name = text(&attribute["AttributeName"]);
        let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
        request = request.attribute_definitions(definition.build()?);
    }
    for key in list("KeySchema") {
        let kind = KeyType::from(text(&key["KeyType"]).as_str());
        let name = text(&key["AttributeName"]);
        let element = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        request = request.key_schema(element.build()?);
    }
    // Without streams: `streams` makes them, cheaper than the embedded database would.
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
        Err(error) => Err(error.into()),
    }
}
