"""Work and what it delivers; what is unpaid if the stack could not be reached."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

import httpx

from scrip._attempts import TOO_MANY_REQUESTS
from scrip._call import Credits, amount, given
from scrip._connection import OnUnreachable
from scrip._limits import LimitAsked
from scrip._metered import Meters, UsageFormat, Used, check_used
from scrip.answers import CaptureReceipt, DebitReceipt, HoldReceipt, ReleaseReceipt
from scrip.errors import Problem, Refused, Unavailable

logger = logging.getLogger("scrip")

HOLD_LIVES_S = 300
"""The life of a hold, unless another is given."""
LONGEST_EXTEND_WAIT_S = 1.0
"""After an extension that failed, the next one waits no longer."""


@dataclass(frozen=True)
class Unpaid:
    """What was allowed while the stack could not be reached. Keep it, and `pay` it later.

    It is paid once, whatever became of the first request: the key is the same.
    """

    key: str
    account: str
    action: str | None = None
    quantity: int | None = None
    credits: str | None = None
    """In place of an action and its quantity."""
    user: str | None = None
    reference: str | None = None
    hold: str | None = None
    """The hold, if its capture is what is open."""
    beyond: bool | None = None
    """True if that capture may ask for more than is held."""
    model: str | None = None
    """The model, if the charge is by its meters."""
    meters: Meters | None = None
    usage: Mapping[str, Any] | None = None
    """In place of meters, as the provider told it in its `usage_format`."""
    usage_format: UsageFormat | None = None
    otherwise: Meters | None = None
    """The meters that are charged if Scrip refuses `meters` or `usage`."""
    most: Meters | None = None
    """The meters that were held: where no hold is captured, it costs no more than they do."""
    subjects: list[str] | None = None
    """What it counts for beside its user."""
    limits: list[LimitAsked] | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of its debit."""
        return {
            "action": self.action,
            "quantity": self.quantity,
            "credits": self.credits,
            "user": self.user,
            "reference": self.reference,
            "model": self.model,
            "meters": self.meters,
            "usage": self.usage,
            "usage_format": self.usage_format,
            "subjects": self.subjects,
            "limits": self.limits,
        }


def readable(unpaid: Unpaid, refused: Refused) -> Unpaid | None:
    """What is charged instead, if this was refused because of its meters or its usage.

    Its key is the same: a refusal uses up none.
    """
    is_unreadable = refused.status == 400 or refused.code == "unknown_meter"
    if unpaid.otherwise is None or not is_unreadable:
        return None
    meters, told = unpaid.otherwise, unpaid.usage or unpaid.meters
    logger.error("%s: charging %s of %s in place of %s", refused, meters, unpaid.model, told)
    return replace(unpaid, meters=meters, usage=None, usage_format=None, otherwise=None)


def captured(unpaid: Unpaid) -> dict[str, Any]:
    """The fields of a capture instead of a debit: these are the hold's."""
    of_hold = ("action", "model", "subjects", "limits")
    fields = {**unpaid.fields(), "beyond": unpaid.beyond}
    return {name: value for name, value in fields.items() if name not in of_hold}


def alternatives(unpaid: Unpaid) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of its debit, and of that of its `most`."""
    used = unpaid.fields()
    return used, {**used, "meters": unpaid.most, "usage": None, "usage_format": None}


def spent(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a debit that say its price."""
    others = ("user", "reference", "subjects", "limits")
    return {name: of for name, of in fields.items() if name not in others}


def may_debit(refused: Refused) -> bool:
    """Whether a debit may take the place of this refused capture, under its key.

    A hold that lapsed gave all back, and a refusal uses up no key. If the key is reused, the debit
    has happened.
    """
    has_lapsed = refused.code == "hold_ended" and refused.ended == "lapsed"
    return has_lapsed or refused.code == "operation_reused"


