#!/usr/bin/env python3
"""What a deployed stack has to show, asked of it from outside, in half a minute.

    tools/smoke.py STACK                         # the stack's name; your AWS credentials sign
    tools/smoke.py --url http://127.0.0.1:3000   # the local stack, where nothing is signed

With a stack it needs a Python that has boto3, and credentials that may describe the stack, invoke
its functions and read its logs, besides OperatorAccess and ServiceAccess. It opens an account of
its own, `smoke-` and a number, and freezes it at the end. It buys nothing: a checkout is begun and
left to expire, in the mode that the stack's key of Stripe has.

It stops with exit code 1 at the first thing that is not as it should be, and says what was answered.
"""

import argparse
import concurrent.futures
import decimal
import http.client
import json
import statistics
import time
import urllib.parse
import uuid

SPEND = 100  # debits at once, each sent twice
CALLERS = 8


def main():
    options = argparse.ArgumentParser(description="What a stack has to show.")
    where = options.add_mutually_exclusive_group(required=True)
    where.add_argument("stack", nargs="?", help="the name of a deployed stack")
    where.add_argument("--url", help="a stack that wants no signatures")
    options.add_argument("--plan", default="pro", help="a plan of the catalog, with AI")
    options.add_argument("--no-stripe", action="store_true", help="begin no checkout")
    options = options.parse_args()

    stack = Deployed(options.stack) if options.stack else Local(options.url)
    stack.stripe = not options.no_stripe
    account = Account(stack, f"smoke-{int(time.time())}", options.plan)
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
    print(f"{len(CHECKS) - skipped} passed, 0 failed, {skipped} skipped")


class NotTried(Exception):
    """Why a check cannot be made here."""


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


def who_is_nobody_is_refused(stack, account):
    forged = {"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"}
    told = stack.send("POST", "/v1/stripe/webhook", {}, headers=forged, signed=False)
    expect(told.status == 400, "400", told)
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
    receipt = stack.invoke("Debit", event)
    expect(receipt.get("credits") == "1", "a receipt", receipt)
    expect(stack.invoke("Debit", event)["id"] == receipt["id"], "the same receipt", receipt)
    return "one receipt for two invocations"


def what_the_schedules_run_finds_nothing(stack, _):
    stack.must_be_deployed()
    swept = stack.invoke("Recharge", {"task": "recharge"})
    if stack.stripe:
        stack.invoke("Reconcile", {"task": "reconcile"})
    # The schedule only begins an audit. This is a part of one, with all accounts.
    accounts = {"accounts": {"segment": 0, "of": 1, "after": None}}
    part = {"version": 1, "work": accounts, "seen": 0, "differences": 0}
    audited = stack.invoke("Audit", {"Records": [{"body": json.dumps(part)}]})
    expect(audited.get("differences") == 0, "no difference", audited)
    expect(stack.dead_letters() == 0, "no dead letters", stack.dead_letters())
    return f"recharge {swept}, audit {audited}, no dead letters"


def an_account_is_frozen(_, account):
    account.ask("POST", "/freeze", {"reason": "smoke test"}, status=201)
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
    who_is_nobody_is_refused,
    the_function_is_invoked_without_the_gateway,
    what_the_schedules_run_finds_nothing,
    an_account_is_frozen,
    what_its_starts_took,
]


def operation():
    """A key for an operation that begins now: 48 bits of milliseconds first, as in a ULID."""
    millis = int(time.time() * 1000)
    return str(uuid.UUID(int=(millis << 80) | (7 << 76) | (2 << 62) | uuid.uuid4().int & ~(-1 << 62)))


def expect(so, wanted, answered):
    if not so:
        shown = vars(answered) if isinstance(answered, Reply) else answered
        raise SystemExit(f"FAILED  expected {wanted}, was answered {shown}")


class Reply:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        json_like = "json" in headers.get("content-type", "")
        self.body = json.loads(text) if json_like and text else None


