//! A real browser: Chromium, driven by its DevTools protocol over a pipe. It needs no crate.

mod events;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The longest time that an action may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The focused element, inside elements too: its accessible name, the look of its focus, and a
/// number of its own. Null: none.
const FOCUSED: &str = r"(() => {
  let on = document.activeElement;
  while (on?.shadowRoot?.activeElement) on = on.shadowRoot.activeElement;
  if (!on || on === document.body || on === document.documentElement) return null;
  window.places ??= new WeakMap();
  if (!places.has(on)) places.set(on, (window.posted = (window.posted ?? 0) + 1));
  const texts = [on.ariaLabel, on.labels?.[0]?.textContent, on.textContent, on.id, on.tagName];
  const name = texts.map((text) => text?.trim().replace(/\s+/g, ' ')).find(Boolean);
  return { name, ring: getComputedStyle(on).outlineStyle, at: places.get(on) };
})()";

/// A headless Chromium with its own profile. Dropping this ends it.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    profile: PathBuf,
    sent: u64,
    /// Events that arrived during another wait.
    events: VecDeque<Value>,
}

/// One page, in a browser context that shares no cookie with others.
pub struct Tab<'a> {
    browser: &'a mut Browser,
    session: String,
    /// The errors so far: exceptions, errors on the console, blocked requests.
    errors: Vec<String>,
    requests: Vec<String>,
}

/// The path of Chromium. None: it is not installed.
///
/// # Panics
/// If it is missing with `CI=true`: there the tests that need it must run.
pub fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let all = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = all.into_iter().find(|file| file.is_file());
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI has no Chromium");
        eprintln!("NOT RUN: there is no Chromium on this machine");
    }
    found
}

