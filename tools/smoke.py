#!/usr/bin/env python3
"""What a deployed stack has to show, asked of it from outside, in half a minute.

    tools/smoke.py STACK                         # the stack's name; your AWS credentials sign
    tools/smoke.py --url http://127.0.0.1:3000   # the local stack, where nothing is signed

With a stack it needs a Python that has boto3, and OperatorAccess and SpendAccess, and credentials
that may describe the stack and its queues, list the subscriptions of its alarms, read the secret
of its webhook, invoke its functions and read its logs.

It opens an account of its own, `smoke-` and a number. At the end it spends the rest of the credits,
ends the plan and freezes the account, also after a failure. It buys nothing: a checkout is begun
and left to expire, in the mode that the stack's key of Stripe has. The webhook gets a signed event
of a type that changes nothing.

A 429 is sent again, up to seven times. At the first thing that is not as it should be it stops with
exit code 1, and says what was answered.
"""

import argparse
import concurrent.futures
import decimal
import json
import statistics
import time
import urllib.parse
import uuid

from stack import Deployed, Local, NotTried, expect

SPEND = 100  # debits at once, each sent twice
CALLERS = 8


def main():
    options = argparse.ArgumentParser(description="What a stack has to show.")
    where = options.add_mutually_exclusive_group(required=True)
    where.add_argument("stack", nargs="?", help="the name of a deployed stack")
    where.add_argument("--url", help="a stack that wants no signatures")
    options.add_argument("--plan", default="pro", help="a plan of the catalog, with AI")
    options.add_argument("--no-stripe", action="store_true", help="a stack without Stripe")
    options.add_argument("--webhook-secret", help="as Stripe shows it; else the stack's own")
    options.add_argument("--stage", help="prod: somebody must get alarms; else the stack's tag")
    options = options.parse_args()

    stack = Deployed(options.stack) if options.stack else Local(options.url)
    stack.stripe = stack.stripe and not options.no_stripe
    stack.webhook_secret = options.webhook_secret or stack.webhook_secret
    stack.stage = options.stage or stack.stage
    account = Account(stack, f"smoke-{int(time.time())}", options.plan)
    try:
        skipped = run(stack, account)
    except BaseException:
        try:
            account.close()
        except (Exception, SystemExit) as why:
            print(f"{account.name} is not closed: {why}", flush=True)
        raise
    print(f"{len(CHECKS) - skipped} passed, 0 failed, {skipped} skipped")


def run(stack, account):
    """Makes the checks in their order; returns how many of them cannot be made here."""
    skipped = 0
    for check in CHECKS:
        name, begun = check.__name__.replace("_", " "), time.monotonic()
        try:
            said = check(stack, account)
            took = 1000 * (time.monotonic() - begun)
            print(f"ok  {name}: {said} ({took:.0f} ms)", flush=True)
        except NotTried as why:
            print(f"--  {name}: not tried, {why}", flush=True)
            skipped += 1
    return skipped


# What is asked, in this order.


def an_account_is_opened(_, account):
    account.ask("PUT", "", {"plan": account.plan}, status=201)
    granted = {"credits": "10", "reason": "smoke test"}
    account.ask("POST", "/grants", granted, status=201)
    return f"{account.name} has {account.available()} credits"


def a_debit_happens_once(_, account):
    before, key = account.available(), operation()
    first = account.ask("POST", "/debits", {"credits": "1"}, key=key, status=201)
    again = account.ask("POST", "/debits", {"credits": "1"}, key=key, status=201)
    expect(first.body["id"] == again.body["id"], "the same receipt", again)
    expect(again.headers.get("idempotent-replayed") == "true", "said to be a replay", again)
    expect(account.available() == before - 1, f"{before - 1} credits left", account.balance)
    return f"sent twice, charged once, {account.available()} left"


def nobody_overdraws(_, account):
    too_many = {"credits": str(account.available() + 1)}
    refused = account.ask("POST", "/debits", too_many, status=402)
    expect(refused.body["shortfall"] == "1", "a shortfall of 1", refused)
    return refused.body["code"]


def a_key_is_for_one_request(_, account):
    key = operation()
    account.ask("POST", "/debits", {"credits": "1"}, key=key, status=201)
    return account.ask("POST", "/debits", {"credits": "2"}, key=key, status=422).body["code"]


def a_hold_is_captured_in_part(_, account):
    before = account.available()
    hold = account.ask("POST", "/holds", {"credits": "2"}, status=201).body["id"]
    expect(account.available() == before - 2, "2 credits set aside", account.balance)
    account.ask("POST", f"/holds/{hold}/capture", {"credits": "1.5"}, status=201)
    expect(account.available() == before - decimal.Decimal("1.5"), "the rest back", account.balance)
    ended = account.ask("POST", f"/holds/{hold}/release", {}, status=409)
    return f"1.5 of 2 charged, then {ended.body['code']}"


