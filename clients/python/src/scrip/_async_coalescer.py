"""Concurrent debits of one account travel as one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from scrip._call import Call
from scrip._coalesce import FEWEST, MOST, batch_of, failed

Waiting = list[tuple[Call, "asyncio.Future[Any]"]]


class Coalescer:
    """Keeps debits for `window_s`, and sends those of one account together."""

    def __init__(
        self,
        run: Callable[[Call], Awaitable[Any]],
        spawn: Callable[[Coroutine[Any, Any, None]], Any],
        window_s: float,
    ) -> None:
        self.run = run
        self.spawn = spawn
        self.window_s = window_s
        self.waiting: dict[str, Waiting] = {}

    async def debit(self, call: Call) -> Any:
        """Makes the debit, in a batch with others or alone."""
        loop = asyncio.get_running_loop()
        waiting = self.waiting.setdefault(call.account, [])
        future: asyncio.Future[Any] = loop.create_future()
        waiting.append((call, future))
        if len(waiting) == MOST:
            self.send(call.account, waiting)
        elif len(waiting) == 1:
            loop.call_later(self.window_s, self.send, call.account, waiting)
        receipt = await future
        return await self.run(call) if receipt is None else receipt

    def send(self, account: str, waiting: Waiting) -> None:
        if self.waiting.get(account) is waiting:
            del self.waiting[account]
            self.spawn(self.send_together(waiting))

    async def send_together(self, waiting: Waiting) -> None:
        """Answers each debit with its receipt, its error, or None: then it travels alone."""
        calls = [call for call, _ in waiting]
        answers: list[Any] = [None] * len(calls)
        try:
            if len(calls) >= FEWEST:
                answers = (await self.run(batch_of(calls)))["receipts"]
        except BaseException as error:
            answers = failed(calls, error)
            if not isinstance(error, Exception):
                raise
        finally:
            for (_, future), answer in zip(waiting, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
