//! Link redemption in Chromium: without scripts, prefetched, from a foreign page, and with two
//! accounts in one browser.

use serde_json::json;

use crate::page::browser::{
    NUMBER, assert_accessible, keep_picture, product_of, session, session_from,
};
use crate::page::journey::{news, shows};
use crate::support::Stack;
use crate::support::browser::Browser;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_opened_read_and_left_without_scripts() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "free").await;
    let link = session(&stack, "acme", &base).await.0;
    let mut tab = browser.tab(1280, 900);
    tab.without_scripts();
    tab.open(&link);
    tab.reach("Open credits");
    tab.press("Enter");
    tab.until(&format!("location.href === '{base}/' && document.readyState === 'complete'"));
    assert_eq!(tab.text(NUMBER), "25");
    // Its own link leads to the page again.
    tab.open(&link);
    assert_eq!(tab.text("location.href"), format!("{base}/"));
    tab.reach("Leave");
    tab.press("Enter");
    tab.until("document.querySelector('h1').textContent === 'You have left'");
    tab.open(&format!("{base}/"));
    assert!(tab.eval("!document.querySelector('#hero')") == json!(true));
    tab.open(&link);
    assert_eq!(tab.text("document.querySelector('h1').textContent"), "This session has ended");
}

/// A foreign page prefetches a link, submits the forms of the link page, and frames it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_page_opens_closes_and_redeems_nothing() {
    let Some(mut browser) = Browser::start() else { return };
    let (html, page) = tokio::sync::watch::channel(String::new());
    let evil = product_of(page).await;
    let (stack, _, base) = Stack::served(None, &[]).await;
    stack.open("acme", "free").await;
    stack.open("attacker", "pro").await;
    let theirs = session(&stack, "attacker", &base).await.0;
    let token = theirs.split("t=").nth(1).expect("a token").to_owned();
    let mut tab = browser.tab(1280, 900);
    tab.enter(&session(&stack, "acme", &base).await.0);
    for (path, fields) in [
        ("/enter", format!("<input name=\"t\" value=\"{token}\">")),
        ("/enter", format!("<input name=\"t\" value=\"{token}\"><input name=\"instead_of\">")),
        ("/leave", String::new()),
    ] {
        html.send_replace(format!(
            "<!doctype html><title>evil</title><link rel=\"prefetch\" href=\"{theirs}\">\
             <iframe src=\"{theirs}\"></iframe>\
             <form method=\"post\" action=\"{base}{path}\">{fields}<button>Win</button></form>"
        ));
        tab.open(&evil);
        tab.eval("document.querySelector('form').submit()");
        tab.until(&format!("location.href === '{base}{path}'"));
        // The local stack refuses before the function does:
        // `sessions::door` asks the function itself.
        let said = tab.text("document.body.innerText");
        assert!(said.contains("answers its own address only"), "{path}: {said}");
    }
    tab.open(&format!("{base}/"));
    assert_eq!(tab.text("document.querySelector('.top bdi').textContent"), "acme");
    // A victim who follows a link is asked first.
    html.send_replace(format!("<!doctype html><title>evil</title><a href=\"{theirs}\">Win</a>"));
    tab.open(&evil);
    tab.eval("document.querySelector('a').click()");
    tab.until("document.querySelector('main button')");
    let asked = tab.text("document.querySelector('main').innerText");
    assert!(asked.contains("The credits of acme are open in this browser."), "{asked}");
    assert_accessible(&mut tab, "asks");
    keep_picture(&mut tab, "asks");
    tab.reach("Stay with acme");
    tab.press("Enter");
    tab.until("document.querySelector('.top bdi')?.textContent === 'acme'");
}

/// The cookie belongs to the account opened last, the remaining page to the first one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_tab_shows_and_buys_nothing_for_another_tabs_account() {
    let Some(mut browser) = Browser::start() else { return };
    let (stack, stripe, base) = Stack::served(None, &[]).await;
    stack.open("acme", "free").await;
    stack.open("rival", "pro").await;
    for press in ["buy", "look"] {
        let mut tab = browser.tab(1280, 900);
        tab.enter(&session_from(&stack, "acme", &format!("{base}/")).await.0);
        tab.until(&shows("25"));
        // The request of the button in another tab.
        let link = session(&stack, "rival", &base).await.0;
        let token = link.split("t=").nth(1).expect("a token");
        tab.eval(&format!(
            "fetch('/enter', {{ method: 'POST', body: new URLSearchParams({{ t: '{token}', \
             instead_of: document.querySelector('meta[name=scrip-session]').content }}) }})"
        ));
        match press {
            "buy" => tab.eval("document.querySelector('button[data-pack]').click()"),
            _ => tab.eval("document.dispatchEvent(new Event('visibilitychange'))"),
        };
        tab.until(&news("Another session was opened in this browser"));
        assert_eq!(tab.text(NUMBER), "25", "no number of rival's stands under acme's name");
        assert!(tab.eval("document.querySelector('button[data-pack]').disabled") == json!(true));
        assert_accessible(&mut tab, "changed");
        keep_picture(&mut tab, "changed");
        tab.eval("document.querySelector('#news a').click()");
        tab.until("document.querySelector('.top bdi')?.textContent === 'rival'");
    }
    assert!(stripe.payments().is_empty(), "nothing was ordered");
}
