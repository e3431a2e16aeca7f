"""What random requests need to get past the door: signatures, links and ids of what is there.

Two of three valid requests get it; the third shows what is answered without. What was answered is counted
by operation and status, for ./run to print and to judge.
"""

import atexit
import collections
import hashlib
import hmac
import json
import os
import time

import requests
import schemathesis

BASE = os.environ["SCRIP_BASE"]
WEBHOOK_SECRET = os.environ["SCRIP_WEBHOOK_SECRET"]
ANSWERED = os.environ["SCRIP_ANSWERED"]

# The account of all holds, debits and sessions.
ACCOUNT = "acme"
# The kind of a path's {id}, by operation.
IDS = {
    "capture": "hold", "release": "hold", "extend": "hold", "refund": "debit", "revoke": "grant",
    "getCheckout": "beginCheckout", "releasePayment": "parked", "dismissPayment": "parked",
}

SPENT = {"action": "rich_text", "quantity": 20}
# What makes one of a kind.
BODIES = {
    # At most 32 holds are open.
    "hold": SPENT | {"expires_in_s": 5},
    "debit": SPENT,
    "grant": {"credits": "1", "reason": "contract"},
}

answered = collections.defaultdict(collections.Counter)
known = collections.defaultdict(lambda: collections.deque(maxlen=8))
turn = collections.Counter()


class Signed(requests.auth.AuthBase):
    """Signs the bytes of a webhook as Stripe does."""

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        at = str(int(time.time()))
        mac = hmac.new(WEBHOOK_SECRET.encode(), at.encode() + b"." + body, hashlib.sha256)
        request.headers["Stripe-Signature"] = f"t={at},v1={mac.hexdigest()}"
        return request


def park():
    """Has a customer pay another amount than was ordered. The payment waits for an operator."""
    key = str(time.time_ns())
    order = requests.post(
        f"{BASE}/v1/me/checkouts",
        headers={"Authorization": f"Bearer {os.environ['SCRIP_TOKEN']}", "Idempotency-Key": key},
        data=json.dumps({"pack": "starter"}), timeout=20,
    ).json()
    # Random requests may have frozen the account: then it orders nothing.
    if "id" not in order:
        return "pi_none"
    session = {
        "object": "checkout.session", "id": f"cs_{key}", "status": "complete",
        "payment_status": "paid", "payment_intent": f"pi_{key}", "amount_total": 1,
        "currency": "usd", "metadata": {"scrip_order": order["id"], "scrip_account": ACCOUNT},
    }
    event = {
        "id": f"evt_{key}", "object": "event", "type": "checkout.session.completed",
        "livemode": False, "data": {"object": session},
    }
    requests.post(f"{BASE}/v1/stripe/webhook", json=event, auth=Signed(), timeout=20)
    return session["payment_intent"]


def begin(kind):
    """A new hold, debit or grant. Random requests freeze the account too, and it is thawed first."""
    for route, sent in ("unfreeze", {"reason": "contract"}), (f"{kind}s", BODIES[kind]):
        made = requests.post(
            f"{BASE}/v1/accounts/{ACCOUNT}/{route}",
            headers={"Idempotency-Key": f"{route} {time.time_ns()}"},
            data=json.dumps(sent), timeout=20,
        )
    if made.ok:
        known[kind].append(made.json()["id"])


def make(kind):
    """An id of something that is there, made now if none was left."""
    if kind == "parked" and turn[kind] % 2:
        return park()
    if kind == "parked":
        listed = requests.get(f"{BASE}/v1/payments?state=parked", timeout=20).json()
        return next((one["id"] for one in listed["payments"]), "evt_none")
    # Every other one is new, because an id that random requests use may have ended long ago.
    if kind in BODIES and (turn[kind] % 2 or not known[kind]):
        begin(kind)
    ids = known[kind]
    # Often the same id again, which has ended or was refunded by then.
    return ids.popleft() if turn[kind] % 3 == 0 and len(ids) > 1 else ids[-1] if ids else None


def link():
    made = requests.post(
        f"{BASE}/v1/accounts/{ACCOUNT}/sessions",
        data=json.dumps({"subject": "ada", "return_url": f"{BASE}/"}), timeout=20,
    )
    return made.json()["url"].split("t=")[1]


@schemathesis.hook
def before_call(context, case, kwargs):
    name = case.operation.definition.raw["operationId"]
    turn[name] += 1
    if turn[name] % 3 == 0 or case.meta.generation.mode.is_negative:
        return
    # Random keys often repeat: then they replay, or are refused as used for another request.
    if turn[name] % 3 == 1 and "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(time.time_ns())
    if name == "hearStripe":
        kwargs["auth"] = Signed()
    if name == "lookAtLink":
        case.query["t"] = link()
    if name == "enter":
        case.body = {"t": link()}
    if name in ("enter", "leave"):
        case.headers["Origin"] = BASE
    if name in ("getPage", "getStatement"):
        case.headers["Cookie"] = os.environ["SCRIP_COOKIE"]
        case.headers.pop("Scrip-Session", None)
    if name in IDS:
        kind = IDS[name]
        turn[kind] += 1
        found = make(kind)
        if found:
            case.path_parameters["id"] = found
            if "account" in case.path_parameters:
                case.path_parameters["account"] = ACCOUNT


@schemathesis.hook
def after_call(context, case, response):
    name = case.operation.definition.raw["operationId"]
    answered[name][response.status_code] += 1
    if name in ("hold", "debit", "beginCheckout") and response.status_code == 201:
        if case.path_parameters is None or case.path_parameters.get("account", ACCOUNT) == ACCOUNT:
            known[name].append(response.json()["id"])


@atexit.register
def write():
    with open(ANSWERED, "w") as file:
        json.dump(answered, file)
