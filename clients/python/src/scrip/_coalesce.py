"""A batch of debits that were called one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scrip._call import Call, path
from scrip.errors import OutcomeUnknown, Refused

FEWEST = 3
"""Fewer debits travel alone."""
MOST = 24
"""The most debits of one batch."""


def batch_of(calls: list[Call]) -> Call:
    """The batch of these debits: each is the same operation, by its key, as if sent alone.

    Its keys stay as they are: if one is ahead, each debit travels alone, and makes its key anew.
    """
    account = calls[0].account
    body = {"mode": "all_or_nothing", "debits": [call.body for call in calls]}
    keys = tuple(replace(call.keys[0], minted=False) for call in calls)
    return Call("batch", account, "POST", path(account, "debits", "batch"), body, keys=keys)


def failed(calls: list[Call], error: BaseException) -> list[Any]:
    """What the failure of their batch is to each debit; None: it travels alone."""
    if isinstance(error, Refused):
        # Of the whole: each may pass by itself.
        return [None] * len(calls)
    if isinstance(error, OutcomeUnknown):
        account, tries, cause = error.account, error.tries, error.cause
        return [OutcomeUnknown("debit", account, tries, cause, [key]) for key in error.keys]
    if isinstance(error, Exception):
        return [error] * len(calls)
    # The batch was interrupted: who else waits for it does not know the outcome.
    return [OutcomeUnknown("debit", call.account, 1, error, [call.keys[0].text]) for call in calls]
