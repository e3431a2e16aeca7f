#!/usr/bin/env python3
"""Plays every case of cases.json with one client, and says which ones failed.

    run.py --stack http://127.0.0.1:3000 -- node clients/typescript/conformance/driver.js
    run.py --local target/debug/local --only charge -- python clients/python/conformance/driver.py

`--stack` is a local stack that runs, and `--key` its service key; `--local` is the program of one,
which is started in memory and ended. After `--` comes the client's driver, which gets the address
of a faulting proxy. Exit code 1 if a case failed. README.md describes the cases and the driver.
"""

import argparse
import json
import pathlib
import queue
import re
import secrets
import select
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from email.utils import parsedate_to_datetime

from proxy import Proxy

HERE = pathlib.Path(__file__).parent
CASE_TIMEOUT_S = 60
START_TIMEOUT_S = 30
KEY_TIMEOUT_S = 5       # it is printed as the stack begins to answer
ON_TIME_MS = 3_000      # `Date` has whole seconds, and a machine may be busy
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def main():
    about = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = about.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", help="the address of a local stack")
    where.add_argument("--local", help="the program of the local stack, to be started")
    about.add_argument("--key", help="the service key that the stack printed")
    about.add_argument("--only", default="", help="only cases whose names match this pattern")
    about.add_argument("--may-skip", default="(?!)", help="cases that the driver may skip")
    about.add_argument("driver", nargs="+", help="the driver and its arguments, after --")
    options = about.parse_args()
    local = options.local and Local(options.local)
    stack = local.url if local else options.stack
    words = {"$stack": f"{stack}/"}
    if key := options.key or (local and local.key()):
        words["$key"] = key
    cases = [filled_in(case, words) for case in json.loads((HERE / "cases.json").read_text())
             if re.search(options.only, case["name"])]
    proxy = Proxy(stack)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    driver = Driver(options.driver)
    try:
        failed = [case for case in cases if not played(case, stack, proxy, driver, options)]
    finally:
        driver.end()
        if local:
            local.end()
    print(f"{len(cases) - len(failed)} of {len(cases)} cases passed")
    sys.exit(1 if failed or not cases else 0)


def played(case, stack, proxy, driver, options):
    """Plays one case on an account of its own, and prints how it ended."""
    account = f"case|{secrets.token_hex(6)}"
    call(stack, "PUT", f"/v1/accounts/{quoted(account)}", {"plan": "free"}, key=account)
    proxy.faults.replace(case.get("faults", []))
    began = time.monotonic()
    answer = driver.play({
        "name": case["name"],
        "url": proxy.url,
        "account": account,
        "client": case.get("client", {}),
        "steps": case["steps"],
    })
    took_ms = (time.monotonic() - began) * 1000
    requests = finished(proxy)
    if "skipped" in answer and re.search(options.may_skip, case["name"]):
        print(f"skip  {case['name']}: {answer['skipped']}")
        return True
    wrong = list(differences(case, answer, requests, took_ms, stack, account))
    print(f"{'FAIL' if wrong else 'ok  '}  {case['name']}  {took_ms:.0f} ms", flush=True)
    for line in wrong:
        print(f"      {line}")
    if wrong:
        for request in requests:
            print(f"      | {json.dumps(request)}")
    return not wrong


def differences(case, answer, requests, took_ms, stack, account):
    """Yields a line for each thing that is not as the case says."""
    yield from unlike("results", case["results"], answer.get("results"))
    if "unpaid" in case:
        yield from unlike("unpaid", case["unpaid"], answer.get("unpaid"))
    elif answer.get("unpaid"):
        yield f"unpaid: {json.dumps(answer['unpaid'])}"
    for name in ("began", "charged"):
        if name in case:
            yield from unlike(name, case[name], answer.get(name))

    listing = call(stack, "GET", f"/v1/accounts/{quoted(account)}/ledger?limit=200")
    ignored = {"opened", "time_passed", *case.get("ledger_ignores", [])}
    ledger = [entry for entry in reversed(listing["entries"])
              if entry["kind"] not in ignored and not entry.get("pending")]
    if "ledger" in case:
        yield from unlike("ledger", case["ledger"], ledger)
    balance = call(stack, "GET", f"/v1/accounts/{quoted(account)}/balance")
    yield from unlike("balance", case.get("balance", {}), balance)

    key = case.get("client", {}).get("key")
    if key == "$key":
        yield "key: the stack printed none, and --key is not set"
    for request in requests:
        if "|" in request["path"]:
            yield f"path: not percent-encoded: {request['path']}"
        if request["authorization"] != (key and f"Bearer {key}"):
            yield f"authorization: {request['authorization']} of {request['on']}"
    for on, count in case.get("requests", {}).items():
        seen = [request for request in requests if request["on"] == on]
        if len(seen) != count:
            yield f"requests: {len(seen)} of {on}, not {count}"
    for on, count in case.get("keys", {}).items():
        keys = {request["key"] for request in requests if request["on"] == on}
        if len(keys) != count:
            yield f"keys: {len(keys)} of {on}, not {count}"
    for on, numbers in case.get("on_time", {}).items():
        seen = [request for request in requests if request["on"] == on]
        for number in numbers:
            if number > len(seen):
                yield f"on_time: only {len(seen)} of {on}"
                continue
            off_ms = ulid_ms(seen[number - 1]["key"]) - stack_ms(seen, number, stack)
            if abs(off_ms) > ON_TIME_MS:
                yield f"on_time: the key of {on} {number} is {off_ms} ms off"

    if took_ms < case.get("at_least_ms", 0):
        yield f"at_least_ms: took {took_ms:.0f} ms"
    if took_ms > case.get("at_most_ms", CASE_TIMEOUT_S * 1000):
        yield f"at_most_ms: took {took_ms:.0f} ms"


