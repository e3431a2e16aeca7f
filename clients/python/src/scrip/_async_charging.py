"""Charging work, asynchronously."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from scrip._call import OperationKey
from scrip._charge import (
    HOLD_LIVES_S,
    LONGEST_EXTEND_WAIT_S,
    ChargeRequest,
    Terms,
    Unpaid,
    Work,
    may_begin,
    tell,
)
from scrip.answers import HoldReceipt, ReleaseReceipt
from scrip.errors import OutcomeUnknown, Refused, ScripError, Unavailable

if TYPE_CHECKING:
    from scrip._async_charges import AsyncCharges

logger = logging.getLogger("scrip")

P = ParamSpec("P")
R = TypeVar("R")
Part = TypeVar("Part")


class Decorator(Protocol):
    """Decorates a function whose calls are charged."""

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]: ...


class DecoratorWithWork(Protocol):
    """Decorates a function that takes its `Work` first. Callers call it without."""

    def __call__(self, function: Callable[Concatenate[Work, P], R]) -> Callable[P, R]: ...


class Charging:
    """Charges for the block of an `async with`."""

    def __init__(self, client: AsyncCharges, request: ChargeRequest) -> None:
        self.client = client
        self.work = Work(request)
        self.extending: asyncio.Task[None] | None = None
        self.unreachable: Unavailable | None = None
        """Why there is no hold, if the work was allowed."""
        self.is_stream = False
        """All is delivered by the time of the charge: its error is handed over."""
        self.is_gone = False
        """The caller has gone away, and hears no error any more."""

    async def __aenter__(self) -> Work:
        request, held_at = self.work.request, time.monotonic()
        call = self.client._calls.hold(request.account, None, **request.hold())
        held: asyncio.Task[Any] = self.client._spawn(self.client._run(call))
        try:
            self.work.hold = cast(HoldReceipt, await asyncio.shield(held))
        except Unavailable as error:
            if not may_begin(request.on_unreachable, error):
                raise
            self.unreachable = error
        except asyncio.CancelledError:
            if not held.cancelled():  # It is if the event loop ends: then the hold lapses.
                self.client._spawn(self.release_later(held))
            raise
        if self.work.hold is not None:
            self.extending = asyncio.create_task(self.extend(self.work.hold["id"], held_at))
        return self.work

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.extending is not None:
            self.extending.cancel()
        self.is_gone = error is not None
        ending = self.client._spawn(self.end(self.work.charge(error)))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            self.is_gone = True
            # It may have failed a moment before, and then it did not know.
            error = None if not ending.done() or ending.cancelled() else ending.exception()
            if isinstance(error, ScripError) and error.unpaid is not None:
                self.client._spawn(self.client._hand_over(error.unpaid, error))
            raise

    async def end(self, charge: dict[str, Any] | None) -> None:
        """Charges what was delivered, and releases the rest."""
        request, hold = self.work.request, self.work.hold
        if charge is not None:
            # Not the key of the hold, which may have happened even where it has no receipt.
            key = self.client._calls.key(None)
            unpaid = Unpaid(key.text, request.account, **charge)
            if self.unreachable is not None:
                await self.client._hand_over(unpaid, self.unreachable)
            elif hold is not None:
                await self.capture(
                    replace(unpaid, hold=hold["id"], beyond=request.beyond or None), key
                )
        elif hold is not None:
            self.work.receipt = await self.release(hold["id"])

    async def capture(self, unpaid: Unpaid, key: OperationKey) -> None:
        try:
            receipt = await self.client._pay(unpaid, key)
        except ScripError as error:
            if not await self.is_handed_over(unpaid, error):
                raise
        except Exception as cause:
            # A signer failed, say. How far the charge came is not known.
            unknown = OutcomeUnknown("capture", unpaid.account, 1, cause, [unpaid.key])
            if not await self.is_handed_over(unpaid, unknown):
                raise unknown from cause
        except BaseException as end:
            # The program is ending, and waits no longer.
            await self.client._hand_over(unpaid, end)
            raise
        else:
            self.work.receipt = receipt
            tell(self.work.request, receipt)

    async def is_handed_over(self, unpaid: Unpaid, error: ScripError) -> bool:
        """Hands over what is unpaid, if nobody hears the error or the work was allowed."""
        is_allowed = False
        if isinstance(error, OutcomeUnknown):
            unpaid = replace(unpaid, key=error.key)
            is_allowed = self.work.request.on_unreachable == "allow"
        error.unpaid = unpaid
        if self.is_gone or self.is_stream or is_allowed:
            await self.client._hand_over(unpaid, error)
            return True
        return False

    async def release(self, hold: str) -> ReleaseReceipt | None:
        """Gives all of it back. If that fails, nothing is charged either: the hold lapses."""
        request = self.work.request
        try:
            return await self.client.release(
                request.account, hold, user=request.user, reference=request.reference
            )
        except ScripError as error:
            logger.info("a hold was left to lapse: %s", error)
            return None

    async def extend(self, hold: str, held_at: float) -> None:
        """Keeps the hold while the work lives: each time at half of its life."""
        request = self.work.request
        life_s = request.expires_in_s or HOLD_LIVES_S
        client = self.client.within(life_s / 2)
        next_at = held_at + life_s / 2
        while True:
            await asyncio.sleep(max(next_at - time.monotonic(), 0))
            next_at = time.monotonic() + life_s / 2
            try:
                await client.extend(request.account, hold, life_s)
            except Refused:
                return  # The hold is over. The charge deals with that.
            except Exception as error:
                logger.info("a hold is not extended yet: %s", error)
                next_at = time.monotonic() + min(life_s / 8, LONGEST_EXTEND_WAIT_S)

    async def release_later(self, held: asyncio.Task[Any]) -> None:
        """Releases a hold that nobody waits for any more."""
        try:
            hold = await held
        except Exception as error:
            logger.info("nobody waits for a hold that failed: %s", error)
        else:
            await self.release(hold["id"])


async def started(
    charging: Charging, work: Callable[[Work], AsyncIterator[Part]]
) -> AsyncGenerator[Part, None]:
    """A stream of what `work` yields, whose credits are held."""
    charging.is_stream = True

    async def parts() -> AsyncGenerator[Part | None, None]:
        async with charging as running:
            yield None
            stream = work(running)
            try:
                async for part in stream:
                    yield part
            finally:
                if isinstance(stream, AsyncGenerator):
                    await stream.aclose()

    stream = parts()
    # To the first yield, inside of the charge: if the stream is closed or dropped, that ends it.
    await anext(stream)
    return cast("AsyncGenerator[Part, None]", stream)


def decorator(
    client: AsyncCharges, action: str, arguments: dict[str, Any], with_work: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a coroutine function or an asynchronous generator."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        terms = Terms(action, arguments, function, with_work)
        if inspect.isasyncgenfunction(function):
            client._check(terms.terms.get("on_unreachable", "refuse"), is_stream=True)

            @functools.wraps(function)
            async def call_stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
                def work(running: Work) -> AsyncIterator[Any]:
                    items: AsyncIterator[Any] = function(*terms.arguments(running, args), **kwargs)
                    return items

                stream = await started(client.charging(**terms.of(args, kwargs)), work)
                async with contextlib.aclosing(stream):
                    async for part in stream:
                        yield part

            return cast(Callable[..., Any], terms.show(call_stream))
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call(*args: Any, **kwargs: Any) -> Any:
                def work(running: Work) -> Any:
                    return function(*terms.arguments(running, args), **kwargs)

                return await client.charge(**terms.of(args, kwargs), work=work)

            return cast(Callable[..., Any], terms.show(call))
        raise TypeError(f"{function!r} is no coroutine function and no asynchronous generator")

    return decorate
