//! Answers in XML: lists of records, and errors.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};
use serde_json::Value;

/// The texts of an element's children, by their names. Lists are not among them.
pub type Record = BTreeMap<String, String>;

/// The elements `member` of every list with this name, wherever it is.
///
/// # Errors
/// If the text is not XML.
pub fn list(text: &str, name: &str) -> Result<Vec<Record>, roxmltree::Error> {
    let document = Document::parse(text)?;
    let lists = document.descendants().filter(|node| node.tag_name().name() == name);
    let members = lists.flat_map(|list| list.children()).filter(Node::is_element);
    Ok(members.map(record).collect())
}

/// The first element with this name that has a text.
///
/// # Errors
/// If the text is not XML.
pub fn text(text: &str, name: &str) -> Result<Option<String>, roxmltree::Error> {
    let document = Document::parse(text)?;
    let mut named = document.descendants().filter(|node| node.tag_name().name() == name);
    Ok(named.find_map(|node| node.text().map(|text| text.trim().to_owned())))
}

fn record(member: Node<'_, '_>) -> Record {
    // A list of plain values has no fields: its value is under the empty name.
    let own = member.text().filter(|_| !member.children().any(|child| child.is_element()));
    let own = own.map(|text| (String::new(), text.to_owned()));
    let fields = member.children().filter(Node::is_element);
    let texts = fields.filter(|field| !field.children().any(|child| child.is_element()));
    let texts = texts.map(|field| {
        let text = field.text().unwrap_or_default().to_owned();
        (field.tag_name().name().to_owned(), text)
    });
    texts.chain(own).collect()
}

/// The code and the message of an error: of the Query protocol in XML, of the others in JSON, whose
/// code is in a header too.
pub(super) fn problem(header: Option<&str>, body: &str) -> Option<(String, String)> {
    // "ResourceNotFoundException:http://..." and "com.amazonaws.sqs#QueueDoesNotExist".
    let short = |code: &str| {
        let code = code.split(':').next().unwrap_or_default();
        code.rsplit('#').next().unwrap_or_default().to_owned()
    };
    if let Ok(json) = serde_json::from_str::<Value>(body) {
        let code = header.or(json["__type"].as_str()).map(short)?;
        let message = json["message"].as_str().or(json["Message"].as_str()).unwrap_or_default();
        return Some((code, message.to_owned()));
    }
    let code = text(body, "Code").ok().flatten()?;
    let message = text(body, "Message").ok().flatten().unwrap_or_default();
    Some((code, message))
}
