//! The console: a page for account executives, which `scrip console` and the local stack serve.
//! Its formats, its style and its icon are those of the customer's page.

/// The headers of each file: the page may use its own files and its own server, and nothing else,
/// and no page may frame it.
pub const HEADERS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    // The address may have an account's id in it, which is nobody else's business.
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Name, content type and content of each file but the page itself.
const FILES: [(&str, &str, &str); 17] = [
    ("account.js", JS, include_str!("../files/account.js")),
    ("actions.js", JS, include_str!("../files/actions.js")),
    ("amounts.js", JS, include_str!("../files/amounts.js")),
    ("api.js", JS, include_str!("../files/api.js")),
    ("clock.js", JS, include_str!("../../functions/page/script/clock.js")),
    ("console.css", CSS, include_str!("../files/console.css")),
    ("console.js", JS, include_str!("../files/console.js")),
    ("dialog.js", JS, include_str!("../files/dialog.js")),
    ("dom.js", JS, include_str!("../files/dom.js")),
    ("en.js", JS, include_str!("../files/en.js")),
    ("find.js", JS, include_str!("../files/find.js")),
    ("format.js", JS, include_str!("../../functions/page/script/format.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../functions/page/script/icon.svg")),
    ("ledger.js", JS, include_str!("../files/ledger.js")),
    ("page.css", CSS, include_str!("../../functions/page/templates/page.css")),
    ("payments.js", JS, include_str!("../files/payments.js")),
    ("say.js", JS, include_str!("../files/say.js")),
];

/// The content type and the content of a file; the empty name is the page of the stack called
/// `stack`, which is empty where there is only one. None: there is no such file.
pub fn file(name: &str, stack: &str) -> Option<(&'static str, String)> {
    if name.is_empty() {
        let stack = stack.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        let page = include_str!("../files/console.html").replace("{stack}", &stack);
        return Some((HTML, page));
    }
    let (_, kind, text) = FILES.iter().find(|(known, ..)| *known == name)?;
    Some((kind, (*text).to_owned()))
}
