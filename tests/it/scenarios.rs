//! Scenarios as data: each line is played against a model, the embedded table and HTTP, and all
//! three must answer as the line says.

use std::collections::BTreeMap;

use shared::command;
use shared::decide::debit::Charge;
use shared::decide::once::{Ask, Request};
use shared::decide::{AccountWrite, grant, open};
use shared::domain::period::week;
use shared::domain::{Credits, GrantKind, Instant, Key, Refusal};
use shared::failure::Failure;

use crate::support::{Stack, instant, request};

/// A line: what is done, and what the answer must be.
struct Line<'a> {
    text: &'a str,
    words: Vec<&'a str>,
    expected: Vec<&'a str>,
}

/// An answer in the words of a line: `available 70 same receipt` or `operation_reused`.
type Said = Vec<String>;

fn scenarios() -> Vec<(&'static str, Vec<Line<'static>>)> {
    let text = include_str!("../scenarios/debits.txt");
    let mut scenarios = Vec::new();
    for block in text.split("\n\n") {
        let mut lines = block.lines();
        let title = lines.next().expect("a title").trim_start_matches("# ");
        let lines = lines.map(|text| {
            let (does, says) = text.split_once('→').unwrap_or((text, ""));
            let words = does.split_whitespace().collect();
            Line { text, words, expected: says.split_whitespace().collect() }
        });
        scenarios.push((title, lines.collect()));
    }
    scenarios
}

fn operation(word: &str) -> &str {
    word.strip_prefix("operation=").expect("operation=...")
}

/// Whatever plays a line.
trait Player {
    async fn clock(&mut self, now: Instant);
    async fn play(&mut self, words: &[&str]) -> Said;
}

async fn play(player: &mut impl Player, name: &str) {
    for (title, lines) in scenarios() {
        // Accounts of one scenario are not those of the next.
        let prefix = title.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        player.clock(instant("2026-11-18T12:00:00Z")).await;
        for line in lines {
            let mut words = line.words.clone();
            if words[0] == "clock" {
                player.clock(instant(words[1])).await;
                continue;
            }
            let account = format!("{prefix}-{}", words[1]);
            words[1] = &account;
            let said = player.play(&words).await;
            assert_eq!(said, line.expected, "{name}: {title}: {}", line.text);
        }
    }
}

#[tokio::test]
async fn the_model_agrees_with_the_scenarios() {
    play(&mut Model::default(), "model").await;
}

#[tokio::test]
async fn the_embedded_table_agrees_with_the_scenarios() {
    play(&mut Table { stack: Stack::noon().await, grants: 0 }, "table").await;
}

#[tokio::test]
async fn http_agrees_with_the_scenarios() {
    play(&mut Http { stack: Stack::noon().await, grants: 0 }, "http").await;
}

// ---------------------------------------------------------------- the model

/// What an account is, in the fewest words: no table, no pages, no line.
#[derive(Default)]
struct Model {
    now: Instant,
    accounts: BTreeMap<String, Modeled>,
}

struct Modeled {
    ai: bool,
    bundle: i64,
    monday: Instant,
    rest: i64,
    done: BTreeMap<String, (i64, i64)>,
}

impl Player for Model {
    async fn clock(&mut self, now: Instant) {
        self.now = now;
    }

    async fn play(&mut self, words: &[&str]) -> Said {
        let now = self.now;
        if words[0] == "open" {
            let ai = words[2] == "free";
            let (bundle, monday) = (if ai { 25_000_000 } else { 0 }, week(now).end);
            let modeled = Modeled { ai, bundle, monday, rest: 0, done: BTreeMap::new() };
            self.accounts.insert(words[1].to_owned(), modeled);
            return available(Credits::from_micro(bundle));
        }
        let Some(account) = self.accounts.get_mut(words[1]) else {
            return vec!["account_not_found".to_owned()];
        };
        if account.ai && now >= account.monday {
            account.bundle = 25_000_000;
            account.monday = week(now).end;
        }
        let credits = words[2].parse::<Credits>().expect("credits").micro();
        let has = account.bundle + account.rest;
        if words[0] == "grant" {
            account.rest += credits;
            return available(Credits::from_micro(has + credits));
        }
        let id = operation(words[3]);
        if let Some((before, after)) = account.done.get(id) {
            return match *before == credits {
                true => same_receipt(Credits::from_micro(*after)),
                false => vec!["operation_reused".to_owned()],
            };
        }
        if !account.ai || has < credits {
            let code = if account.ai { "insufficient_credits" } else { "plan_required" };
            return refused(code, Credits::from_micro(has));
        }
        let of_bundle = credits.min(account.bundle);
        account.bundle -= of_bundle;
        account.rest -= credits - of_bundle;
        account.done.insert(id.to_owned(), (credits, has - credits));
        available(Credits::from_micro(has - credits))
    }
}

