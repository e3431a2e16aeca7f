"""What both clients share: how they are set up, and what a request looks like."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Generic, Literal, TypeVar

import httpx

from scrip._attempts import Send
from scrip._call import Calls
from scrip._clock import Clock

try:
    VERSION = version("scrip-client")
except PackageNotFoundError:
    VERSION = "0"

LONGEST_CONNECT_S = 5.0

OnUnreachable = Literal["refuse", "allow"]
"""What becomes of an operation whose outcome is not known at its deadline. `refuse`: an exception.
`allow`: it is handed to `on_unpaid`, and the work goes on."""


Value = TypeVar("Value")


class PerProcess(Generic[Value]):
    """One value for each process: after a fork, the child must not touch what the parent uses."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self.make = make
        self.made = (os.getpid(), make())

    def get(self) -> Value:
        """That of this process."""
        process, value = self.made
        if process != os.getpid():
            value = self.make()
            self.made = (os.getpid(), value)
        return value


class Body:
    """The body of an answer, read in time: httpx limits each read alone, however many there are."""

    def __init__(self, request: httpx.Request, timeout_s: float) -> None:
        self.request = request
        self.until = time.monotonic() + timeout_s
        self.parts = bytearray()

    def add(self, part: bytes) -> None:
        self.parts += part
        if time.monotonic() > self.until:
            raise httpx.ReadTimeout("the answer did not end in time", request=self.request)

    def of(self, answer: httpx.Response) -> httpx.Response:
        """The answer with this body, which is decoded."""
        headers = [
            (name, value) for name, value in answer.headers.multi_items() if name not in OF_BODY
        ]
        return httpx.Response(
            answer.status_code, headers=headers, content=bytes(self.parts), request=self.request
        )


OF_BODY = ("content-encoding", "content-length", "transfer-encoding")
"""Headers of a body as it travels."""


class Connection:
    """One stack, and how its requests are made."""

    def __init__(
        self,
        url: str,
        key: str | None,
        signs: bool,
        now: Callable[[], float] | None,
    ) -> None:
        if key is not None and signs:
            raise TypeError("a request has a key or is signed, not both")
        if key is not None and not re.fullmatch(r"[!-~]+", key):
            raise ValueError("key is a service key, scrip_sk_..., without spaces and line ends")
        address = httpx.URL(url)
        if address.scheme not in ("http", "https") or not address.host:
            raise ValueError(f"url is the address of a stack, https://..., and not {url!r}")
        self.base = url.rstrip("/")
        self.key = key
        self.clock = Clock(now or time.time)
        self.calls = Calls(self.clock)

    def time(self) -> datetime:
        """The stack's time."""
        return datetime.fromtimestamp(self.clock.now(), timezone.utc)

    def request(self, client: httpx.Client | httpx.AsyncClient, send: Send) -> httpx.Request:
        """The request of one try, not signed yet."""
        call = send.call
        headers = {"user-agent": f"scrip-python/{VERSION}", **call.headers()}
        if self.key is not None:
            headers["authorization"] = f"Bearer {self.key}"
        return client.build_request(
            call.method,
            self.base + call.path,
            params=call.query or None,
            json=call.json(),
            headers=headers,
            timeout=httpx.Timeout(send.timeout_s, connect=min(send.timeout_s, LONGEST_CONNECT_S)),
        )
