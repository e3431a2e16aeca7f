"""Limits: what a charge counts for, and how much may be charged of it."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Literal, TypedDict

if sys.version_info >= (3, 11):
    from typing import NotRequired
else:
    from typing_extensions import NotRequired

Per = Literal["day", "week", "month", "period", "ever"]
"""The windows of a limit. Those of the calendar are in UTC; a week begins on Monday."""


class LimitAsked(TypedDict):
    """A limit that a request brings: `{"of": "run:7f", "at_most": "50"}`."""

    of: str
    at_most: str | Decimal
    per: NotRequired[Per]
    """`ever`, if it is left out."""
