"""A local stack for all tests, and an account for each."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from scrip import Unpaid

ROOT = Path(__file__).parents[3]
LOCAL = os.environ.get("SCRIP_LOCAL", str(ROOT / "target" / "debug" / "local"))


@contextlib.contextmanager
def running_stack() -> Iterator[tuple[str, str]]:
    """A local stack in memory, its address and its service key. SCRIP_LOCAL is its program."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [LOCAL, "--memory", "--addr", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"{url}/_local/stack") as answer:
                    yield url, json.load(answer)["service_key"]
                return
            except urllib.error.URLError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.05)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def stack_and_key() -> Iterator[tuple[str, str]]:
    """The address of a local stack for all tests, and its service key."""
    with running_stack() as both:
        yield both


@pytest.fixture(scope="session")
def stack(stack_and_key: tuple[str, str]) -> str:
    """The address of the local stack. It wants no key of requests without one."""
    return stack_and_key[0]


def not_expected(unpaid: Unpaid, error: BaseException) -> None:
    """The `on_unpaid` of a client whose charges are all made."""
    raise AssertionError(unpaid)


class Account:
    """An account on the plan `free`, with 25 credits."""

    def __init__(self, stack: str) -> None:
        self.id = f"test|{secrets.token_hex(6)}"
        self.path = f"{stack}/v1/accounts/{quote(self.id, safe='')}"
        self.send("PUT", self.path, {"plan": "free"})

    def send(self, method: str, url: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"idempotency-key": secrets.token_hex(8)},
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def entries(self) -> list[tuple[str, str]]:
        """What happened to it, the first one first: kind and change of the available credits."""
        listing = self.send("GET", f"{self.path}/ledger")
        return [
            (entry["kind"], entry["available"])
            for entry in reversed(listing["entries"])
            if entry["kind"] not in ("opened", "time_passed")
        ]


@pytest.fixture
def account(stack: str) -> Account:
    return Account(stack)
