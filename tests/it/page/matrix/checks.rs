//! What is asked of a page in any state, in a browser. Each question returns what is wrong.

use std::path::Path;

use serde_json::json;

use crate::page::browser::{keeps_pictures, violations};
use crate::support::browser::{Browser, Tab};

/// The functions that a page is asked with, as `checks` in each of its documents.
const CHECKS: &str = include_str!("checks.js");
/// The layout may shift by this much: by a hundredth of the window, in Chromium's measure.
const MAX_SHIFT: f64 = 0.01;

/// A tab whose documents can be asked.
pub(super) fn tab(browser: &mut Browser, width: u32) -> Tab<'_> {
    let mut tab = browser.tab(width, 900);
    tab.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": CHECKS }));
    tab.scheme("light");
    tab
}

/// Opens the session of a link, in place of the one before, and waits for the page's script.
pub(super) fn enter(tab: &mut Tab<'_>, link: &str) {
    tab.call("Network.clearBrowserCookies", json!({}));
    tab.enter(link);
    tab.until("checks.ready()");
}

/// Opens a page over a network on which it is painted before its script is there.
pub(super) fn open(tab: &mut Tab<'_>, url: &str) {
    tab.slow(1_000_000, 150);
    tab.open(url);
    tab.until("checks.ready()");
    tab.online(true);
}

/// The texts that a check returns.
pub(super) fn texts(tab: &mut Tab<'_>, check: &str) -> Vec<String> {
    serde_json::from_value(tab.eval(&format!("checks.{check}()"))).expect("texts")
}

/// The page was painted where it stays.
pub(super) fn shift(tab: &mut Tab<'_>) -> Vec<String> {
    let shift = tab.eval("checks.shift()");
    match shift["sum"].as_f64() <= Some(MAX_SHIFT) {
        true => Vec::new(),
        false => vec![format!("it shifts: {shift}")],
    }
}

/// Nobody scrolls sideways at this width.
pub(super) fn fit(tab: &mut Tab<'_>, width: u32) -> Vec<String> {
    tab.size(width, 900);
    let wide = texts(tab, "wide").into_iter();
    wide.map(|element| format!("wider than {width} px: {element}")).collect()
}

/// axe-core finds nothing, light and dark; a picture of both is kept.
pub(super) fn access(tab: &mut Tab<'_>, state: &str) -> Vec<String> {
    let mut found = Vec::new();
    for scheme in ["dark", "light"] {
        tab.scheme(scheme);
        keep(tab, &format!("{state}-{scheme}"));
        found.extend(violations(tab).into_iter().map(|found| format!("{scheme}: {found}")));
    }
    found
}

/// A finger hits every control, and the keyboard alone reaches it and shows where it is.
pub(super) fn operation(tab: &mut Tab<'_>) -> Vec<String> {
    tab.eval("checks.open()");
    let small = texts(tab, "small").into_iter().map(|target| format!("small: {target}"));
    let presses = tab.eval("checks.follow()").as_u64().expect("a number");
    for _ in 0..presses {
        tab.press("Tab");
    }
    let missed = texts(tab, "missed").into_iter().map(|stop| format!("not reached: {stop}"));
    small.chain(missed).collect()
}

/// Paper has no controls.
pub(super) fn print(tab: &mut Tab<'_>) -> Vec<String> {
    tab.media("print", "light");
    let printed = texts(tab, "controls").into_iter();
    let printed = printed.map(|control| format!("printed: {control}")).collect();
    tab.scheme("light");
    printed
}

/// Keeps a picture of the whole page, if pictures are kept: small, for a person to look at.
pub(super) fn keep(tab: &mut Tab<'_>, look: &str) {
    let Some(folder) = keeps_pictures() else { return };
    let size = tab.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].take();
    let (width, height) = (size["width"].as_f64(), size["height"].as_f64());
    let (width, height) = (width.expect("a width"), height.expect("a height").min(2_400.0));
    let scale = if width > 1000.0 { 0.5 } else { 0.75 };
    let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": scale });
    let ask = json!({
        "format": "jpeg", "quality": 28, "captureBeyondViewport": true, "clip": clip,
    });
    let picture = tab.call("Page.captureScreenshot", ask);
    let data = picture["data"].as_str().expect("a picture");
    let bytes = aws_smithy_types::base64::decode(data).expect("base64");
    std::fs::write(Path::new(&folder).join(format!("{look}.jpg")), bytes).expect("a folder");
}
