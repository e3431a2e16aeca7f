"""How a call is tried until its outcome is known, without doing any input or output.

`attempts` is a generator: it yields what to do next, a `Send` or a `Wait`, and is sent the reply.
The synchronous and the asynchronous client run the same one.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import httpx

from scrip._call import Call
from scrip._clock import Clock
from scrip.errors import OutcomeUnknown, Problem, Refused, Unavailable

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
"""The waits between tries: doubled from the first one up to the longest, half of it by chance."""

CALL_LIVES_S = 5.0
"""The longest that a request lives in the stack: an earlier try can take effect until then."""

FAR_AHEAD_S = 120.0
"""No copy of a request lives for that long: a key further ahead is replaced in any case."""

SHORTEST_TIMEOUT_S = 0.1
TOO_MANY_REQUESTS = 429
"""From the gateway: the stack has not seen the request."""

FINAL_STATUS = frozenset({400, 401, 413})
"""Refusals that each copy of the request meets."""

# The request did not leave: there is no outcome to be known.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# The request is wrong in itself.
MISUSED = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True)
class Limits:
    """How long is waited, in seconds."""

    timeout_s: float
    """For an answer to one try."""
    deadline_s: float
    """For the outcome."""


@dataclass(frozen=True)
class Send:
    """Send the request, once; the reply is an answer, or why there is none."""

    call: Call
    timeout_s: float


@dataclass(frozen=True)
class Wait:
    """Wait; the reply is None."""

    seconds: float


Reply = httpx.Response | httpx.RequestError | None


def attempts(call: Call, clock: Clock, limits: Limits) -> Generator[Send | Wait, Reply, Any]:
    """Tries `call` under the same key until its outcome is known, and returns the answer's body.

    Raises `Refused` if the answer is no, and if there is none until the deadline `OutcomeUnknown`,
    or `Unavailable` for a call that has no key, because it changes nothing.
    """
    deadline = time.monotonic() + limits.deadline_s
    # The end of the latest try that may take effect, or may have.
    in_doubt_at: float | None = None
    may_remint = call.is_minted
    tries = 0
    while True:
        sent_at, sent_local = time.monotonic(), clock.local()
        reply = yield Send(call, min(limits.timeout_s, max(deadline - sent_at, SHORTEST_TIMEOUT_S)))
        tries += 1
        wait_s = backoff_s(tries)
        cause: Exception
        if isinstance(reply, httpx.Response):
            clock.observe(reply, sent_local)
            answer, problem = read(reply)
            if problem is None:
                return answer
            cause = problem
            wait_s = max(wait_s, retry_after_s(reply))
            if not isinstance(problem, Refused):
                in_doubt_at = time.monotonic()
            elif problem.code == "key_ahead" and (in_doubt_at is not None or may_remint):
                clock.take(problem.server_time, sent_local)
                is_far = call.is_minted and call.dated_at() > clock.now() + FAR_AHEAD_S
                if may_remint and (in_doubt_at is None or is_far):
                    # Nothing happened by this key, and nothing will.
                    call, may_remint, in_doubt_at = call.with_new_keys(clock), False, None
                    continue
                # A copy may be applied when the time of its key has come: no other key until then.
            elif problem.status != TOO_MANY_REQUESTS:
                # A try in doubt that is still on its way may make it a yes after all.
                doubt_ends = None if in_doubt_at is None else in_doubt_at + CALL_LIVES_S
                if doubt_ends is None or sent_at >= doubt_ends or is_final(problem):
                    raise problem
                wait_s = max(doubt_ends - time.monotonic(), 0)
        elif isinstance(reply, httpx.RequestError):
            if isinstance(reply, MISUSED):
                raise reply
            cause = reply
            if not isinstance(reply, NOT_SENT):
                in_doubt_at = time.monotonic()
        else:
            raise TypeError(f"no reply to a request: {reply!r}")
        if time.monotonic() + wait_s >= deadline:
            raise unknown(call, tries, cause) from cause
        yield Wait(wait_s)


def is_final(problem: Problem) -> bool:
    """Whether each copy of the request is refused, too."""
    return problem.status in FINAL_STATUS or problem.code == "operation_reused"


def read(reply: httpx.Response) -> tuple[dict[str, Any], None] | tuple[None, Problem]:
    """The answer, or the problem. A success that cannot be read tells nothing: as a 5xx."""
    if not reply.is_success:
        return None, Problem.of(reply)
    try:
        answer = reply.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        answer = None
    if not isinstance(answer, dict):
        return None, Problem(reply.status_code, {"code": "unreadable_answer"})
    return answer, None


def unknown(call: Call, tries: int, cause: Exception) -> Unavailable:
    """There was no answer that tells, until the deadline."""
    if call.keys:
        keys = [key.text for key in call.keys]
        return OutcomeUnknown(call.operation, call.account, tries, cause, keys)
    return Unavailable(call.operation, call.account, tries, cause)


def backoff_s(tries: int) -> float:
    longest = min(FIRST_WAIT_S * 2.0 ** min(tries, 16), LONGEST_WAIT_S)
    return longest * random.uniform(0.5, 1)


def retry_after_s(answer: httpx.Response) -> float:
    """The wait that the stack asks for."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0
