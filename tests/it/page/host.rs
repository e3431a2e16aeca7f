//! A product on an origin of its own: its pages, and its route that makes sessions.

use std::collections::HashMap;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{Stack, request};

/// The head of the product's pages.
const HEAD: &str = r#"<!doctype html><html lang="en"><title>Product</title>
<meta name="viewport" content="width=device-width"><style>
:root { color-scheme: light dark; background: light-dark(#fff, #111) }
body { color: light-dark(#000, #fff) }
</style><script type="module" src="BASE/scrip.js"></script>"#;

/// The product, and the stack with the account `acme`.
pub(crate) struct Host {
    pub(crate) stack: Stack,
    pub(crate) base: String,
    pub(crate) origin: String,
    site: watch::Sender<Site>,
}

#[derive(Clone, Default)]
struct Site {
    pages: HashMap<String, String>,
    stack: Option<Stack>,
    base: String,
    /// The status with which it refuses sessions.
    refuses: Option<u16>,
}

impl Host {
    pub(crate) async fn start() -> Host {
        let (site, seen) = watch::channel(Site::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, seen.borrow().clone()));
            }
        });
        let (stack, _, base) = Stack::served(Some("2026-11-18T12:00:00Z"), &[&origin]).await;
        stack.open("acme", "free").await;
        site.send_modify(|site| {
            site.stack = Some(stack.clone());
            site.base.clone_from(&base);
        });
        Host { stack, base, origin, site }
    }

    /// Sets a page: its head is the same for each.
    pub(crate) fn page(&self, path: &str, body: &str) {
        self.document(path, &format!("{HEAD}{body}"));
    }

    /// Sets a whole document; `BASE` is the stack's address.
    pub(crate) fn document(&self, path: &str, html: &str) {
        let html = html.replace("BASE", &self.base);
        self.site.send_modify(|site| {
            site.pages.insert(path.to_owned(), html);
        });
    }

    /// From now on sessions are refused with this status, or made.
    pub(crate) fn refuse(&self, with: Option<u16>) {
        self.site.send_modify(|site| site.refuses = with);
    }
}

/// One answer: of `/session/<subject>` the session as the stack made it; of `/make` a charge; else
/// a page. Without a subject the session is ada's.
async fn answer(mut stream: TcpStream, site: Site) {
    let mut head = [0; 8192];
    let read = stream.read(&mut head).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let subject = if path == "/session" { Some("ada") } else { path.strip_prefix("/session/") };
    let (status, kind, body) = match (subject, site.refuses) {
        (Some(_), Some(status)) => (status, "text/plain", String::new()),
        (None, _) if path == "/make" => {
            let quantity = head.rsplit("\r\n\r\n").next().and_then(|body| body.parse().ok());
            let (stack, quantity) = (site.stack.expect("a stack"), quantity.expect("a number"));
            stack.action("acme", &format!("make {quantity}"), "dynamic_video", quantity).await;
            (200, "text/plain", String::new())
        }
        (Some(subject), None) => {
            let back = format!("{}/", site.base);
            let body = json!({ "subject": subject, "scopes": ["buy"], "return_url": back });
            let stack = site.stack.expect("a stack");
            let path = "/v1/accounts/acme/sessions";
            let made = stack.send(request("POST", path, None, &body.to_string())).await;
            (200, "application/json", made.body.to_string())
        }
        _ => (200, "text/html; charset=utf-8", site.pages.get(path).cloned().unwrap_or_default()),
    };
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(reply.as_bytes()).await;
}
