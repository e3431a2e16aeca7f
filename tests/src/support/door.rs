//! The customer's way in: sessions, the button of a link's page, and the cookie.

use regex::Regex;

use super::{Answer, Stack, request};

/// A customer with a session.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// `name=value`, as a browser sends it.
    pub cookie: String,
    /// The session that the page was rendered for.
    pub session: String,
}

impl Visitor {
    /// The headers of the page's requests.
    pub fn headers(&self) -> [(&str, &str); 2] {
        [("cookie", &self.cookie), ("scrip-session", &self.session)]
    }
}

impl Stack {
    /// Sends a request with the given headers.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.told(method, path, headers, "").await
    }

    /// Sends a request with the given headers and a body.
    pub async fn told(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = request(method, path, None, body);
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().expect("a name");
            request.headers_mut().append(name, value.parse().expect("a value"));
        }
        self.send(request).await
    }

    /// Creates a session as the service does.
    pub async fn session(&self, account: &str, body: &str) -> Answer {
        let path = format!("/v1/accounts/{account}/sessions");
        let made = self.send(request("POST", &path, None, body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made
    }

    /// The address of this stack's pages.
    pub fn origin(&self) -> String {
        self.context().config.public_url.clone().expect("an address")
    }

    /// Sends a form as our own page does, with additional headers.
    pub async fn form(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let origin = self.origin();
        let own = [("origin", &*origin), ("content-type", "application/x-www-form-urlencoded")];
        self.told("POST", path, &[&own, headers].concat(), body).await
    }

    /// Presses the button of a link's page.
    pub async fn press(&self, link: &str) -> Answer {
        self.form("/enter", &[], &format!("t={link}")).await
    }

    /// A customer of `account` who may buy and has redeemed a link.
    pub async fn visitor(&self, account: &str) -> Visitor {
        let body = r#"{"subject":"ada","scopes":["buy"],"return_url":"https://app.example.com/"}"#;
        let made = self.session(account, body).await;
        let link = made.text("/url").split("t=").nth(1).expect("a link");
        let cookie = cookie(&self.press(link).await);
        let page = self.ask("GET", "/", &[("cookie", &cookie)]).await;
        let session = rendered_for(page.body.as_str().expect("a page"));
        Visitor { cookie, session }
    }
}

/// The cookie that an answer sets: `name=value`.
pub fn cookie(entered: &Answer) -> String {
    assert_eq!(entered.status, 303, "{entered:?}");
    let cookie = entered.headers["set-cookie"].to_str().expect("text");
    cookie.split(';').next().expect("a part").to_owned()
}

/// The session that a page was rendered for.
pub fn rendered_for(html: &str) -> String {
    value_of(html, r#"<meta name="scrip-session" content="([^"]+)">"#)
}

/// The part of a page that `pattern` captures.
pub fn value_of(html: &str, pattern: &str) -> String {
    let found = Regex::new(pattern).expect("a regex").captures(html).map(|c| c[1].to_owned());
    found.unwrap_or_else(|| panic!("{pattern} is not in {html}"))
}