def unlike(where, expected, actual):
    """Where `actual` has not all of `expected`: objects may have more fields, lists no more."""
    if expected == "*":
        return
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name, value in expected.items():
            if name not in actual:
                yield f"{where}.{name}: is not there, in {json.dumps(actual)}"
            else:
                yield from unlike(f"{where}.{name}", value, actual[name])
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield f"{where}: {len(actual)} and not {len(expected)}: {json.dumps(actual)}"
        for index, (one, other) in enumerate(zip(expected, actual)):
            yield from unlike(f"{where}[{index}]", one, other)
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{where}: {json.dumps(actual)}, not {json.dumps(expected)}"


def finished(proxy):
    """The requests of the case, once the stack has answered the late ones, too."""
    until = time.monotonic() + CASE_TIMEOUT_S
    while (seen := proxy.faults.seen())["open"] and time.monotonic() < until:
        time.sleep(0.02)
    return seen["requests"]


def filled_in(part, words):
    """A part of a case with its words filled in, and everything as many times as it says."""
    if isinstance(part, list):
        return [filled_in(one, words) for one in part for _ in range(times(one))]
    if isinstance(part, dict):
        return {name: filled_in(one, words) for name, one in part.items() if name != "times"}
    return words.get(part, part) if isinstance(part, str) else part


def times(part):
    return part.get("times", 1) if isinstance(part, dict) else 1


def ulid_ms(key):
    """The time in a ULID, in milliseconds; far off if it is none."""
    if not re.fullmatch(f"[{CROCKFORD}]{{26}}", key or ""):
        return 0
    ms = 0
    for letter in key[:10]:
        ms = ms * 32 + CROCKFORD.index(letter)
    return ms


def stack_ms(seen, number, stack):
    """The stack's time when the key of this request was first seen."""
    key = seen[number - 1]["key"]
    first = next(request for request in seen if request["key"] == key)
    return first["at_ms"] + clock_offset_ms(stack)


def clock_offset_ms(stack):
    with urllib.request.urlopen(f"{stack}/_local/clock") as answer:
        date = parsedate_to_datetime(answer.headers["date"]).timestamp() * 1000
        now = time.time() * 1000
        # `Date` has whole seconds: within one, the clocks agree.
        return 0 if abs(date - now) < 2000 else date - now


def call(stack, method, path, body=None, key=None):
    headers = {"content-type": "application/json", **({"idempotency-key": key} if key else {})}
    request = urllib.request.Request(stack + path, method=method, headers=headers,
                                     data=json.dumps(body).encode() if body else None)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def quoted(account):
    return urllib.parse.quote(account, safe="")


class Driver:
    """The client's driver: a case a line on its input, its answer a line on its output."""

    def __init__(self, command):
        self.command = command
        self.process = None

    def play(self, case):
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.process.stdin.write(json.dumps(case) + "\n")
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], CASE_TIMEOUT_S)
            line = self.process.stdout.readline() if ready else ""
            return json.loads(line)
        except (BrokenPipeError, ValueError) as error:
            self.end()
            return {"results": f"the driver gave no answer: {error}"}

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Local:
    """A local stack in memory."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "--memory", "--addr", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        self.printed = queue.Queue()
        # To the end: a stack whose output nobody reads stands still.
        threading.Thread(target=self.read, daemon=True).start()
        self.url = self.print_of("url", START_TIMEOUT_S)
        if self.url is None:
            self.end()
            sys.exit("the stack has not started")

    def read(self):
        """Finds the address and the key in what the stack prints."""
        for line in self.process.stdout:
            if url := re.match(r"Scrip on (http://[^,]+),", line):
                self.printed.put(("url", url[1]))
            elif key := re.search(r"scrip_sk_[\w.~-]+", line):
                self.printed.put(("key", key[0]))

    def key(self):
        """The service key that the stack prints as it starts; None if it prints none."""
        return self.print_of("key", KEY_TIMEOUT_S)

    def print_of(self, name, timeout_s):
        try:
            printed, value = self.printed.get(timeout=timeout_s)
            return value if printed == name else None
        except queue.Empty:
            return None

    def end(self):
        self.process.terminate()
        self.process.wait()


if __name__ == "__main__":
    main()