impl Browser {
    /// Starts Chromium. None: it is not installed, which was printed.
    pub fn start() -> Option<Browser> {
        let program = chromium()?;
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let unique = (std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let profile = std::env::temp_dir().join(format!("scrip-browser-{}-{}", unique.0, unique.1));
        std::fs::create_dir_all(&profile).expect("a folder");
        // The protocol uses descriptors 3 and 4; the shell makes them from its own 0 and 1.
        let line = "exec \"$0\" --headless=new --remote-debugging-pipe --no-sandbox --disable-gpu \
                    --no-first-run --disable-extensions --disable-background-networking \
                    --disable-component-update --hide-scrollbars --lang=en-GB --accept-lang=en-GB \
                    --force-color-profile=srgb --user-data-dir=\"$1\" about:blank \
                    3<&0 4>&1 0</dev/null 1>/dev/null";
        let mut child = Command::new("sh")
            .args(["-c", line])
            .arg(&program)
            .arg(&profile)
            .env("TZ", "Europe/Berlin")
            .env("LANGUAGE", "en_GB")
            .env("TMPDIR", &profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let (to, out) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(out).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("DevTools speaks JSON");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Some(Browser { child, to, from, profile, sent: 0, events: VecDeque::new() })
    }

    /// A new page of this size.
    pub fn tab(&mut self, width: u32, height: u32) -> Tab<'_> {
        let context = self.call(None, "Target.createBrowserContext", json!({}));
        let target =
            json!({ "url": "about:blank", "browserContextId": context["browserContextId"] });
        let target = self.call(None, "Target.createTarget", target);
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", attach);
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        let mut tab = Tab { browser: self, session, errors: Vec::new(), requests: Vec::new() };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        tab.size(width, height);
        tab
    }

    fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.sent += 1;
        let id = self.sent;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("Chromium listens");
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.receive(until).unwrap_or_else(|| panic!("{method}: no answer"));
            if answer["id"] == json!(id) {
                // The page navigated meanwhile: the expression has no value.
                let gone = answer["error"]["message"] == "Inspected target navigated or closed";
                assert!(gone || answer.get("error").is_none(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    fn receive(&mut self, until: Instant) -> Option<Value> {
        match self.from.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("Chromium has ended"),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
        // Its other processes end a moment later, and write until then.
        let until = Instant::now() + Duration::from_secs(2);
        while std::fs::remove_dir_all(&self.profile).is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Tab<'_> {
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        let session = self.session.clone();
        self.browser.call(Some(&session), method, params)
    }

    /// Opens an address and waits until it is loaded.
    pub fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", json!({ "url": url }));
        assert!(opened.get("errorText").is_none(), "{url}: {opened}");
        self.until("document.readyState === 'complete'");
    }

    /// Opens a link and presses its button.
    pub fn enter(&mut self, link: &str) {
        self.open(link);
        self.eval("document.querySelector('main button').click()");
        self.until("document.querySelector('#hero') && document.readyState === 'complete'");
    }

    /// The value of an expression, awaited if it is a promise.
    pub fn eval(&mut self, expression: &str) -> Value {
        let ask = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
            "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", ask);
        let thrown = answer.get("exceptionDetails");
        assert!(thrown.is_none(), "{expression}: {}", thrown.unwrap_or(&Value::Null));
        answer["result"]["value"].clone()
    }

    pub fn text(&mut self, expression: &str) -> String {
        let value = self.eval(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression}: {value}")).to_owned()
    }

    /// Waits until an expression is true. An expression about an absent element is not true.
    pub fn until(&mut self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        let guarded = format!("(() => {{ try {{ return !!({expression}) }} catch {{}} }})()");
        while self.eval(&guarded) != json!(true) {
            let body = "document.body?.innerText.slice(0, 2000)";
            assert!(Instant::now() < until, "never: {expression}\n{}", self.eval(body));
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    /// Presses Tab until the element called `name` has the focus. The focus is visible at every
    /// step, and is never lost or kept on the way.
    pub fn reach(&mut self, name: &str) {
        let (mut lost, mut kept, mut seen, mut before) = (0, 0, Vec::new(), Value::Null);
        while lost < 3 {
            self.press("Tab");
            let place = self.eval(FOCUSED);
            if place.is_null() {
                // After the last element the browser's own
                // bar has the focus, then the first element.
                lost += 1;
                assert_ne!(before, Value::Null, "the focus is lost after {seen:?}");
            } else {
                assert_ne!(place["ring"], "none", "{} does not show its focus", place["name"]);
                // A date field has four stops of its own: day, month, year, calendar.
                kept = if place["at"] == before["at"] { kept + 1 } else { 0 };
                assert!(kept < 4, "the focus is kept at {}", place["name"]);
                if place["name"] == name {
                    return;
                }
                seen.push(place["name"].clone());
            }
            before = place;
        }
        panic!("{name} is not reached: {seen:?}");
    }

    /// Lets this many milliseconds of the page's own time pass, as fast as the page can do its
    /// work. Then its time stands still.
    pub fn pass(&mut self, ms: u64) {
        let budget = json!({ "policy": "pauseIfNetworkFetchesPending", "budget": ms });
        self.call("Emulation.setVirtualTimePolicy", budget);
        let until = Instant::now() + PATIENCE;
        let (session, over) = (json!(self.session), "Emulation.virtualTimeBudgetExpired");
        let events = &mut self.browser.events;
        let is_over = |event: &Value| event["method"] == over && event["sessionId"] == session;
        if let Some(at) = events.iter().position(is_over) {
            events.remove(at);
            return;
        }
        loop {
            let event = self.browser.receive(until).expect("the time passes");
            if is_over(&event) {
                return;
            }
            self.browser.events.push_back(event);
        }
    }

    /// Clicks at this place of the window.
    pub fn click(&mut self, x: u32, y: u32) {
        for kind in ["mousePressed", "mouseReleased"] {
            let press = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", press);
        }
    }

    /// Sets whether the network is available.
    pub fn online(&mut self, is: bool) {
        let none = json!({
            "offline": !is, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.call("Network.emulateNetworkConditions", none);
    }

    /// Sets the folder of downloads from now on.
    pub fn downloads(&mut self, folder: &Path) {
        let to = json!({ "behavior": "allow", "downloadPath": folder });
        self.call("Page.setDownloadBehavior", to);
    }

    /// Presses a key, as a person at a keyboard does.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            "Escape" => (27, None),
            " " => (32, Some(" ")),
            "/" => (191, Some("/")),
            "ArrowUp" => (38, None),
            "ArrowDown" => (40, None),
            "ArrowLeft" => (37, None),
            "Home" => (36, None),
            other => panic!("which key is {other}?"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({
                "type": kind, "key": key, "windowsVirtualKeyCode": code,
                "code": match key { " " => "Space", "/" => "Slash", key => key },
            });
            if let (Some(text), "keyDown") = (text, kind) {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Types a text into the focused element.
    pub fn insert(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    pub fn size(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// `light` or `dark`.
    pub fn scheme(&mut self, scheme: &str) {
        self.media("screen", scheme);
    }

    /// On `screen` or in `print`, `light` or `dark`.
    pub fn media(&mut self, media: &str, scheme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        let emulated = json!({ "media": media, "features": features });
        self.call("Emulation.setEmulatedMedia", emulated);
    }

    /// Puts the browser into a time zone, with a language that its owner reads.
    pub fn lives_in(&mut self, zone: &str, language: &str) {
        self.call("Emulation.setTimezoneOverride", json!({ "timezoneId": zone }));
        self.call("Emulation.setLocaleOverride", json!({ "locale": language }));
        let agent = self.text("navigator.userAgent");
        let owner = json!({ "userAgent": agent, "acceptLanguage": language });
        self.call("Emulation.setUserAgentOverride", owner);
    }

    pub fn without_scripts(&mut self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    }

    /// A picture of the window as PNG.
    pub fn picture(&mut self, file: &Path) {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let data = picture["data"].as_str().expect("a picture");
        let bytes = aws_smithy_types::base64::decode(data).expect("base64");
        std::fs::write(file, bytes).expect("the picture is written");
    }

    /// Errors since the last call: exceptions, console errors, blocked requests.
    pub fn take_errors(&mut self) -> Vec<String> {
        // Every event before an answered call has arrived.
        self.eval("0");
        self.sort_events();
        std::mem::take(&mut self.errors)
    }

    /// The addresses requested since the last call.
    pub fn take_requests(&mut self) -> Vec<String> {
        self.eval("0");
        self.sort_events();
        std::mem::take(&mut self.requests)
    }

    fn sort_events(&mut self) {
        for event in std::mem::take(&mut self.browser.events) {
            if event["sessionId"] != json!(self.session) {
                continue;
            }
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" => self.errors.push(params.to_string()),
                "Runtime.consoleAPICalled" if params["type"] == "error" => {
                    self.errors.push(params["args"].to_string());
                }
                "Log.entryAdded" if params["entry"]["level"] == "error" => {
                    let entry = &params["entry"];
                    self.errors.push(format!("{} {}", entry["text"], entry["url"]));
                }
                "Network.loadingFailed" if params.get("blockedReason").is_some() => {
                    self.errors.push(params.to_string());
                }
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap_or_default();
                    self.requests.push(url.to_owned());
                }
                _ => {}
            }
        }
    }
}