fn available(credits: Credits) -> Said {
    vec!["available".to_owned(), credits.to_string()]
}

fn same_receipt(credits: Credits) -> Said {
    [available(credits), vec!["same".to_owned(), "receipt".to_owned()]].concat()
}

fn refused(code: &str, credits: Credits) -> Said {
    [vec![code.to_owned()], available(credits)].concat()
}

// ---------------------------------------------------------------- the embedded table

/// The operations themselves, over the store.
struct Table {
    stack: Stack,
    grants: usize,
}

impl Player for Table {
    async fn clock(&mut self, now: Instant) {
        self.stack.clock.set(now);
    }

    async fn play(&mut self, words: &[&str]) -> Said {
        let world = self.stack.world();
        let catalog = world.catalog().await;
        let account = words[1].parse().expect("an account");
        let answer = match words[0] {
            "open" => {
                let plan = words[2].to_owned();
                let request = open::PlanRequest { plan, status: None, anchor: None };
                let key: Key = "open".parse().expect("a key");
                let content = request.content();
                command::receipted(world, &catalog, &account, &key, &content, &|_, now, id| {
                    let opened = open::open(&account, &request, id, &catalog, None, now)?;
                    Ok(AccountWrite::open(Box::new(opened)))
                })
                .await
            }
            "grant" => {
                self.grants += 1;
                let request = grant::GrantRequest {
                    credits: words[2].parse().expect("credits"),
                    reason: "scenario".to_owned(),
                    kind: GrantKind::Manual,
                    reference: None,
                    expires_at: None,
                };
                let key: Key = format!("grant {}", self.grants).parse().expect("a key");
                let content = request.content();
                command::receipted(world, &catalog, &account, &key, &content, &|before, now, id| {
                    let before = before.ok_or(Refusal::AccountNotFound)?;
                    grant::change(before, &request, id, &catalog, None, now)
                })
                .await
            }
            _ => {
                let charge = Charge::Credits(words[2].parse().expect("credits"));
                let ask = Ask::Debit(charge);
                let request = Request { account, ask, user: None, reference: None };
                let key: Key = operation(words[3]).parse().expect("a key");
                command::once(world, &catalog, &key, &request).await
            }
        };
        match answer {
            Ok(done) if done.replayed => same_receipt(done.found.available),
            Ok(done) => available(done.found.available),
            Err(Failure::Refusal(refusal)) => match refusal {
                Refusal::InsufficientCredits { available, .. }
                | Refusal::PlanRequired { available, .. } => refused(refusal.code(), available),
                refusal => vec![refusal.code().to_owned()],
            },
            Err(Failure::Store(error)) => panic!("{error}"),
            Err(Failure::Sessions(error)) => panic!("{error}"),
        }
    }
}

// ---------------------------------------------------------------- HTTP

/// The front door.
struct Http {
    stack: Stack,
    grants: usize,
}

impl Player for Http {
    async fn clock(&mut self, now: Instant) {
        self.stack.clock.set(now);
    }

    async fn play(&mut self, words: &[&str]) -> Said {
        let account = words[1];
        let answer = match words[0] {
            "open" => {
                let body = format!(r#"{{"plan":"{}"}}"#, words[2]);
                let path = format!("/v1/accounts/{account}");
                self.stack.send(request("PUT", &path, Some("open"), &body)).await
            }
            "grant" => {
                self.grants += 1;
                self.stack.grant(account, &format!("grant {}", self.grants), words[2]).await
            }
            _ => self.stack.debit(account, operation(words[3]), words[2]).await,
        };
        let available = answer.body.pointer("/balance/available").or(answer.body.get("available"));
        let available = available.and_then(|text| text.as_str());
        let mut said = Vec::new();
        said.extend(answer.body["code"].as_str().map(str::to_owned));
        said.extend(available.into_iter().flat_map(|n| ["available".to_owned(), n.to_owned()]));
        if answer.replayed {
            said.extend(["same".to_owned(), "receipt".to_owned()]);
        }
        said
    }
}
