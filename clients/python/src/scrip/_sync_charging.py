"""Charging work, synchronously."""

from __future__ import annotations

import functools
import inspect
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
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
    from scrip._sync_charges import Charges

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
    """Charges for the block of a `with`."""

    def __init__(self, client: Charges, request: ChargeRequest) -> None:
        self.client = client
        self.work = Work(request)
        self.over = threading.Event()
        self.unreachable: Unavailable | None = None
        """Why there is no hold, if the work was allowed."""
        self.is_stream = False
        """All is delivered by the time of the charge: its error is handed over."""
        self.is_gone = False
        """The caller has gone away, and hears no error any more."""

    def __enter__(self) -> Work:
        request, held_at = self.work.request, time.monotonic()
        call = self.client._calls.hold(request.account, None, **request.hold())
        try:
            self.work.hold = cast(HoldReceipt, self.client._run(call))
        except Unavailable as error:
            if not may_begin(request.on_unreachable, error):
                raise
            self.unreachable = error
        if self.work.hold is not None:
            kept = (self.work.hold["id"], held_at)
            threading.Thread(target=self.extend, args=kept, name="scrip", daemon=True).start()
        return self.work

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self.is_gone = error is not None
        self.end(self.work.charge(error))

    def end(self, charge: dict[str, Any] | None) -> None:
        """Charges what was delivered, and releases the rest."""
        request, hold = self.work.request, self.work.hold
        if charge is not None:
            # Not the key of the hold, which may have happened even where it has no receipt.
            key = self.client._calls.key(None)
            unpaid = Unpaid(key.text, request.account, **charge)
            if self.unreachable is not None:
                self.client._hand_over(unpaid, self.unreachable)
            elif hold is not None:
                self.capture(replace(unpaid, hold=hold["id"], beyond=request.beyond or None), key)
        elif hold is not None:
            self.work.receipt = self.release(hold["id"])

    def capture(self, unpaid: Unpaid, key: OperationKey) -> None:
        try:
            receipt = self.client._pay(unpaid, key)
        except ScripError as error:
            if not self.is_handed_over(unpaid, error):
                raise
        except Exception as cause:
            # A signer failed, say. How far the charge came is not known.
            unknown = OutcomeUnknown("capture", unpaid.account, 1, cause, [unpaid.key])
            if not self.is_handed_over(unpaid, unknown):
                raise unknown from cause
        except BaseException as end:
            # The program is ending, and waits no longer.
            self.client._hand_over(unpaid, end)
            raise
        else:
            self.work.receipt = receipt
            tell(self.work.request, receipt)

    def is_handed_over(self, unpaid: Unpaid, error: ScripError) -> bool:
        """Hands over what is unpaid, if nobody hears the error or the work was allowed."""
        is_allowed = False
        if isinstance(error, OutcomeUnknown):
            unpaid = replace(unpaid, key=error.key)
            is_allowed = self.work.request.on_unreachable == "allow"
        error.unpaid = unpaid
        if self.is_gone or self.is_stream or is_allowed:
            self.client._hand_over(unpaid, error)
            return True
        return False

    def release(self, hold: str) -> ReleaseReceipt | None:
        """Gives all of it back. If that fails, nothing is charged either: the hold lapses."""
        request = self.work.request
        try:
            return self.client.release(
                request.account, hold, user=request.user, reference=request.reference
            )
        except ScripError as error:
            logger.info("a hold was left to lapse: %s", error)
            return None

    def extend(self, hold: str, held_at: float) -> None:
        """Keeps the hold while the work lives: each time at half of its life."""
        request = self.work.request
        life_s = request.expires_in_s or HOLD_LIVES_S
        client = self.client.within(life_s / 2)
        next_at = held_at + life_s / 2
        while not self.over.wait(max(next_at - time.monotonic(), 0)):
            next_at = time.monotonic() + life_s / 2
            try:
                client.extend(request.account, hold, life_s)
            except Refused:
                return  # The hold is over. The charge deals with that.
            except Exception as error:
                # Also where the work ended meanwhile, and its client is closed.
                logger.info("a hold is not extended yet: %s", error)
                next_at = time.monotonic() + min(life_s / 8, LONGEST_EXTEND_WAIT_S)


def started(
    charging: Charging, work: Callable[[Work], Iterator[Part]]
) -> Generator[Part, None, None]:
    """A stream of what `work` yields, whose credits are held."""
    charging.is_stream = True

    def parts() -> Generator[Part | None, None, None]:
        with charging as running:
            yield None
            yield from work(running)

    stream = parts()
    # To the first yield, inside of the charge: if the stream is closed or dropped, that ends it.
    next(stream)
    return cast("Generator[Part, None, None]", stream)


def decorator(
    client: Charges, action: str, arguments: dict[str, Any], with_work: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a function or a generator."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        terms = Terms(action, arguments, function, with_work)
        if inspect.isgeneratorfunction(function):
            client._check(terms.terms.get("on_unreachable", "refuse"), is_stream=True)

            @functools.wraps(function)
            def call_stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
                def work(running: Work) -> Iterator[Any]:
                    items: Iterator[Any] = function(*terms.arguments(running, args), **kwargs)
                    return items

                yield from started(client.charging(**terms.of(args, kwargs)), work)

            return cast(Callable[..., Any], terms.show(call_stream))
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function!r} is asynchronous: decorate it with an AsyncScrip")

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            def work(running: Work) -> Any:
                return function(*terms.arguments(running, args), **kwargs)

            return client.charge(**terms.of(args, kwargs), work=work)

        return cast(Callable[..., Any], terms.show(call))

    return decorate
