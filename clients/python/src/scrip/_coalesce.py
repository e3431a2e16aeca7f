"""A batch of debits that were called one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scrip._call import Call, path
from scrip.errors import OutcomeUnknown, Refused

FEWEST = 3
"""Fewer debits travel alone."""
MOST = 24
"""The most debits of one batch."""


@dataclass(frozen=True)
class Waiting:
    """A debit that waits for others, and the future of its answer: None if it travels alone."""

    call: Call
    future: Any

    def answer(self, answer: Any) -> None:
        if self.future.done():
            return  # It has its answer, or nobody waits any more.
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)

    def tell(self, result: Any) -> None:
        """Answers with its result in the batch."""
        if "problem" in result:
            self.answer(Refused(result["status"], result["problem"]))
        else:
            self.answer(result["receipt"])


def batch_of(waiting: list[Waiting]) -> Call:
    """The batch of these debits: each is the same operation, by its key, as if sent alone."""
    account = waiting[0].call.account
    body = {"mode": "each", "debits": [one.call.body for one in waiting]}
    keys = tuple(one.call.keys[0] for one in waiting)
    return Call("batch", account, "POST", path(account, "debits", "batch"), body, keys=keys)


def answer_rest(waiting: list[Waiting], error: BaseException | None) -> None:
    """Answers those that have no answer of their own: `error` is why their batch has none."""
    for place, one in enumerate(waiting):
        if error is None or isinstance(error, Refused):
            # Of the whole: each may pass by itself.
            one.answer(None)
        elif isinstance(error, OutcomeUnknown):
            key, account = error.keys[place], one.call.account
            one.answer(OutcomeUnknown("debit", account, error.tries, error.cause, [key]))
        elif isinstance(error, Exception):
            one.answer(error)
        else:
            # The batch was interrupted: who else waits for it does not know the outcome.
            key, account = one.call.keys[0].text, one.call.account
            one.answer(OutcomeUnknown("debit", account, 1, error, [key]))
