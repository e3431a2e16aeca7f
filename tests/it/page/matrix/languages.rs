//! The page in every language and in zones on both sides of the date line.

use super::checks;
use super::views::{VIEWS, Visited};
use crate::page::browser::violations;
use crate::support::browser::Browser;

const STATES: [&str; 5] = ["normal", "empty", "debt", "waiting", "limits"];
const LANGUAGES: [&str; 3] = ["en-GB", "de-DE", PSEUDO];
const ZONES: [&str; 3] = ["Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati"];
/// The language that is made of English, and written from right to left.
const PSEUDO: &str = "ar-XB";

/// German words are long, and the script writes days and times in the browser's zone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_states_stand_still_and_fit_a_phone_in_every_language_and_zone() {
    let Some(mut browser) = Browser::start() else { return };
    let visited = Visited::new().await;
    let mut tab = checks::tab(&mut browser, 375);
    let mut wrong = Vec::new();
    for language in LANGUAGES {
        for view in VIEWS.iter().filter(|view| STATES.contains(&view.name)) {
            tab.lives_in(ZONES[0], language);
            checks::enter(&mut tab, &visited.link(view).await);
            for zone in ZONES {
                let (_, city) = zone.split_once('/').expect("a city");
                let state = format!("{}-375-{language}-{city}", view.name);
                tab.size(375, 900);
                tab.lives_in(zone, language);
                checks::open(&mut tab, &format!("{}/", visited.base(view)));
                // The dates of the pseudo-language are Arabic, longer than the room for them.
                let mut found = match language {
                    PSEUDO => Vec::new(),
                    _ => checks::shift(&mut tab),
                };
                // The tests of states have looked at this one.
                if (language, zone) != (LANGUAGES[0], ZONES[0]) {
                    checks::keep(&mut tab, &state);
                    found.extend(violations(&mut tab));
                }
                found.extend(checks::fit(&mut tab, 320));
                wrong.extend(found.into_iter().map(|found| format!("{state}: {found}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_language_from_right_to_left_turns_every_state_and_leaves_no_text_in_english() {
    let Some(mut browser) = Browser::start() else { return };
    let visited = Visited::new().await;
    let mut tab = checks::tab(&mut browser, 1280);
    tab.lives_in("Asia/Dubai", PSEUDO);
    let mut wrong = Vec::new();
    for view in &VIEWS {
        tab.size(1280, 900);
        checks::enter(&mut tab, &visited.link(view).await);
        let mut found = Vec::new();
        for check in ["unmarked", "unturned"] {
            let texts = checks::texts(&mut tab, check).into_iter();
            found.extend(texts.map(|text| format!("{check}: {text}")));
        }
        found.extend(checks::fit(&mut tab, 1280));
        wrong.extend(found.into_iter().map(|found| format!("{}: {found}", view.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
