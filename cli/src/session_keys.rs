//! `session-keys`: replaces the key that seals customers' sessions, in the stack's secret.
//!
//! A key that was replaced stays for as long as a session lives, so that no customer is sent away.

use serde_json::{Value, json};
use shared::clock::{Clock, Entropy};
use shared::domain::Instant;
use shared::domain::instant::Span;
use shared::secrets::FRESH;
use shared::session::LONGEST;
use shared::token::Keys;

use crate::aws::{Aws, Deployed, Service};
use crate::exit::WrongUse;
use crate::options::SessionKeysCommand;
use crate::terminal::{agrees, is_attended};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The characters of a key: each has 6 bits.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// The length of a key in characters.
const KEY_LENGTH: usize = 64;
/// How long the old key is kept: a function may seal with it for as long as it has not read the
/// secret again, and such a session lives its whole life.
const KEPT: Span = Span::from_ms(LONGEST.ms() + FRESH.ms());

/// The secret, as it was read.
struct Stored {
    arn: String,
    keys: Value,
    /// When it was written.
    at: Instant,
}

/// Runs one of the commands on the stack that the options name.
///
/// # Errors
/// If the secret cannot be read or written, the last rotation is too recent, or the person says no.
pub async fn run(
    local: Option<String>,
    stack: Option<String>,
    region: Option<String>,
    command: SessionKeysCommand,
) -> Result<(), Error> {
    let name = match (local, stack) {
        (Some(_), _) => {
            let why = "a local stack makes new session keys each time it starts: start it again, \
                       and every session ends";
            return Err(WrongUse(why.to_owned()).into());
        }
        (None, None) => {
            let why =
                "no stack is named: the keys are in the secret of a deployed one, --stack NAME";
            return Err(WrongUse(why.to_owned()).into());
        }
        (None, Some(name)) => name,
    };
    let aws = Aws::load(region).await?;
    let arn = Deployed::read(&aws, &name).await?.resource("SessionKeys")?;
    let (stored, now) = (read(&aws, arn).await?, Clock::system().now());
    match command {
        SessionKeysCommand::Rotate { leaked, yes } => {
            let keys = rotated(&stored, leaked, now)?;
            if !yes {
                confirm(&name, leaked)?;
            }
            write(&aws, &stored, &keys).await?;
            let id = keys["id"].as_str().unwrap_or_default();
            match leaked {
                true => println!("new sessions use key {id}; within five minutes every other ends"),
                false => println!(
                    "new sessions use key {id}; after {}, run `scrip --stack {name} session-keys \
                     finish`",
                    now + KEPT
                ),
            }
        }
        SessionKeysCommand::Finish => {
            let keys = finished(&stored, now)?;
            write(&aws, &stored, &keys).await?;
            println!("key {} is the only one", keys["id"].as_str().unwrap_or_default());
        }
    }
    Ok(())
}

fn confirm(name: &str, leaked: bool) -> Result<(), Error> {
    let effect = match leaked {
        true => "every customer's session ends",
        false => "sessions go on",
    };
    if !is_attended() {
        let why = "nobody is at a terminal to confirm: say --yes to rotate the keys";
        return Err(WrongUse(why.to_owned()).into());
    }
    match agrees(&format!("rotate the session keys of {name}: {effect}? [y/N] ")) {
        true => Ok(()),
        false => Err("nothing was changed".into()),
    }
}

/// The keys with a new one, and the old one beside it.
fn rotated(stored: &Stored, leaked: bool, now: Instant) -> Result<Value, Error> {
    let (keys, is_open) = (&stored.keys, now < stored.at + KEPT);
    if keys["previous"].is_object() && is_open && !leaked {
        // There is room for one old key: the one before it still has sessions.
        let until = stored.at + KEPT;
        return Err(format!(
            "the keys were rotated at {}, and sessions of the key before live until {until}: wait, \
             or, if a key has leaked, say --leaked",
            stored.at
        )
        .into());
    }
    let old = keys["id"].as_str().unwrap_or_default();
    let entropy = Entropy::system();
    let letter = |_| char::from(ALPHABET[usize::try_from(entropy.below(64)).unwrap_or_default()]);
    let key: String = (0..KEY_LENGTH).map(letter).collect();
    // An id of its own, also where somebody wrote another kind of id by hand.
    let id = old.parse::<u32>().ok().and_then(|number| number.checked_add(1));
    let id = id.map_or_else(|| entropy.mint(now).to_string(), |number| number.to_string());
    let mut new = json!({ "id": id, "key": key });
    if !leaked {
        new["previous"] = json!({ "id": old, "key": keys["key"] });
    }
    Ok(new)
}

/// The keys without the old one.
fn finished(stored: &Stored, now: Instant) -> Result<Value, Error> {
    if !stored.keys["previous"].is_object() {
        return Err("there is no old key".into());
    }
    let until = stored.at + KEPT;
    match now < until {
        true => Err(format!("sessions of the old key live until {until}: wait").into()),
        false => Ok(json!({ "id": stored.keys["id"], "key": stored.keys["key"] })),
    }
}

async fn read(aws: &Aws, arn: String) -> Result<Stored, Error> {
    let body = json!({ "SecretId": arn });
    let secret = aws.json(Service::SecretsManager, "GetSecretValue", &body).await?;
    let text = secret["SecretString"].as_str().ok_or("the secret is not a text")?;
    // Keys that no function could read are not made previous ones.
    Keys::parse(text)?;
    let keys = serde_json::from_str(text)?;
    // Seconds since 1970 with a part of one, which does not matter here.
    let written = secret["CreatedDate"].to_string();
    let seconds = written.split('.').next().and_then(|seconds| seconds.parse().ok());
    let seconds: i64 = seconds.ok_or("the secret does not say when it was written")?;
    let at = Instant::EPOCH + Span::from_s(seconds);
    Ok(Stored { arn, keys, at })
}

async fn write(aws: &Aws, stored: &Stored, keys: &Value) -> Result<(), Error> {
    let text = keys.to_string();
    Keys::parse(&text)?;
    // Names this write: tried again, it makes no second version.
    let token = Entropy::system().mint(Clock::system().now()).to_string();
    let body = json!({ "SecretId": stored.arn, "SecretString": text, "ClientRequestToken": token });
    aws.json(Service::SecretsManager, "PutSecretValue", &body).await?;
    Ok(())
}
