"""The stack's time, and keys that are dated by it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx

ULID_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Clock:
    """The local clock, corrected by what the stack says of its own.

    A key that is dated ahead of the stack is refused, and one from the past costs a write unit
    more. So a wrong local clock must not date keys.
    """

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        self.local = local
        self.offset_s = 0.0

    def now(self) -> float:
        """The stack's time, in seconds since 1970."""
        return self.local() + self.offset_s

    def observe(self, answer: httpx.Response, sent_at: float) -> None:
        """Takes the time from the header `Date` of an answer to what was sent at `sent_at`."""
        try:
            second = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        except ValueError:
            return
        self.correct(second, second + 1, sent_at)

    def take(self, server_time: str | None, sent_at: float) -> None:
        """Takes the time from the field `server_time` of an answer: `2026-11-22T03:05:30.120Z`."""
        if server_time is not None:
            exact = datetime.fromisoformat(server_time.replace("Z", "+00:00")).timestamp()
            self.correct(exact, exact, sent_at)

    def correct(self, earliest: float, latest: float, sent_at: float) -> None:
        """The stack's clock was between `earliest` and `latest` at an instant since `sent_at`.

        That leaves a range for the offset, and the offset moves no further than into it: answers
        to the second do not make a right clock wrong by one.
        """
        lowest, highest = earliest - self.local(), latest - sent_at
        if lowest <= highest:
            self.offset_s = min(max(self.offset_s, lowest), highest)


def ulid_time(key: str) -> float:
    """The time in a ULID, in seconds since 1970."""
    value = 0
    for digit in key[:10]:
        value = value * 32 + ULID_DIGITS.index(digit)
    return value / 1000


def ulid(now: float) -> str:
    """A new key, dated `now`.

    Its bits are those of a UUIDv7: of other ULIDs, one in 64 costs the stack a write unit more.
    """
    value = (int(now * 1000) << 80) | secrets.randbits(80)
    value = value & ~(0xF << 76) | (7 << 76)
    value = value & ~(3 << 62) | (2 << 62)
    return "".join(ULID_DIGITS[(value >> shift) & 31] for shift in range(125, -1, -5))
