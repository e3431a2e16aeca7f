"""The asynchronous client."""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar

import httpx

from scrip._async_charges import AsyncCharges
from scrip._async_coalescer import Coalescer
from scrip._attempts import Limits, Send, Wait, attempts
from scrip._call import Call
from scrip._charge import Unpaid
from scrip._connection import Connection, OnUnreachable

Value = TypeVar("Value")

logger = logging.getLogger("scrip")


class AsyncScrip(AsyncCharges):
    """A client of one stack, for asyncio. `async with AsyncScrip(...) as credits:` closes it.

    `key` is a service key (`scrip_sk_...`). Without one, `sign` gets each request with the
    stack's time, and adds the headers that prove who sends it: `scrip.sigv4.SigV4` for IAM. The
    local stack wants neither.
    A try waits `timeout_s` for its answer, an operation `deadline_s` for its outcome. With
    `coalesce_s`, debits of one account within that time travel as one batch, if they are 3 or more.
    `on_unpaid` gets what `on_unreachable="allow"` let through.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        sign: Callable[[httpx.Request, datetime], Awaitable[None] | None] | None = None,
        timeout_s: float = 15.0,
        deadline_s: float = 30.0,
        coalesce_s: float | None = None,
        on_unpaid: Callable[[Unpaid], Awaitable[None] | None] | None = None,
        http: httpx.AsyncClient | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._connection = Connection(url, key, sign is not None, now)
        self._limits = Limits(timeout_s, deadline_s)
        self._calls = self._connection.calls
        self._sign = sign
        self._on_unpaid = on_unpaid
        self._http = http or httpx.AsyncClient()
        self._owns_http = http is None
        self._background: set[asyncio.Task[Any]] = set()
        self._coalescer = (
            None if coalesce_s is None else Coalescer(self._run, self._spawn, coalesce_s)
        )

    async def __aenter__(self) -> AsyncScrip:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Waits for charges whose callers went away, and closes the connections."""
        while self._background:
            await asyncio.wait(self._background)
        if self._owns_http:
            await self._http.aclose()

    def within(self, deadline_s: float) -> AsyncScrip:
        """This client with another deadline, and without coalescing: `credits.within(2)`."""
        other = copy.copy(self)
        other._limits = Limits(self._limits.timeout_s, deadline_s)
        other._coalescer = None
        other._owns_http = False
        return other

    async def _run(self, call: Call) -> Any:
        steps = attempts(call, self._connection.clock, self._limits)
        step = next(steps)
        while True:
            reply: httpx.Response | httpx.RequestError | None = None
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
            else:
                reply = await self._send(step)
            try:
                step = steps.send(reply)
            except StopIteration as end:
                return end.value

    async def _debit(self, call: Call) -> Any:
        return await (self._run if self._coalescer is None else self._coalescer.debit)(call)

    async def _send(self, send: Send) -> httpx.Response | httpx.RequestError:
        request = self._connection.request(self._http, send)
        if self._sign is not None:
            signed = self._sign(request, self._connection.time())
            if inspect.isawaitable(signed):
                await signed
        try:
            return await self._http.send(request)
        except httpx.RequestError as error:
            return error

    async def _hand_over(self, unpaid: Unpaid) -> None:
        if self._on_unpaid is None:
            logger.warning("nobody keeps what %s owes for %s", unpaid.account, unpaid.key)
            return
        done = self._on_unpaid(unpaid)
        if inspect.isawaitable(done):
            await done

    def _check(self, on_unreachable: OnUnreachable) -> None:
        if on_unreachable == "allow" and self._on_unpaid is None:
            raise TypeError('on_unreachable="allow" needs on_unpaid, which keeps what is unpaid')

    def _spawn(self, work: Coroutine[Any, Any, Value]) -> asyncio.Task[Value]:
        """Runs `work` to its end, also if who waits for it goes away."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
