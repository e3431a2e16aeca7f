"""How a call is tried until its outcome is known, without doing any input or output.

`attempts` is a generator: it yields what to do next, a `Send` or a `Wait`, and is sent the reply.
The synchronous and the asynchronous client run the same one.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Generator
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


Tell = Callable[[int, dict[str, Any]], None]
"""Gets the place and the result of a debit in a batch of mode `each`, as soon as it is final."""


def attempts(
    call: Call, clock: Clock, limits: Limits, tell: Tell | None = None
) -> Generator[Send | Wait, Reply, Any]:
    """Tries `call` under the same key until its outcome is known, and returns the answer's body.

    Raises `Refused` if the answer is no, and if there is none until the deadline `OutcomeUnknown`,
    or `Unavailable` for a call that has no key, because it changes nothing.
    """
    return Attempts(call, clock, limits, tell).run()


class Attempts:
    """The tries of a call. In a batch of mode `each`, each place is tried until it is known."""

    def __init__(self, call: Call, clock: Clock, limits: Limits, tell: Tell | None) -> None:
        self.call = call
        self.clock = clock
        self.limits = limits
        self.tell = tell
        places = range(max(len(call.keys), 1))
        self.open = list(places)
        """The places without an outcome; of another call than a batch it is the one."""
        self.results: list[Any] = [None for _ in places]
        self.in_doubt_at: dict[int, float] = {}
        """The end of the latest try of a place that may take effect, or may have."""
        self.new_keys: set[int] = set()
        """The places that have got another key: they get one once."""

    def run(self) -> Generator[Send | Wait, Reply, Any]:
        """See `attempts`."""
        deadline = time.monotonic() + self.limits.deadline_s
        tries = 0
        while True:
            sent_at, sent_local = time.monotonic(), self.clock.local()
            timeout_s = min(self.limits.timeout_s, max(deadline - sent_at, SHORTEST_TIMEOUT_S))
            try:
                reply = yield Send(self.call.only(self.open), timeout_s)
            except Exception as failure:
                # A signer's, say. An earlier try may have happened, and its caller needs the key.
                if self.in_doubt_at and self.call.keys:
                    raise unknown(self.call, tries, failure) from failure
                raise
            tries += 1
            cause: Exception
            if isinstance(reply, httpx.Response):
                self.clock.observe(reply, sent_local)
                answer, problem = read(reply)
                if problem is None:
                    again = self.take_results(answer, sent_at, sent_local)
                    if again is None:
                        return self.answer(answer)
                    wait_s, cause = again
                elif isinstance(problem, Refused) and problem.status != TOO_MANY_REQUESTS:
                    asked = self.ask_again_s(problem, self.open, sent_at, sent_local)
                    if asked is None:
                        raise problem
                    wait_s, cause = asked, problem
                else:
                    wait_s, cause = max(backoff_s(tries), retry_after_s(reply)), problem
            elif isinstance(reply, MISUSED):
                raise reply
            elif isinstance(reply, httpx.RequestError):
                wait_s, cause = backoff_s(tries), reply
            else:
                raise TypeError(f"no reply to a request: {reply!r}")
            if not isinstance(cause, (*NOT_SENT, Refused)):
                self.in_doubt_at.update(dict.fromkeys(self.open, time.monotonic()))
            if time.monotonic() + wait_s >= deadline:
                raise unknown(self.call, tries, cause) from cause
            if wait_s > 0:
                yield Wait(wait_s)

    def take_results(
        self, answer: Any, sent_at: float, sent_local: float
    ) -> tuple[float, Refused] | None:
        """Keeps what is final of an answer. Of the rest: the wait before it is asked for again."""
        if not self.call.is_each:
            return None
        again: list[tuple[int, float, Refused]] = []
        for place, result in zip(self.open, answer["results"], strict=True):
            if "problem" in result:
                no = Refused(result["status"], result["problem"])
                wait_s = self.ask_again_s(no, [place], sent_at, sent_local)
                if wait_s is not None:
                    again.append((place, wait_s, no))
                    continue
            self.results[place] = result
            if self.tell is not None:
                self.tell(place, result)
        self.open = [place for place, _, _ in again]
        return (max(wait_s for _, wait_s, _ in again), again[0][2]) if again else None

    def answer(self, answer: Any) -> Any:
        return {**answer, "results": self.results} if self.call.is_each else answer

    def ask_again_s(
        self, no: Refused, places: list[int], sent_at: float, sent_local: float
    ) -> float | None:
        """The wait before these places are asked for again; None if their refusal is final."""
        in_doubt_at = max(self.in_doubt_at.get(place, -math.inf) for place in places)
        is_in_doubt = in_doubt_at > -math.inf
        if no.code == "key_ahead" and self.call.keys:
            self.clock.take(no.server_time, sent_local)
            keys = self.call.keys
            minted = [one for one in places if keys[one].minted and one not in self.new_keys]
            far_ahead = self.clock.now() + FAR_AHEAD_S
            if minted and (not is_in_doubt or self.call.dated_at(minted) > far_ahead):
                # Nothing happened by these keys, and nothing will.
                self.call = self.call.with_new_keys(self.clock, minted)
                self.new_keys.update(minted)
                for place in places:
                    self.in_doubt_at.pop(place, None)
                return 0.0
            # A copy may be applied when the time of its key has come: no other key until then.
            return LONGEST_WAIT_S if is_in_doubt else None
        # A try in doubt that is still on its way may make it a yes after all.
        if not is_in_doubt or sent_at >= in_doubt_at + CALL_LIVES_S or is_final(no):
            return None
        return max(in_doubt_at + CALL_LIVES_S - time.monotonic(), 0.0)


def is_final(problem: Problem) -> bool:
    """Whether each copy of the request is refused, too."""
    return problem.status in FINAL_STATUS or problem.code == "operation_reused"


def read(reply: httpx.Response) -> tuple[dict[str, Any], None] | tuple[None, Problem]:
    """The answer, or the problem. A success that cannot be read tells nothing: as a 5xx."""
    if not reply.is_success:
        return None, Problem.from_answer(reply)
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
