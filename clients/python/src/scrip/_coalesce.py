"""A batch of debits that were called one by one."""

from __future__ import annotations

from typing import Any

from scrip._call import Call, path
from scrip.errors import OutcomeUnknown

FEWEST = 3
"""Fewer debits travel alone."""
MOST = 24
"""The most debits of one batch."""


def batch_of(calls: list[Call]) -> Call:
    """The batch of these debits: each is the same operation, by its key, as if sent alone."""
    account = calls[0].account
    body = {"mode": "all_or_nothing", "debits": [call.body for call in calls]}
    keys = tuple(call.keys[0] for call in calls)
    return Call("batch", account, "POST", path(account, "debits", "batch"), body, keys=keys)


def receipts_of(answer: Any) -> list[Any]:
    return list(answer["receipts"])


def error_of(unknown: OutcomeUnknown, index: int) -> OutcomeUnknown:
    """The error of one debit of a batch."""
    return OutcomeUnknown(
        "debit", unknown.account, unknown.tries, unknown.cause, [unknown.keys[index]]
    )
