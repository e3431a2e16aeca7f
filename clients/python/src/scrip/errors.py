"""What a client raises: a refusal, or that there is no outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from scrip._charge import Unpaid


class ScripError(Exception):
    """All that this package raises about the stack and its answers."""

    unpaid: Unpaid | None = None
    """Set if the work of a charge is done, and its charge is not confirmed: `pay` it later. Whether
    to deliver the work is the caller's choice."""
    value: Any = None
    """What that work returned."""


class Problem(ScripError):
    """An answer that is no success. Decide by `code`; `title` and `detail` are for people.

    The fields of the contract that this answer does not have are None. `body` is the whole answer.
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = body
        # The gateway's own answers have no code, only a message.
        self.code: str = body.get("code") or f"http_{status}"
        self.title: str = body.get("title") or self.code
        self.detail: str = body.get("detail") or body.get("message") or ""
        self.type: str | None = body.get("type")

        self.required: str | None = body.get("required")
        """The credits that the request costs."""
        self.available: str | None = body.get("available")
        self.shortfall: str | None = body.get("shortfall")
        self.recharges_at: str | None = body.get("recharges_at")
        """When credits come back; None if the plan grants no more."""
        self.recharge_credits: str | None = body.get("recharge_credits")
        self.top_up_url: str | None = body.get("top_up_url")
        """Where the customer can buy credits."""
        self.auto_top_up: str | None = body.get("auto_top_up")
        """`processing`: a pack is being bought with the customer's saved card."""
        self.debt: str | None = body.get("debt")
        self.account: str | None = body.get("account")
        self.fields: Sequence[Mapping[str, str]] = body.get("fields") or ()
        """What is wrong with the request: `field`, `problem`, perhaps `did_you_mean`."""
        self.did_you_mean: str | None = body.get("did_you_mean")
        self.index: int | None = body.get("index")
        """The debit of a batch that is the reason, from 0."""
        self.ended: str | None = body.get("ended")
        """How a hold ended: `captured`, `released` or `lapsed`."""
        self.ended_at: str | None = body.get("ended_at")
        self.held: str | None = body.get("held")
        self.charged: str | None = body.get("charged")
        self.refunded: str | None = body.get("refunded")
        self.holds: int | None = body.get("holds")
        """How many holds are open."""
        self.retry_at: str | None = body.get("retry_at")
        """When the first of them lapses, if none ends before."""
        self.scope: str | None = body.get("scope")
        """The scope that the service key does not have."""
        self.model: str | None = body.get("model")
        self.meter: str | None = body.get("meter")
        self.of: str | None = body.get("of")
        """The subject whose limit is reached; of several limits, of the one that resets last."""
        self.per: str | None = body.get("per")
        self.at_most: str | None = body.get("at_most")
        self.left: str | None = body.get("left")
        self.resets_at: str | None = body.get("resets_at")
        """When the window of that limit ends; None of one for `ever`."""
        self.limits: Sequence[Mapping[str, Any]] = body.get("limits") or ()
        """All limits that are reached, each with these fields."""
        self.server_time: str | None = body.get("server_time")
        super().__init__(status, body)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail or f'status {self.status}'}"

    @staticmethod
    def from_answer(answer: httpx.Response) -> Problem:
        """The problem in an answer: a `Refused` if its status is 3xx or 4xx."""
        try:
            body = answer.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            body = None
        kind = Problem if answer.status_code >= 500 else Refused
        return kind(answer.status_code, body if isinstance(body, dict) else {})


class Refused(Problem):
    """The answer is no. It changed nothing and is not remembered: the same key may pass later."""


class Unavailable(ScripError):
    """There was no answer until the deadline. Of an operation, it is an `OutcomeUnknown`."""

    def __init__(self, operation: str, account: str, tries: int, cause: BaseException) -> None:
        self.operation = operation
        self.account = account
        self.tries = tries
        self.cause = cause
        """Why the last try did not tell."""
        super().__init__(operation, account, tries, cause)

    def __str__(self) -> str:
        return f"no answer to {self.operation} of {self.account}: {self.reason()}"

    def reason(self) -> str:
        tries = "1 try" if self.tries == 1 else f"{self.tries} tries"
        return f"{tries}, the last: {str(self.cause) or type(self.cause).__name__}"


class OutcomeUnknown(Unavailable):
    """The outcome is NOT known: the operation may have happened, or may not.

    Send it again with the same `key`: it does not happen twice. A new key is a new operation.
    """

    def __init__(
        self, operation: str, account: str, tries: int, cause: BaseException, keys: Sequence[str]
    ) -> None:
        self.keys = tuple(keys)
        """The key, or those of a batch in the order of its debits."""
        super().__init__(operation, account, tries, cause)
        self.args = (operation, account, tries, cause, self.keys)

    @property
    def key(self) -> str:
        return self.keys[0]

    def __str__(self) -> str:
        keys = ", ".join(self.keys)
        return (
            f"the outcome of {self.operation} of {self.account} is NOT known "
            f"(send the same key again: {keys}): {self.reason()}"
        )
