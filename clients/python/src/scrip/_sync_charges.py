"""The charges of the synchronous client: an operation around the work.

Written by tools/write_sync.py: do not edit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Literal, TypeVar, overload

from scrip._sync_charging import Charging, Decorator, DecoratorWithWork, decorator, started
from scrip._sync_operations import Operations
from scrip._call import Credits
from scrip._charge import ChargeRequest, Work
from scrip._connection import OnUnreachable
from scrip._limits import LimitAsked
from scrip._metered import Meters
from scrip.errors import ScripError

Value = TypeVar("Value")


class Charges(Operations):
    """What a client can charge for."""

    def charge(
        self,
        account: str,
        action: str | None = None,
        quantity: int | None = None,
        *,
        work: Callable[[Work], Value],
        credits: Credits | None = None,
        model: str | None = None,
        meters: Meters | None = None,
        user: str | None = None,
        reference: str | None = None,
        subjects: Iterable[str] | None = None,
        limits: Iterable[LimitAsked] | None = None,
        expires_in_s: int | None = None,
        on_unreachable: OnUnreachable = "refuse",
        beyond: bool = False,
    ) -> Value:
        """Holds the credits, runs `work`, charges what it delivered, and returns its value.

        See `charging`. If the work is done and its charge is not confirmed, the error has the
        `value`, and what is `unpaid`.
        """
        charging = self.charging(
            account,
            action,
            quantity,
            credits=credits,
            model=model,
            meters=meters,
            user=user,
            reference=reference,
            subjects=subjects,
            limits=limits,
            expires_in_s=expires_in_s,
            on_unreachable=on_unreachable,
            beyond=beyond,
        )
        value: Value | None = None
        try:
            with charging as running:
                value = work(running)
        except ScripError as error:
            if value is not None:
                error.value = value
            raise
        return value

    def stream(
        self,
        account: str,
        action: str | None = None,
        quantity: int | None = None,
        *,
        work: Callable[[Work], Iterator[Value]],
        credits: Credits | None = None,
        model: str | None = None,
        meters: Meters | None = None,
        user: str | None = None,
        reference: str | None = None,
        subjects: Iterable[str] | None = None,
        limits: Iterable[LimitAsked] | None = None,
        expires_in_s: int | None = None,
        on_unreachable: OnUnreachable = "refuse",
        beyond: bool = False,
    ) -> Generator[Value, None, None]:
        """Holds the credits, and returns a stream of what `work` yields; see `charging`.

        A refusal is raised here, before the first part. If the reader leaves the stream, what was
        delivered until then is charged. A charge that fails after the last part has nobody to
        raise an error at: it is handed to `on_unpaid`, which a stream needs.
        """
        self._check(on_unreachable, is_stream=True)
        charging = self.charging(
            account,
            action,
            quantity,
            credits=credits,
            model=model,
            meters=meters,
            user=user,
            reference=reference,
            subjects=subjects,
            limits=limits,
            expires_in_s=expires_in_s,
            on_unreachable=on_unreachable,
            beyond=beyond,
        )
        return started(charging, work)

    def charging(
        self,
        account: str,
        action: str | None = None,
        quantity: int | None = None,
        *,
        credits: Credits | None = None,
        model: str | None = None,
        meters: Meters | None = None,
        user: str | None = None,
        reference: str | None = None,
        subjects: Iterable[str] | None = None,
        limits: Iterable[LimitAsked] | None = None,
        expires_in_s: int | None = None,
        on_unreachable: OnUnreachable = "refuse",
        beyond: bool = False,
    ) -> Charging:
        """Charges for the block of an `with`, whose `Work` reports what is delivered.

        An exception charges nothing, and so does 0. If the block is cancelled or interrupted, or
        the generator closed that it is in, what was delivered until then is charged. The rest is
        released. The hold lives as long as the block.

        With `model` and `meters`, the most that it may use, an action with rates of models is
        charged: by the meters or the usage that the work reports.

        With `beyond=True` more may be delivered than was asked for. It is charged if the account
        has all of it; if not, what is held, and the rest is `work.uncharged`.
        """
        self._check(on_unreachable)
        request = ChargeRequest(
            account,
            action,
            quantity,
            credits,
            user,
            reference,
            expires_in_s,
            on_unreachable,
            beyond,
            model,
            meters,
            subjects=subjects,
            limits=limits,
        )
        return Charging(self, request)

    @overload
    def charges(
        self,
        action: str,
        *,
        account: str | Callable[..., str],
        quantity: int | Callable[..., int] = 1,
        model: str | Callable[..., str] | None = None,
        meters: Meters | Callable[..., Meters] | None = None,
        user: str | Callable[..., str | None] | None = None,
        reference: str | Callable[..., str | None] | None = None,
        subjects: Iterable[str] | Callable[..., Iterable[str] | None] | None = None,
        limits: Iterable[LimitAsked] | Callable[..., Iterable[LimitAsked] | None] | None = None,
        expires_in_s: int | None = None,
        on_unreachable: OnUnreachable = "refuse",
        beyond: bool = False,
        work: Literal[False] = False,
    ) -> Decorator: ...

    @overload
    def charges(
        self,
        action: str,
        *,
        account: str | Callable[..., str],
        quantity: int | Callable[..., int] = 1,
        model: str | Callable[..., str] | None = None,
        meters: Meters | Callable[..., Meters] | None = None,
        user: str | Callable[..., str | None] | None = None,
        reference: str | Callable[..., str | None] | None = None,
        subjects: Iterable[str] | Callable[..., Iterable[str] | None] | None = None,
        limits: Iterable[LimitAsked] | Callable[..., Iterable[LimitAsked] | None] | None = None,
        expires_in_s: int | None = None,
        on_unreachable: OnUnreachable = "refuse",
        beyond: bool = False,
        work: Literal[True],
    ) -> DecoratorWithWork: ...

    def charges(self, action: str, *, work: bool = False, **terms: Any) -> Any:
        """Decorates a function, a generator too: its calls are charged.

        `account`, `quantity`, `model`, `meters`, `user`, `reference`, `subjects` and `limits` are
        values, or callables that get those arguments of the call whose names they have as
        parameters. With `work=True` the function's first parameter is its `Work`, and its callers
        do not see it.
        """
        self._check(terms.get("on_unreachable", "refuse"))
        quantity = None if "meters" in terms else 1
        return decorator(self, action, {"quantity": quantity, **terms}, work)
