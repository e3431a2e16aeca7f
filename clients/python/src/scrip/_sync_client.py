"""The synchronous client."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any

import httpx

from scrip._attempts import Limits, Send, Tell, Wait, attempts
from scrip._call import Call
from scrip._charge import Unpaid
from scrip._connection import Body, Connection, PerProcess
from scrip._sync_charges import Charges
from scrip._sync_coalescer import Coalescer

logger = logging.getLogger("scrip")


class Scrip(Charges):
    """A client of one stack. `with Scrip(...) as credits:` closes it. Threads may share it.

    `key` is a service key (`scrip_sk_...`). Without one, `sign` gets each request with the
    stack's time, and adds the headers that prove who sends it: `scrip.sigv4.SigV4` for IAM. The
    local stack wants neither.
    A try waits `timeout_s` for its answer, an operation `deadline_s` for its outcome. With
    `coalesce_s`, debits of one account within that time travel as one batch, if they are 3 or more.
    `on_unpaid` gets each charge that was not made and whose error nobody hears, and that error: of
    what `on_unreachable="allow"` let through, of streams, of callers who went away.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        sign: Callable[[httpx.Request, datetime], None] | None = None,
        timeout_s: float = 15.0,
        deadline_s: float = 30.0,
        coalesce_s: float | None = None,
        on_unpaid: Callable[[Unpaid, BaseException], None] | None = None,
        http: httpx.Client | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._connection = Connection(url, key, sign is not None, now)
        self._limits = Limits(timeout_s, deadline_s)
        self._calls = self._connection.calls
        self._sign = sign
        self._on_unpaid = on_unpaid
        self._http = PerProcess(lambda: http or httpx.Client())
        self._owns_http = http is None
        self._coalescer: PerProcess[Coalescer] | None = None
        if coalesce_s is not None:
            self._coalescer = PerProcess(lambda: Coalescer(self._run, coalesce_s))

    def __enter__(self) -> Scrip:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        if self._owns_http:
            self._http.get().close()

    def within(self, deadline_s: float) -> Scrip:
        """This client with another deadline, and without coalescing: `credits.within(2)`."""
        other = copy.copy(self)
        other._limits = Limits(self._limits.timeout_s, deadline_s)
        other._coalescer = None
        other._owns_http = False
        return other

    def _run(self, call: Call, tell: Tell | None = None) -> Any:
        steps = attempts(call, self._connection.clock, self._limits, tell)
        step = next(steps)
        while True:
            reply: httpx.Response | httpx.RequestError | None = None
            failure: Exception | None = None
            if isinstance(step, Wait):
                time.sleep(step.seconds)
            else:
                try:
                    reply = self._send(step)
                except Exception as error:
                    failure = error
            try:
                step = steps.send(reply) if failure is None else steps.throw(failure)
            except StopIteration as end:
                return end.value

    def _debit(self, call: Call) -> Any:
        return (self._run if self._coalescer is None else self._coalescer.get().debit)(call)

    def _send(self, send: Send) -> httpx.Response | httpx.RequestError:
        http = self._http.get()
        request = self._connection.request(http, send)
        if self._sign is not None:
            self._sign(request, self._connection.time())
        body = Body(request, send.timeout_s)
        try:
            answer = http.send(request, stream=True)
            try:
                for part in answer.iter_bytes():
                    body.add(part)
            finally:
                answer.close()
            return body.of(answer)
        except httpx.RequestError as error:
            return error

    def _hand_over(self, unpaid: Unpaid, error: BaseException) -> None:
        if self._on_unpaid is None:
            logger.warning("nobody keeps what is unpaid: %s: %s", unpaid, error)
            return
        try:
            self._on_unpaid(unpaid, error)
        except Exception:
            logger.error("on_unpaid failed, and did not keep %s", unpaid)
            raise