def a_debit_is_refunded_and_no_more(_, account):
    debit = account.ask("POST", "/debits", {"credits": "3"}, status=201).body["id"]
    refund = {"credits": "2", "reason": "smoke test"}
    account.ask("POST", f"/debits/{debit}/refund", refund, status=201)
    return account.ask("POST", f"/debits/{debit}/refund", refund, status=422).body["code"]


def many_at_once_are_each_charged_once(_, account):
    before, each = account.available(), decimal.Decimal("0.01")

    def spend(key):
        begun = time.monotonic()
        account.ask("POST", "/debits", {"credits": str(each)}, key=key, status=201)
        return 1000 * (time.monotonic() - begun)

    keys = 2 * [operation() for _ in range(SPEND)]
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as callers:
        times = sorted(callers.map(spend, keys))
    left = before - SPEND * each
    expect(account.available() == left, f"{left} credits left", account.balance)
    median, late = statistics.median(times), times[len(times) * 95 // 100]
    return f"{len(keys)} requests of {CALLERS} callers, median {median:.0f} ms, 95 % {late:.0f} ms"


def the_ledger_is_whole_and_sums_to_the_balance(_, account):
    entries, cursor = [], ""
    while cursor is not None:
        after = f"&cursor={urllib.parse.quote(cursor)}" if cursor else ""
        page = account.ask("GET", f"/ledger?limit=100{after}", status=200).body
        entries += page["entries"]
        cursor = page.get("next_cursor")
    numbers = [entry["seq"] for entry in entries]
    expect(numbers == list(range(len(numbers), 0, -1)), "n, n-1, ..., 1", numbers)
    total = sum(decimal.Decimal(entry["available"]) for entry in entries)
    balance = account.available()
    expect(total == balance, f"a sum of {balance}", str(total))
    return f"{len(entries)} entries, sum {total}"


def a_customer_sees_one_account(stack, account):
    if stack.origin is None:
        raise NotTried("the parameter AllowedOrigins is empty")
    wanted = {"subject": "smoke", "scopes": ["buy"], "return_url": stack.origin}
    session = account.ask("POST", "/sessions", wanted, status=201).body
    link = urllib.parse.urlsplit(session["url"])
    looked = stack.send("GET", f"{link.path}?{link.query}", signed=False)
    expect(looked.status == 200 and account.name in looked.text, "whose credits open", looked)
    entered = stack.press(link)
    expect(entered.status == 303, "303", entered)
    cookie = {"Cookie": entered.headers["set-cookie"].split(";")[0]}
    page = stack.send("GET", "/", headers=cookie, signed=False)
    expect(page.status == 200 and account.name in page.text, "the account's page", page)
    expect(stack.press(link).status == 401, "once", link)
    expect(stack.send("GET", "/v1/me/balance", signed=False).status == 401, "nobody else", "")
    account.token = {"Authorization": f"Bearer {session['token']}"}
    packs = stack.send("GET", "/v1/me/packs", headers=account.token, signed=False)
    expect(packs.status == 200, "200", packs)
    account.packs = [pack["pack"] for pack in packs.body["packs"]]
    return f"the page by a link that works once; for sale: {', '.join(account.packs)}"


def a_checkout_is_begun(stack, account):
    if not stack.stripe:
        raise NotTried("Stripe is not to be asked")
    if not account.packs:
        raise NotTried("nobody has seen anything for sale")
    order = {**account.token, "Idempotency-Key": operation()}
    pack = {"pack": account.packs[0]}
    begun = stack.send("POST", "/v1/me/checkouts", pack, headers=order, signed=False)
    expect(begun.status == 201, "a checkout", begun)
    return f"at {urllib.parse.urlsplit(begun.body['url']).netloc}"


def an_event_of_stripe_is_accepted(stack, _):
    if not stack.stripe:
        raise NotTried("Stripe is not to be asked")
    event = {
        "id": f"evt_smoke_{uuid.uuid4().hex}",
        "object": "event",
        "type": "scrip.smoke_test",  # of no type of Stripe's: it changes nothing
        "livemode": False,
    }
    told = stack.tell(event, stack.webhook_secret)
    wrong = "a webhook that accepts this secret. It has another one or cannot read its own, so it" \
        " refuses Stripe's events: customers who pay are not credited. Look at the secret of" \
        " StripeWebhookSecretArn"
    expect(told.status != 400, wrong, told)
    expect(told.status == 200 and told.body["outcome"] == "ignored", "200 and ignored", told)
    return "a signed event 200"


def who_is_nobody_is_refused(stack, account):
    told = stack.tell({}, "a secret that nobody has")
    # A stack without Stripe has no such route.
    expect(told.status in ([400] if stack.stripe else [400, 404]), "400", told)
    for strange in ["/assets/%20/%3C", "/?t=<"]:
        answered = stack.send("GET", strange, signed=False)
        expect(400 <= answered.status < 500, "a refusal", answered)
    if not stack.signs:
        return "a forged webhook 400"
    unsigned = stack.send("GET", f"{account.path}/balance", signed=False)
    expect(unsigned.status == 403, "403", unsigned)
    return "a forged webhook 400, an unsigned request 403"


def the_function_is_invoked_without_the_gateway(stack, account):
    stack.must_be_deployed()
    event = {"account": account.name, "id": operation(), "credits": "1"}
    debit = stack.outputs["DebitFunction"]
    receipt = stack.invoke(debit, event)
    expect(receipt.get("credits") == "1", "a receipt", receipt)
    expect(stack.invoke(debit, event)["id"] == receipt["id"], "the same receipt", receipt)
    return "one receipt for two invocations"


def what_the_schedules_run_finds_nothing(stack, _):
    stack.must_be_deployed()
    swept = stack.invoke(stack.resource("Recharge"), {"task": "recharge"})
    if stack.stripe:
        stack.invoke(stack.resource("Reconcile"), {"task": "reconcile"})
    # The schedule only begins an audit. This is a part of one, with all accounts.
    accounts = {"accounts": {"segment": 0, "of": 1, "after": None}}
    part = {"version": 1, "work": accounts, "seen": 0, "differences": 0}
    audited = stack.invoke(stack.resource("Audit"), {"Records": [{"body": json.dumps(part)}]})
    expect(audited.get("differences") == 0, "no difference", audited)
    now = stack.dead_letters()
    more = {queue: count for queue, count in now.items() if count > stack.dead.get(queue, 0)}
    expect(not more, "no more dead letters than before", more)
    old = ", ".join(f"{count} old in {queue}" for queue, count in now.items() if count)
    return f"recharge {swept}, audit {audited}, no new dead letters{old and '; ' + old}"


def somebody_receives_the_alarms(stack, _):
    stack.must_be_deployed()
    there = stack.subscribers()
    if there == 0 and stack.stage != "prod":
        raise NotTried("nobody has confirmed a subscription, and the stage is not prod")
    expect(there > 0, "a confirmed subscription of the alarms' topic: see AlarmEmail", there)
    return f"{there} confirmed"


def an_account_is_left_without_credits(_, account):
    spent = account.available()
    account.close()
    expect(account.available() == 0, "no credits left", account.balance)
    return f"the last {spent} spent, the plan ended"


def an_account_is_frozen(_, account):
    return account.ask("POST", "/debits", {"credits": "1"}, status=403).body["code"]


def what_its_starts_took(stack, _):
    stack.must_be_deployed()
    return stack.starts()


CHECKS = [
    an_account_is_opened,
    a_debit_happens_once,
    nobody_overdraws,
    a_key_is_for_one_request,
    a_hold_is_captured_in_part,
    a_debit_is_refunded_and_no_more,
    many_at_once_are_each_charged_once,
    the_ledger_is_whole_and_sums_to_the_balance,
    a_customer_sees_one_account,
    a_checkout_is_begun,
    an_event_of_stripe_is_accepted,
    who_is_nobody_is_refused,
    the_function_is_invoked_without_the_gateway,
    what_the_schedules_run_finds_nothing,
    somebody_receives_the_alarms,
    an_account_is_left_without_credits,
    an_account_is_frozen,
    what_its_starts_took,
]


def operation():
    """A key for an operation that begins now: 48 bits of milliseconds first, as in a ULID."""
    millis = int(time.time() * 1000)
    drawn = uuid.uuid4().int & ~(-1 << 62)
    return str(uuid.UUID(int=(millis << 80) | (7 << 76) | (2 << 62) | drawn))


class Account:
    """The account of this run, and what it was told last."""

    def __init__(self, stack, name, plan):
        self.stack, self.name, self.plan = stack, name, plan
        self.path = f"/v1/accounts/{name}"
        self.balance, self.token, self.packs, self.closed = None, None, [], False

    def ask(self, method, route, body=None, *, key=None, status):
        headers = {"Idempotency-Key": key or operation()} if method != "GET" else {}
        reply = self.stack.send(method, self.path + route, body, headers=headers)
        expect(reply.status == status, status, reply)
        return reply

    def available(self):
        self.balance = self.ask("GET", "/balance", status=200)
        return decimal.Decimal(self.balance.body["available"])

    def close(self):
        """Spends what is left, ends the plan, which would grant more later, and freezes."""
        if self.closed or self.stack.send("GET", f"{self.path}/balance").status == 404:
            return  # the latter: it was never opened
        left = self.available()
        if left > 0:
            self.ask("POST", "/debits", {"credits": str(left)}, status=201)
        self.ask("PUT", "", {"plan": self.plan, "status": "canceled"}, status=201)
        self.ask("POST", "/freeze", {"reason": "smoke test"}, status=201)
        self.closed = True


if __name__ == "__main__":
    main()