class Account:
    """The account of this run, and what it was told last."""

    def __init__(self, stack, name, plan):
        self.stack, self.name, self.plan = stack, name, plan
        self.path = f"/v1/accounts/{name}"
        self.balance, self.token, self.packs = None, None, []

    def ask(self, method, route, body=None, *, key=None, status):
        headers = {"Idempotency-Key": key or operation()} if method != "GET" else {}
        reply = self.stack.send(method, self.path + route, body, headers=headers)
        expect(reply.status == status, status, reply)
        return reply

    def available(self):
        self.balance = self.ask("GET", "/balance", status=200)
        return decimal.Decimal(self.balance.body["available"])


class Local:
    """A stack that wants no signatures."""

    signs = False

    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.origin = url

    def must_be_deployed(self):
        if not self.signs:
            raise NotTried("it needs a deployed stack")

    def send(self, method, path, body=None, headers=None, signed=True):
        data = b"" if body is None else json.dumps(body).encode()
        headers = {**(headers or {}), **({"Content-Type": "application/json"} if data else {})}
        if signed and self.signs:
            headers = self.sign(method, path, data, headers)
        return self.exchange(method, path, data, headers)

    def press(self, link):
        """Presses the button of a link's page, as a browser does."""
        headers = {
            "Origin": f"{link.scheme}://{link.netloc}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.exchange("POST", link.path, link.query.encode(), headers)

    def exchange(self, method, path, data, headers):
        connect = {"https": http.client.HTTPSConnection, "http": http.client.HTTPConnection}
        connection = connect[self.url.scheme](self.url.netloc, timeout=30)
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, answer.read().decode())
        finally:
            connection.close()


class Deployed(Local):
    """A stack in an AWS account."""

    signs = True

    def __init__(self, name):
        import boto3  # only here: the local stack is asked with what Python has

        self.name, self.session = name, boto3.Session()
        described = self.session.client("cloudformation").describe_stacks(StackName=name)
        (stack,) = described["Stacks"]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
        super().__init__(self.outputs["ApiUrl"])
        self.origin = next(filter(None, given["AllowedOrigins"].split(",")), None)
        self.begun = int(time.time() * 1000)

    def sign(self, method, path, data, headers):
        from botocore import auth, awsrequest

        credentials = self.session.get_credentials().get_frozen_credentials()
        signer = auth.SigV4Auth(credentials, "execute-api", self.session.region_name)
        request = awsrequest.AWSRequest(method, self.url.geturl() + path, headers, data)
        signer.add_auth(request)
        return dict(request.headers)

    def resource(self, logical):
        """What CloudFormation called a resource of the template."""
        client = self.session.client("cloudformation")
        asked = {"StackName": self.name, "LogicalResourceId": logical}
        return client.describe_stack_resource(**asked)["StackResourceDetail"]["PhysicalResourceId"]

    def invoke(self, logical, event):
        from botocore.config import Config

        # The longest may run for 15 minutes; asked a second time meanwhile, it would run twice.
        patient = Config(read_timeout=910, retries={"max_attempts": 0})
        client = self.session.client("lambda", config=patient)
        asked = {"FunctionName": self.resource(logical), "Payload": json.dumps(event)}
        answer = client.invoke(**asked)
        payload = json.loads(answer["Payload"].read())
        expect("FunctionError" not in answer, "no error of the function", payload)
        return payload

    def dead_letters(self):
        name = "ApproximateNumberOfMessages"
        asked = {"QueueUrl": self.outputs["DeadLettersUrl"], "AttributeNames": [name]}
        return int(self.session.client("sqs").get_queue_attributes(**asked)["Attributes"][name])

    def starts(self):
        """Cold starts of `debit` during this run, from the reports that Lambda writes."""
        time.sleep(10)  # logs are late by some seconds
        client = self.session.client("logs")
        asked = {
            "logGroupName": self.resource("DebitLogs"),
            "startTime": self.begun,
            "filterPattern": '{ $.type = "platform.report" }',
        }
        pages = client.get_paginator("filter_log_events").paginate(**asked)
        events = (event for page in pages for event in page["events"])
        reports = [json.loads(event["message"])["record"]["metrics"] for event in events]
        starts = [report["initDurationMs"] for report in reports if "initDurationMs" in report]
        took = statistics.median(report["durationMs"] for report in reports)
        memory = max(report["maxMemoryUsedMB"] for report in reports)
        return f"{len(reports)} invocations, median {took} ms, {memory} MB; starts in ms: {starts}"


if __name__ == "__main__":
    main()
