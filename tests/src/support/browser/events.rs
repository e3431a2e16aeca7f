//! The events of a tab, as the DevTools protocol tells them, and the network that they are about.

use serde_json::{Value, json};

use super::Tab;

impl Tab<'_> {
    /// The parameters of this tab's events of one kind since the last call, such as
    /// `Network.loadingFinished`.
    pub fn take_events(&mut self, method: &str) -> Vec<Value> {
        // Every event before an answered call has arrived.
        self.eval("0");
        let mut taken = Vec::new();
        for mut event in std::mem::take(&mut self.browser.events) {
            if event["method"] == method && event["sessionId"] == json!(self.session) {
                taken.push(event["params"].take());
            } else {
                self.browser.events.push_back(event);
            }
        }
        taken
    }

    /// Slows the network down. Each answer begins after `latency_ms`.
    pub fn slow(&mut self, bytes_per_s: u32, latency_ms: u32) {
        let slow = json!({
            "offline": false, "latency": latency_ms, "downloadThroughput": bytes_per_s,
            "uploadThroughput": bytes_per_s,
        });
        self.call("Network.emulateNetworkConditions", slow);
    }

    /// Whether the browser may keep answers.
    pub fn caches(&mut self, may: bool) {
        self.call("Network.setCacheDisabled", json!({ "cacheDisabled": !may }));
    }
}
