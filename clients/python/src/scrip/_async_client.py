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
from weakref import WeakKeyDictionary

import httpx

from scrip._async_charges import AsyncCharges
from scrip._async_coalescer import Coalescer
from scrip._attempts import Limits, Send, Tell, Wait, attempts
from scrip._call import Call
from scrip._charge import Unpaid
from scrip._connection import Body, Connection

Value = TypeVar("Value")

logger = logging.getLogger("scrip")


class AsyncScrip(AsyncCharges):
    """A client of one stack, for asyncio. `async with AsyncScrip(...) as credits:` closes it.

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
        sign: Callable[[httpx.Request, datetime], Awaitable[None] | None] | None = None,
        timeout_s: float = 15.0,
        deadline_s: float = 30.0,
        coalesce_s: float | None = None,
        on_unpaid: Callable[[Unpaid, BaseException], Awaitable[None] | None] | None = None,
        http: httpx.AsyncClient | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._connection = Connection(url, key, sign is not None, now)
        self._limits = Limits(timeout_s, deadline_s)
        self._calls = self._connection.calls
        self._sign = sign
        self._on_unpaid = on_unpaid
        self._given_http = http
        self._closes_http = True
        self._own_https: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = (
            WeakKeyDictionary()
        )
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
        loop = asyncio.get_running_loop()
        while waiting := [task for task in self._background if task.get_loop() is loop]:
            await asyncio.wait(waiting)
        if self._closes_http and (http := self._own_https.pop(loop, None)) is not None:
            await http.aclose()

    def _http(self) -> httpx.AsyncClient:
        """The connections of this event loop: those of another one do not work here."""
        if self._given_http is not None:
            return self._given_http
        loop = asyncio.get_running_loop()
        if loop not in self._own_https:
            self._own_https[loop] = httpx.AsyncClient()
        return self._own_https[loop]

    def within(self, deadline_s: float) -> AsyncScrip:
        """This client with another deadline, and without coalescing: `credits.within(2)`."""
        other = copy.copy(self)
        other._limits = Limits(self._limits.timeout_s, deadline_s)
        other._coalescer = None
        other._closes_http = False
        return other

    async def _run(self, call: Call, tell: Tell | None = None) -> Any:
        steps = attempts(call, self._connection.clock, self._limits, tell)
        step = next(steps)
        while True:
            reply: httpx.Response | httpx.RequestError | None = None
            failure: Exception | None = None
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
            else:
                try:
                    reply = await self._send(step)
                except Exception as error:
                    failure = error
            try:
                step = steps.send(reply) if failure is None else steps.throw(failure)
            except StopIteration as end:
                return end.value

    async def _debit(self, call: Call) -> Any:
        return await (self._run if self._coalescer is None else self._coalescer.debit)(call)

    async def _send(self, send: Send) -> httpx.Response | httpx.RequestError:
        http = self._http()
        request = self._connection.request(http, send)
        if self._sign is not None:
            signed = self._sign(request, self._connection.time())
            if inspect.isawaitable(signed):
                await signed
        body = Body(request, send.timeout_s)
        try:
            answer = await http.send(request, stream=True)
            try:
                async for part in answer.aiter_bytes():
                    body.add(part)
            finally:
                await answer.aclose()
            return body.of(answer)
        except httpx.RequestError as error:
            return error

    async def _hand_over(self, unpaid: Unpaid, error: BaseException) -> None:
        if self._on_unpaid is None:
            logger.warning("nobody keeps what is unpaid: %s: %s", unpaid, error)
            return
        try:
            done = self._on_unpaid(unpaid, error)
            if inspect.isawaitable(done):
                await done
        except Exception:
            logger.error("on_unpaid failed, and did not keep %s", unpaid)
            raise

    def _spawn(self, work: Coroutine[Any, Any, Value]) -> asyncio.Task[Value]:
        """Runs `work` to its end, also if who waits for it goes away."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
