"""Concurrent debits of one account travel as one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from scrip._call import Call
from scrip._coalesce import FEWEST, MOST, Waiting, answer_rest, batch_of

Place = tuple[asyncio.AbstractEventLoop, str]
"""An account, in an event loop: of one that ended, nobody sends what waited there."""


class Coalescer:
    """Keeps debits for `window_s`, and sends those of one account together."""

    def __init__(
        self,
        run: Callable[..., Coroutine[Any, Any, Any]],
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        window_s: float,
    ) -> None:
        self.run = run
        self.spawn = spawn
        self.window_s = window_s
        self.waiting: dict[Place, list[Waiting]] = {}

    async def debit(self, call: Call) -> Any:
        """Makes the debit, in a batch with others or alone."""
        loop = asyncio.get_running_loop()
        place = (loop, call.account)
        waiting = self.waiting.setdefault(place, [])
        one = Waiting(call, loop.create_future())
        waiting.append(one)
        if len(waiting) == MOST:
            self.send(place, waiting)
        elif len(waiting) == 1:
            loop.call_later(self.window_s, self.send, place, waiting)
        receipt = await one.future
        return await self.run(call) if receipt is None else receipt

    def send(self, place: Place, waiting: list[Waiting]) -> None:
        if self.waiting.get(place) is waiting:
            del self.waiting[place]
            self.spawn(self.send_together(waiting))

    async def send_together(self, waiting: list[Waiting]) -> None:
        """Sends their batch, and answers each debit."""
        try:
            if len(waiting) >= FEWEST:
                await self.run(batch_of(waiting), lambda place, result: waiting[place].tell(result))
            answer_rest(waiting, None)
        except BaseException as error:
            answer_rest(waiting, error)
            if not isinstance(error, Exception):
                raise
