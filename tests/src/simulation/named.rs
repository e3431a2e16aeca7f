//! The users, subjects and limits that clients name, and the limits of the plans.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use shared::decide::own_limit::LimitRequest;
use shared::domain::Credits;
use shared::domain::limit::Per;

/// The kinds of windows.
pub const PERS: [&str; 5] = ["day", "week", "month", "period", "ever"];

/// The number of a limit, by what it is of and the kind of its window.
pub type Limits = BTreeMap<(String, String), i64>;

/// What a charge names: its user, its other subjects and the limits that it brings.
#[derive(Clone, Debug, Default)]
pub struct Named {
    pub user: Option<String>,
    subjects: BTreeSet<String>,
    limits: Vec<(String, &'static str, i64)>,
}

impl Named {
    /// A few users, teams and runs, with limits that some charges do not fit in.
    pub fn draw(random: &mut StdRng) -> Named {
        let mut pick = |choices: &[&str]| choices[random.random_range(0..choices.len())].to_owned();
        let user = Some(pick(&["ada", "ada", "bob", "bob", ""])).filter(|user| !user.is_empty());
        let team = pick(&["team:ops", "team:dev", "", ""]);
        let run = pick(&["run:1", "run:2", "run:3", "", "", ""]);
        let also = pick(&["user:ada", "team:ops", "", "", "", "", "", ""]);
        let mut limits = Vec::new();
        if !run.is_empty() {
            let at_most = [2_500_000, 9_000_000, 40_000_000][random.random_range(0..3)];
            let per = ["ever", "ever", "ever", "day", "period"][random.random_range(0..5)];
            limits.push((run, per, at_most));
        }
        if !also.is_empty() {
            let at_most = [0, 4_000_000, 15_000_001, 30_000_000][random.random_range(0..4)];
            limits.push((also, PERS[random.random_range(0..PERS.len())], at_most));
        }
        // The same limit with another number: the less is in force.
        if let Some((of, per, at_most)) = limits.first().cloned()
            && random.random_range(0..5) == 0
        {
            limits.push((of, per, at_most + 1));
        }
        let subjects = [team].into_iter().filter(|team| !team.is_empty());
        let subjects: BTreeSet<String> = subjects.collect();
        Named { user, subjects, limits }
    }

    /// The body of a charge with them.
    pub fn body(&self, body: &str) -> String {
        let mut fields: Value = serde_json::from_str(body).expect("clients send JSON");
        let text = |micro: i64| Credits::from_micro(micro).to_string();
        if let Some(user) = &self.user {
            fields["user"] = json!(user);
        }
        if !self.subjects.is_empty() {
            fields["subjects"] = json!(self.subjects);
        }
        let limits = self.limits.iter().map(|(of, per, at_most)| match *per {
            "ever" => json!({ "of": of, "at_most": text(*at_most) }),
            per => json!({ "of": of, "per": per, "at_most": text(*at_most) }),
        });
        let limits: Vec<Value> = limits.collect();
        if !limits.is_empty() {
            fields["limits"] = limits.into();
        }
        fields.to_string()
    }

    /// All subjects that it counts for.
    pub fn counts_for(&self) -> BTreeSet<String> {
        let of_limits = self.limits.iter().map(|(of, ..)| of.clone());
        let user = self.user.iter().map(|user| format!("user:{user}"));
        self.subjects.iter().cloned().chain(of_limits).chain(user).collect()
    }

    /// The number that it brings for a limit.
    pub fn asked(&self, of: &str, per: &str) -> Option<i64> {
        let its = self.limits.iter().filter(|(known, kind, _)| known == of && *kind == per);
        its.map(|(.., at_most)| *at_most).min()
    }
}

/// A limit to set or to remove.
pub fn draw_limit(random: &mut StdRng) -> LimitRequest {
    let of = ["user:ada", "user:bob", "team:ops", "run:1"][random.random_range(0..4)];
    let per = Per::ALL[random.random_range(0..Per::ALL.len())];
    let micro = [-1, -1, -1, 0, 1_500_000, 5_000_000, 12_000_000, 40_000_000];
    let micro = micro[random.random_range(0..micro.len())];
    let at_most = (micro >= 0).then_some(Credits::from_micro(micro));
    LimitRequest { of: of.parse().expect("a subject"), per, at_most }
}

/// The plan's limits in a seed: some kinds of windows for users, and one for teams.
pub fn defaults(seed: u64) -> Limits {
    let own = |of: &str, per: &str, micro| ((of.to_owned(), per.to_owned()), micro);
    match seed / 6 % 4 {
        0 => Limits::from([own("user", "day", 20_000_000), own("team", "ever", 90_000_000)]),
        1 => Limits::from([own("user", "week", 30_000_000), own("user", "period", 35_000_000)]),
        2 => Limits::from([own("user", "month", 60_000_000), own("run", "day", 6_000_000)]),
        _ => Limits::new(),
    }
}

/// The limits as a plan of the catalog has them.
pub fn in_catalog(limits: &Limits) -> String {
    let limits = limits.iter().map(|((of, per), micro)| {
        let at_most = Credits::from_micro(*micro);
        format!("{{ of = \"{of}\", per = \"{per}\", at_most = \"{at_most}\" }}")
    });
    let limits: Vec<String> = limits.collect();
    match limits.is_empty() {
        true => String::new(),
        false => format!("limits = [{}]\n", limits.join(", ")),
    }
}
