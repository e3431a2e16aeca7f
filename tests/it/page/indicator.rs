//! The indicator in a product, in a real Chromium: it keeps its place and colours, shows the
//! account's state, and tells its page about changes.

use local::states;
use serde_json::{Value, json};
use shared::domain::instant::Span;
use tokio::sync::watch;

use crate::page::browser::{assert_accessible, product_of, session};
use crate::support::browser::{Browser, Tab};
use crate::support::shop::Shop;

/// A product's page. Its token is a property, set before
/// the module loads: it is not in the document.
const PRODUCT: &str = r#"<!doctype html><html lang="en"><title>Product</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; background: light-dark(#fff, #111) }
body { color: light-dark(#000, #fff) }
body { margin: 0; min-height: 3000px; } main { padding: 8px; }
header { display: flex; justify-content: space-between; align-items: center; padding: 8px; }
</style><header><b>Product</b> <scrip-credits top-up="/buy"></scrip-credits></header>
<main><h1>Text</h1><label>Text <textarea id="text"></textarea></label></main><script>
  const credits = document.querySelector('scrip-credits');
  credits.token = 'TOKEN';
  const heard = [];
  for (const name of ['exhausted', 'restored', 'session', 'top-up'])
    addEventListener(`scrip-${name}`, ({ detail: d }) => heard.push(
      [name, d?.why, d?.before?.available, d?.balance.available].filter(Boolean).join(' ')));
</script><script type="module" src="BASE/scrip.js"></script>"#;

const STATE: &str = "credits.getAttribute('state')";
const OPEN: &str = "credits.shadowRoot.querySelector('.open')";
const DETAILS: &str = "credits.shadowRoot.querySelector('dialog')";

/// A stack with an account in every state, and a product's page.
pub(crate) struct Product {
    pub(crate) shop: Shop,
    pub(crate) base: String,
    origin: String,
    html: watch::Sender<String>,
}

impl Product {
    pub(crate) async fn start() -> Product {
        let (html, page) = watch::channel(String::new());
        let origin = product_of(page).await;
        let (shop, base) = Shop::served(Some("2026-11-18T12:00:00Z"), &[&origin]).await;
        Product { shop, base, origin, html }
    }

    async fn token(&self, account: &str) -> String {
        session(&self.shop.stack, account, &self.base).await.1
    }

    /// Opens the page with the indicator of an account, and waits until it shows a balance.
    pub(crate) async fn open(&self, tab: &mut Tab<'_>, account: &str) {
        let token = self.token(account).await;
        self.html.send_replace(PRODUCT.replace("TOKEN", &token).replace("BASE", &self.base));
        tab.open(&self.origin);
        tab.until(&format!("{STATE} !== 'waiting' && credits.balance"));
    }

    /// The page sets the token of a new session.
    async fn renew(&self, tab: &mut Tab<'_>, account: &str) {
        let token = self.token(account).await;
        tab.eval(&format!("credits.token = '{token}'"));
        tab.until("credits.balance");
    }

    /// Moves the clock past the hour of a session.
    fn end_session(&self, tab: &mut Tab<'_>) {
        self.shop.stack.clock.set(self.shop.stack.clock.now() + Span::from_s(3700));
        tab.eval("credits.refresh()");
        tab.until(&format!("{STATE} === 'ended'"));
    }
}

fn is_open(tab: &mut Tab<'_>) -> bool {
    tab.eval(&format!("{DETAILS}.matches(':popover-open')")) == json!(true)
}

/// For each state: the button's text, a part of the details, and whether they offer to buy.
const SHOWN: [(&str, &str, &str, &str, bool); 9] = [
    ("held", "open", "15 credits 0 used Details", "Set aside 10", true),
    (
        "low",
        "low",
        "2 credits left 23 used Few credits are left. Details",
        "25 credits come back",
        true,
    ),
    ("empty", "empty", "Out of credits Details", "You are out of credits", true),
    ("frozen", "account_frozen", "Account frozen Details", "2,500 credits kept", false),
    ("standard", "plan_required", "Your plan has no AI Details", "40 credits kept", false),
    ("canceled", "plan_required", "Your plan has no AI Details", "no plan that includes", false),
    ("debt", "debt_outstanding", "You owe 500 credits Details", "repays them first", true),
    (
        "owing",
        "low",
        "40 credits left 525 used A payment was reversed. Few credits are left. Details",
        "repays them first",
        true,
    ),
    (
        "past-due",
        "open",
        "2,500 credits 0 used A payment for your plan failed. Details",
        "You can spend the credits that you have",
        true,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_every_state_it_keeps_its_place_and_shows_the_account() {
    let Some(mut browser) = Browser::start() else { return };
    let product = Product::start().await;
    let seeded = states::seed(&product.shop.stack.functions, Some(&product.shop.stripe)).await;
    seeded.expect("every state can be reached");
    let mut tab = browser.tab(1280, 900);
    tab.scheme("light");
    product.open(&mut tab, "held").await;
    // The places of all elements, to a fraction of a pixel.
    let places = "JSON.stringify(['b', 'scrip-credits', 'h1', 'textarea'].map((name) => \
                  document.querySelector(name).getBoundingClientRect()))";
    tab.eval("credits.token = null");
    tab.until(&format!("{STATE} === 'waiting'"));
    let before = tab.text(places);
    tab.eval("text.focus()");
    let face = format!("{OPEN}.textContent");
    let said = format!("{DETAILS}.innerText.replace(/\\s+/g, ' ')");
    let press = format!("{OPEN}.click()");
    for (account, state, shows, details, sells) in SHOWN {
        product.renew(&mut tab, account).await;
        assert_eq!(tab.text(STATE), state, "{account}");
        assert_eq!(tab.text(&face), shows, "{account}");
        assert_eq!(tab.text(places), before, "{account}");
        assert_eq!(tab.text("document.activeElement.id"), "text", "typing goes on");
        tab.eval(&press);
        tab.until(&format!("{DETAILS}.matches(':popover-open')"));
        let text = tab.text(&said);
        assert!(text.contains(details), "{account}: {text}");
        assert_eq!(text.contains("Top up"), sells, "{account}: {text}");
        assert_eq!(tab.text(places), before, "{account}, with its details");
        assert_accessible(&mut tab, &format!("indicator, {account}"));
        tab.press("Escape");
        tab.eval("text.focus()");
    }
    // Without a network the number stays, marked as old. The indicator recovers without help.
    let stale = "2,500 credits not up to date A payment for your plan failed. Details";
    tab.online(false);
    tab.eval("credits.refresh()");
    tab.until(&format!("{STATE} === 'offline'"));
    assert_eq!(tab.text(&face), stale);
    assert_eq!(tab.text(places), before);
    tab.eval(&press);
    let old = "The numbers could not be refreshed. They are from 13:";
    tab.until(&format!("{said}.includes('{old}')"));
    assert_accessible(&mut tab, "indicator, offline");
    tab.press("Escape");
    tab.online(true);
    tab.until(&format!("{STATE} === 'open'"));
    product.end_session(&mut tab);
    assert_eq!(tab.text(&face), stale);
    assert_eq!(tab.text(places), before);
    tab.eval(&press);
    assert_accessible(&mut tab, "indicator, ended");
    // With an invalid token it shows no number and offers nothing.
    tab.eval("credits.token = 'none'");
    tab.until(&format!("{STATE} === 'ended'"));
    assert_eq!(tab.text(&face), "Credits not available Details");
    assert_eq!(tab.text(places), before);
    assert!(!tab.text(&said).contains("Top up"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_offers_to_buy_only_where_its_page_says_how() {
    let Some(mut browser) = Browser::start() else { return };
    let product = Product::start().await;
    product.shop.stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    product.open(&mut tab, "acme").await;
    let offer = "(credits.shadowRoot.querySelector('.primary')?.outerHTML ?? 'none')";
    assert!(tab.text(offer).contains(r#"href="/buy""#));
    tab.eval("credits.removeAttribute('top-up')");
    assert_eq!(tab.text(offer), "none");
    // Without an address the page sells credits itself.
    tab.eval("credits.setAttribute('top-up', '')");
    tab.eval("credits.shadowRoot.querySelector('button.primary').click()");
    assert_eq!(tab.eval("heard"), json!(["top-up"]));
    // The focus is not lost if the account is frozen meanwhile.
    tab.eval(&format!("{OPEN}.click()"));
    tab.until(&format!("{DETAILS}.matches(':popover-open')"));
    tab.eval("credits.shadowRoot.querySelector('.primary').focus()");
    let freeze = r#"{"reason":"abuse"}"#;
    product.shop.stack.post("/v1/accounts/acme/freeze", "freeze", freeze).await;
    tab.eval("credits.refresh()");
    tab.until(&format!("{STATE} === 'account_frozen'"));
    assert_eq!(tab.text(offer), "none");
    assert_eq!(tab.text("credits.shadowRoot.activeElement.textContent"), "Close");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_colours_follow_the_page_and_not_the_system() {
    let Some(mut browser) = Browser::start() else { return };
    let product = Product::start().await;
    product.shop.stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    product.open(&mut tab, "acme").await;
    let (light, dark) = ("rgb(255, 255, 255)", "rgb(28, 28, 31)");
    for (page, system, expected) in [
        ("light", "dark", light),
        ("dark", "light", dark),
        ("light dark", "dark", dark),
        ("light dark", "light", light),
        ("normal", "dark", light),
    ] {
        tab.scheme(system);
        tab.eval(&format!("document.documentElement.style.colorScheme = '{page}'"));
        for part in [OPEN, DETAILS] {
            let paper = tab.text(&format!("getComputedStyle({part}).backgroundColor"));
            assert_eq!(paper, expected, "{part}: {page} on a system that is {system}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_details_open_at_the_button_and_inside_the_window() {
    let Some(mut browser) = Browser::start() else { return };
    let product = Product::start().await;
    product.shop.stack.open("acme", "free").await;
    product.shop.stack.action("acme", "a", "dynamic_video", 4).await;
    let mut tab = browser.tab(1280, 700);
    product.open(&mut tab, "acme").await;
    let opened = format!("{DETAILS}.matches(':popover-open')");
    let far = format!(
        "(() => {{ const [d, b] = [{DETAILS}, {OPEN}].map((part) => part.getBoundingClientRect()); \
         return [d.left, d.top, innerWidth - d.right, innerHeight - d.bottom, \
         Math.min(Math.abs(d.top - b.bottom), Math.abs(b.top - d.bottom))].map(Math.round); }})()"
    );
    for (width, height) in [(320, 568), (1280, 700)] {
        tab.size(width, height);
        tab.eval("scrollTo(0, 900)");
        for place in [
            "top: 8px; left: 8px",
            "top: 8px; right: 8px",
            "bottom: 8px; left: 8px",
            "bottom: 8px; right: 8px",
            "top: 40%; left: 10%",
        ] {
            tab.eval(&format!("credits.parentElement.style = 'position: fixed; {place}'"));
            tab.eval(&format!("{OPEN}.focus()"));
            tab.press("Enter");
            tab.until(&format!("{opened} && {DETAILS}.style.top"));
            tab.eval("new Promise(requestAnimationFrame)");
            let far = tab.eval(&far);
            let far: Vec<i64> =
                far.as_array().expect("sides").iter().flat_map(Value::as_i64).collect();
            assert!(far[..4].iter().all(|far| *far >= 8), "{width}, {place}: {far:?}");
            assert_eq!(far[4], 8, "{width}, {place}: at the button");
            // The details have the focus, then the controls in them; then it returns to the button.
            assert_eq!(tab.eval(&format!("credits.shadowRoot.activeElement === {DETAILS}")), true);
            tab.press("Tab");
            assert_eq!(tab.text("credits.shadowRoot.activeElement.textContent"), "Top up");
            tab.press("Escape");
            assert!(!is_open(&mut tab), "{width}, {place}");
            assert_eq!(tab.eval(&format!("credits.shadowRoot.activeElement === {OPEN}")), true);
        }
    }
    tab.eval("credits.parentElement.removeAttribute('style'); scrollTo(0, 0)");
    // It moves with its button when the page is scrolled,
    // and closes when the button is out of view.
    tab.eval(&format!("{OPEN}.click()"));
    tab.until(&opened);
    tab.eval("scrollTo(0, 10); new Promise((seen) => setTimeout(seen, 100))");
    assert_eq!(tab.eval(&far)[4], 8);
    tab.eval("scrollTo(0, 900)");
    tab.until(&format!("!{opened}"));
    tab.eval("scrollTo(0, 0)");
    // A click beside it closes it, and is a click there; so does a moving focus.
    tab.eval(&format!("{OPEN}.click()"));
    tab.until(&opened);
    let spot = "text.getBoundingClientRect()";
    let at = |side: &str, tab: &mut Tab<'_>| tab.eval(&format!("{spot}.{side} + 5")).as_f64();
    let (x, y) = (at("left", &mut tab), at("top", &mut tab));
    tab.click(x.expect("a place") as u32, y.expect("a place") as u32);
    tab.until(&format!("!{opened}"));
    assert_eq!(tab.text("document.activeElement.id"), "text");
    tab.eval(&format!("{OPEN}.click()"));
    tab.until(&opened);
    for _ in 0..3 {
        tab.press("Tab");
    }
    assert_eq!(tab.text("document.activeElement.id"), "text");
    assert!(!is_open(&mut tab), "it lies over what has the focus");
    // The same button closes it.
    for is in [true, false] {
        tab.eval(&format!("{OPEN}.click()"));
        assert_eq!(is_open(&mut tab), is);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_once_whether_its_token_is_a_property_or_an_attribute() {
    let Some(mut browser) = Browser::start() else { return };
    let product = Product::start().await;
    product.shop.stack.open("acme", "free").await;
    for attribute in [false, true] {
        let mut tab = browser.tab(1280, 900);
        product.open(&mut tab, "acme").await;
        if attribute {
            let page = product.html.borrow().clone();
            let set = page.find("credits.token = '").expect("a token") + "credits.token = '".len();
            let token = page[set..].split('\'').next().expect("a token").to_owned();
            let page = page.replace("credits.token", "window.unused");
            let page = page.replace("top-up=", &format!("token='{token}' top-up="));
            product.html.send_replace(page);
            tab.open("about:blank");
            tab.take_requests();
            tab.open(&product.origin);
            tab.until("credits.balance");
        }
        tab.eval("new Promise((seen) => setTimeout(seen, 200))");
        let asked = tab.take_requests();
        let asked = asked.iter().filter(|url| url.ends_with("/v1/me/balance")).count();
        // The second time this browser has cached the preflight.
        assert_eq!(asked, if attribute { 1 } else { 2 }, "as an attribute: {attribute}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_is_reported_once_even_across_sessions() {
    let Some(mut browser) = Browser::start() else { return };
    let product = Product::start().await;
    let stack = &product.shop.stack;
    stack.open("acme", "free").await;
    let mut tab = browser.tab(1280, 900);
    product.open(&mut tab, "acme").await;
    let token = tab.text("credits.token");
    let html = "document.querySelector('scrip-credits').outerHTML + \
                document.querySelector('scrip-credits').shadowRoot.innerHTML";
    assert!(!tab.text(html).contains(&token), "the token is in the document");
    tab.take_requests();
    tab.eval(&format!("credits.token = '{token}'"));
    assert_eq!(tab.eval("heard"), json!([]), "credits at the first answer are no news");
    assert_eq!(tab.take_requests(), Vec::<String>::new(), "the same token is no new session");

    stack.debit("acme", "a", "25").await;
    tab.eval("credits.refresh()");
    tab.until("heard.length");
    let mut told = vec!["exhausted empty 25 0"];
    // Credits granted between two sessions: restored, once.
    product.end_session(&mut tab);
    stack.grant("acme", "b", "5").await;
    product.renew(&mut tab, "acme").await;
    told.extend(["session", "restored empty 0 5"]);
    assert_eq!(tab.eval("heard"), json!(told));
    // Spent between two sessions: exhausted, and not lost.
    product.end_session(&mut tab);
    stack.debit("acme", "c", "5").await;
    product.renew(&mut tab, "acme").await;
    told.extend(["session", "exhausted empty 5 0"]);
    assert_eq!(tab.eval("heard"), json!(told));
    // Without a change there is no event, also if the element is moved within its page.
    product.end_session(&mut tab);
    product.renew(&mut tab, "acme").await;
    told.push("session");
    tab.eval("document.querySelector('main').prepend(credits); credits.refresh()");
    assert_eq!(tab.eval("heard"), json!(told));
    // Another reason: the event has the balance before and now.
    stack.grant("acme", "d", "7").await;
    tab.eval("credits.refresh()");
    stack.post("/v1/accounts/acme/freeze", "freeze", r#"{"reason":"abuse"}"#).await;
    tab.eval("credits.refresh()");
    stack.post("/v1/accounts/acme/unfreeze", "unfreeze", r#"{"reason":"no abuse"}"#).await;
    tab.eval("credits.refresh()");
    told.extend(["restored empty 0 7", "exhausted account_frozen 7 7"]);
    told.push("restored account_frozen 7 7");
    assert_eq!(tab.eval("heard"), json!(told));
    // A screen reader reads the obstacle, and then that it is gone.
    let said = "credits.shadowRoot.querySelector('[role=status]').textContent";
    assert_eq!(tab.text(said), "7 credits available. Few credits are left.");
    // By the attribute, too; the balance of one token is not shown for another.
    stack.open("other", "free").await;
    let other = product.token("other").await;
    let shown = tab.eval(&format!("credits.setAttribute('token', '{other}'), credits.balance"));
    assert_eq!(shown, Value::Null);
}
