"""Concurrent debits of one account, from several threads, travel as one batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from scrip._call import Call
from scrip._coalesce import FEWEST, MOST, Waiting, answer_rest, batch_of


class Coalescer:
    """Keeps debits for `window_s`, and sends those of one account together.

    The thread of the first one waits and sends for all; a full batch is sent by the last one.
    """

    def __init__(self, run: Callable[..., Any], window_s: float) -> None:
        self.run = run
        self.window_s = window_s
        self.lock = threading.Lock()
        self.waiting: dict[str, list[Waiting]] = {}

    def debit(self, call: Call) -> Any:
        """Makes the debit, in a batch with others or alone."""
        one = Waiting(call, Future())
        with self.lock:
            waiting = self.waiting.setdefault(call.account, [])
            waiting.append(one)
            is_first, is_full = len(waiting) == 1, len(waiting) == MOST
            if is_full:
                del self.waiting[call.account]
        if is_full:
            self.send(waiting)
        elif is_first:
            try:
                time.sleep(self.window_s)
            finally:
                # Also if this thread is interrupted: others wait for it.
                if self.take(call.account, waiting):
                    self.send(waiting)
        receipt = one.future.result()
        return self.run(call) if receipt is None else receipt

    def take(self, account: str, waiting: list[Waiting]) -> bool:
        """Whether nobody has sent these debits yet. Nobody else does, from now on."""
        with self.lock:
            is_open = self.waiting.get(account) is waiting
            if is_open:
                del self.waiting[account]
        return is_open

    def send(self, waiting: list[Waiting]) -> None:
        """Sends their batch, and answers each debit."""
        try:
            if len(waiting) >= FEWEST:
                self.run(batch_of(waiting), lambda place, result: waiting[place].tell(result))
            answer_rest(waiting, None)
        except BaseException as error:
            answer_rest(waiting, error)
            if not isinstance(error, Exception):
                raise
