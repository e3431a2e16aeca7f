// Writes signatures.json: headers, bodies and secrets, with what Stripe's own verifier says of each.
//
//   npm install stripe && node signatures.mjs > signatures.json
//
// The test that reads the corpus needs neither. Its clock stands at NOW.
import { createHmac } from "node:crypto";
import Stripe from "stripe";

const NOW = 1795003200; // 2026-11-18T12:00:00Z
const NEW = "whsec_new", OLD = "whsec_old";
const stripe = new Stripe("sk_test_corpus");
const body = JSON.stringify({ id: "evt_1", object: "event", type: "charge.refunded" });
const mac = (time, payload, secret) =>
  createHmac("sha256", secret).update(`${time}.${payload}`).digest("hex");
const v1 = (time, secret = NEW, payload = body) => `v1=${mac(time, payload, secret)}`;
const header = (time, ...rest) => [`t=${time}`, ...rest].join(",");
const cases = [];
const add = (name, header, payload = body, secrets = [NEW]) => cases.push({ name, header, payload, secrets });

add("signed", header(NOW, v1(NOW)));
for (const age of [1, 299, 300, 301, 302, 86400])
  add(`${age} s old`, header(NOW - age, v1(NOW - age)));
for (const age of [1, 299, 300, 301, 86400])
  add(`${age} s ahead`, header(NOW + age, v1(NOW + age)));
add("old secret while rotating", header(NOW, v1(NOW, OLD)), body, [NEW, OLD]);
add("old secret after rotating", header(NOW, v1(NOW, OLD)));
add("both secrets, both signatures", header(NOW, v1(NOW, OLD), v1(NOW)), body, [NEW, OLD]);
add("wrong then right signature", header(NOW, `v1=${"0".repeat(64)}`, v1(NOW)));
add("right then wrong signature", header(NOW, v1(NOW), `v1=${"0".repeat(64)}`));
add("many wrong signatures", header(NOW, ...Array(20).fill(`v1=${"0".repeat(64)}`)));
add("v0 besides", header(NOW, v1(NOW), `v0=${mac(NOW, body, NEW)}`));
add("v0 alone", header(NOW, `v0=${mac(NOW, body, NEW)}`));
add("signature first", [v1(NOW), `t=${NOW}`].join(","));
add("no time", v1(NOW));
add("no signature", `t=${NOW}`);
add("empty", "");
add("no name", "hello");
add("two times, the last signed", `t=${NOW - 1},t=${NOW},${v1(NOW)}`);
add("two times, the first signed", `t=${NOW},t=${NOW - 1},${v1(NOW)}`);
add("a time with a sign", `t=+${NOW},${v1(`+${NOW}`)}`);
add("a negative time", `t=-1,${v1("-1")}`);
add("a time with a fraction", `t=${NOW}.5,${v1(`${NOW}.5`)}`);
add("a time with letters", `t=${NOW}x,${v1(`${NOW}x`)}`);
add("a time of 0", `t=0,${v1("0")}`);
add("a time with leading zeros", `t=0${NOW},${v1(`0${NOW}`)}`);
add("a huge time", `t=99999999999999999999,${v1("99999999999999999999")}`);
add("upper-case hex", header(NOW, v1(NOW).toUpperCase().replace("V1", "v1")));
add("a short signature", header(NOW, v1(NOW).slice(0, -1)));
add("a long signature", header(NOW, `${v1(NOW)}0`));
add("an empty signature", header(NOW, "v1="));
add("a space after the comma", `t=${NOW}, ${v1(NOW)}`);
add("a space before", ` t=${NOW},${v1(NOW)}`);
add("a trailing comma", `${header(NOW, v1(NOW))},`);
add("another body", header(NOW, v1(NOW)), body.replace("evt_1", "evt_2"));
add("a body with a space more", header(NOW, v1(NOW)), `${body} `);
add("another scheme", header(NOW, v1(NOW).replace("v1", "v2")));
add("an empty body", header(NOW, v1(NOW, NEW, "")), "");
add("a body beyond ASCII", header(NOW, v1(NOW, NEW, "{\"id\":\"é\u{1F600}\"}")), "{\"id\":\"é\u{1F600}\"}");
add("a body that is no JSON", header(NOW, v1(NOW, NEW, "{")), "{");

for (const one of cases)
  one.accepted = one.secrets.some((secret) => {
    try {
      return stripe.webhooks.signature.verifyHeader(one.payload, one.header, secret, 300, undefined, NOW * 1000) === true;
    } catch {
      return false;
    }
  });
console.log(JSON.stringify({ stripe: Stripe.PACKAGE_VERSION, now_s: NOW, cases }, null, 1));