@dataclass(frozen=True)
class ChargeRequest:
    """What is to be charged for: the most of an action or of a model's meters, or most credits."""

    account: str
    action: str | None
    quantity: int | None
    credits: Credits | None
    user: str | None
    reference: str | None
    expires_in_s: int | None
    on_unreachable: OnUnreachable
    beyond: bool = False
    """Whether more may be delivered than was asked for."""
    model: str | None = None
    """Of a charge by meters, whose action has no quantity."""
    meters: Meters | None = None
    """The most that the model may use."""
    on_charged: Callable[[CaptureReceipt | DebitReceipt], object] | None = None
    """Gets the receipt. What it raises is only logged."""
    subjects: Iterable[str] | None = None
    limits: Iterable[LimitAsked] | None = None

    def __post_init__(self) -> None:
        # Its hold and its charge read them, and an iterator is read once.
        counted = given({"subjects": self.subjects, "limits": self.limits})
        for name, value in counted.items():
            object.__setattr__(self, name, value)

    def hold(self) -> dict[str, Any]:
        """The fields of its hold."""
        return {
            "model": self.model,
            "meters": self.meters,
            "action": self.action,
            "quantity": self.quantity,
            "credits": self.credits,
            "expires_in_s": self.expires_in_s,
            **self.terms(),
        }

    def charge(self, delivered: int | Decimal) -> dict[str, Any]:
        """The fields of its charge."""
        by_quantity = self.action is not None
        return {
            "action": self.action,
            "quantity": delivered if by_quantity else None,
            "credits": None if by_quantity else amount(Decimal(delivered)),
            **self.terms(),
        }

    def charge_used(self, used: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of its charge by meters."""
        most = None if self.beyond else self.meters
        return {"action": self.action, "model": self.model, "most": most, **self.terms(), **used}

    def terms(self) -> dict[str, Any]:
        """Whom and what it is for, in its hold and in its charge."""
        return {
            "user": self.user,
            "reference": self.reference,
            "subjects": self.subjects,
            "limits": self.limits,
        }


class Work:
    """Work that is being charged for. It reports what it has delivered."""

    def __init__(self, request: ChargeRequest) -> None:
        self.request = request
        self.hold: HoldReceipt | None = None
        """The receipt of its hold; None if the stack could not be reached and that is allowed."""
        self.receipt: CaptureReceipt | ReleaseReceipt | DebitReceipt | None = None
        """The receipt of its charge, or of its release, when it is over."""
        self._delivered: int | Decimal | None = None
        self._used: dict[str, Any] | None = None
        self._meters = request.meters

    @property
    def uncharged(self) -> str | None:
        """The credits that were delivered beyond the hold and not charged; None if all were."""
        receipt: Mapping[str, Any] = self.receipt or {}
        return receipt.get("uncharged")

    def delivered(self, so_far: int | Credits | Used) -> None:
        """Reports how much is delivered so far, in all: of the quantity, in credits, or `Used`.

        At most what is held is charged, unless the charge may go `beyond`. Work that reports
        nothing and returns is charged whole. If Scrip refuses the meters or the usage, such as one
        that it cannot read, it charges the report's `otherwise`; without one the meters that were
        reported before a usage, or else those that were asked for.
        """
        if isinstance(so_far, Mapping) != (self.request.meters is not None):
            raise TypeError("a charge by meters is delivered as meters or usage, and no other is")
        if isinstance(so_far, Mapping):
            check_used(so_far)
            if "meters" in so_far:
                self._meters = so_far["meters"]
            before = self._meters if "usage" in so_far else self.request.meters
            self._used = {"otherwise": before, **so_far}
            return
        if isinstance(so_far, int):
            delivered: int | Decimal = so_far
        elif self.request.action is None:
            delivered = exact(amount(so_far))
        else:
            raise TypeError("of an action, what is delivered is a whole quantity")
        # Here, and not after the work, where the charge would be refused.
        if delivered < 0:
            raise ValueError(f"what is delivered is 0 or more, and not {so_far}")
        self._delivered = delivered

    def charge(self, ended_by: BaseException | None) -> dict[str, Any] | None:
        """The fields of its charge; None if it is free."""
        if self.request.meters is None:
            delivered = self.to_charge(ended_by)
            return self.request.charge(delivered) if delivered > 0 else None
        if isinstance(ended_by, Exception):
            return None
        whole = {"meters": self.request.meters} if ended_by is None else {}
        used = self._used or whole
        # Nothing was used if all counts are 0.
        is_free = not any(used.get("meters", {}).values()) and "usage" not in used
        return None if is_free else self.request.charge_used(used)

    def to_charge(self, ended_by: BaseException | None) -> int | Decimal:
        """What was delivered by the end. An error charges nothing; one who goes away, what came."""
        if isinstance(ended_by, Exception):
            return 0
        most = self.most()
        if self._delivered is None:
            return most if ended_by is None else 0
        return self._delivered if self.request.beyond else min(self._delivered, most)

    def most(self) -> int | Decimal:
        if self.request.action is None:
            return Decimal(amount(self.request.credits or "0"))
        return self.request.quantity or 0


def tell(request: ChargeRequest, receipt: CaptureReceipt | DebitReceipt) -> None:
    """Tells what was charged, and what was not."""
    uncharged = cast("Mapping[str, Any]", receipt).get("uncharged")
    if uncharged is not None:
        logger.warning("%s credits of %s stay uncharged", uncharged, request.account)
    if request.on_charged is not None:
        try:
            request.on_charged(receipt)
        except Exception:
            logger.exception("on_charged failed")


def exact(credits: str) -> Decimal:
    """Credits, which have at most 6 decimals."""
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]{1,6})?", credits):
        raise ValueError(f"credits are a decimal with at most 6 places, and not {credits}")
    return Decimal(credits)


def may_begin(on_unreachable: OnUnreachable, error: Unavailable) -> bool:
    """Whether work may begin without its credits: if the stack was not reached, and not refused.

    A signer that failed is neither.
    """
    cause = error.cause
    is_refused = isinstance(cause, Refused) and cause.status != TOO_MANY_REQUESTS
    is_away = isinstance(cause, (httpx.RequestError, Problem)) and not is_refused
    return on_unreachable == "allow" and is_away


class Terms:
    """The arguments of a decorator, for each call of the `function` that it decorates.

    A term that is callable gets those of the call's arguments whose names it has as parameters.
    With `with_work` the function's first parameter is its work, and not its caller's.
    """

    def __init__(
        self, action: str, terms: Mapping[str, Any], function: Callable[..., Any], with_work: bool
    ) -> None:
        self.action = action
        self.terms = terms
        self.with_work = with_work
        self.signature = inspect.signature(function)
        if with_work:
            parameters = list(self.signature.parameters.values())[1:]
            self.signature = self.signature.replace(parameters=parameters)
        self.wanted = {
            name: list(inspect.signature(term).parameters)
            for name, term in terms.items()
            if callable(term)
        }
        for names in self.wanted.values():
            unknown = set(names) - set(self.signature.parameters)
            if unknown:
                raise TypeError(f"{function.__qualname__} has no parameter {', '.join(unknown)}")

    def of(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """The arguments of `charging` for this call."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(self.terms)
        for name, wanted in self.wanted.items():
            given[name] = self.terms[name](*(bound.arguments[one] for one in wanted))
        return {"action": self.action, **given}

    def arguments(self, work: Work, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The positional arguments of the function itself."""
        return (work, *args) if self.with_work else args

    def show(self, wrapped: Any) -> Any:
        """`wrapped`, with the signature that its callers see: a framework may read it."""
        wrapped.__signature__ = self.signature
        return wrapped
