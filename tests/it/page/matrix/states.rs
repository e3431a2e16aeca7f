//! Every state of the page, on a phone and on a wide screen: still, narrow, large enough to hit,
//! within reach of a keyboard, without a finding of axe-core, fit for paper.

use super::boxes::Seen;
use super::checks;
use super::views::{VIEWS, Visited};
use crate::support::browser::Browser;

/// Checks every state at a width, and that none scrolls sideways when it is `narrowed`.
async fn assert_every_state(width: u32, narrowed: u32) {
    let Some(mut browser) = Browser::start() else { return };
    let visited = Visited::new().await;
    let mut tab = checks::tab(&mut browser, width);
    let (mut seen, mut wrong) = (Seen::new(width), Vec::new());
    for view in &VIEWS {
        let state = format!("{}-{width}", view.name);
        tab.size(width, 900);
        checks::enter(&mut tab, &visited.link(view).await);
        checks::open(&mut tab, &format!("{}/", visited.base(view)));
        let mut found = checks::shift(&mut tab);
        seen.add(view.name, checks::texts(&mut tab, "said"), checks::texts(&mut tab, "boxes"));
        found.extend(checks::access(&mut tab, &state));
        found.extend(checks::operation(&mut tab));
        found.extend(checks::print(&mut tab));
        found.extend(checks::fit(&mut tab, width));
        found.extend(checks::fit(&mut tab, narrowed));
        found.extend(tab.take_errors());
        wrong.extend(found.into_iter().map(|found| format!("{state}: {found}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    seen.assert_expected();
}

/// The narrowest phone that is in use has 320 pixels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_can_be_used_on_a_phone() {
    assert_every_state(375, 320).await;
}

/// At 200 % a wide screen has half as many pixels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_can_be_used_on_a_wide_screen_and_at_200_percent() {
    assert_every_state(1280, 640).await;
}
