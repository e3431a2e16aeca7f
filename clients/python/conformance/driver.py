#!/usr/bin/env python3
"""Plays the cases of clients/conformance with the Python client; --sync: with the synchronous one.

Reads a case a line, and writes what came of it a line; clients/conformance/README.md describes
both. The two clients are one to this file: the synchronous one is wrapped.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import scrip

THREADS = 30
"""More than one case has steps at the same time."""

Step = dict[str, Any]


class WentAway(BaseException):
    """The caller of synchronous work goes away."""


class WorkFailed(Exception):
    """The work's own error."""


class Player:
    """Plays one case."""

    def __init__(self, case: dict[str, Any], is_sync: bool) -> None:
        self.case = case
        self.unpaid: list[scrip.Unpaid] = []
        self.began = 0
        self.works: list[scrip.Work] = []
        self.ids: dict[str, str] = {}
        self.is_sync = is_sync
        options = case["client"]
        offset_s = options.get("clock_offset_ms", 0) / 1000
        settings: dict[str, Any] = {
            "on_unpaid": lambda unpaid, _: self.unpaid.append(unpaid),
            "key": options.get("key"),
        }
        for option, name in [
            ("deadline_ms", "deadline_s"),
            ("attempt_timeout_ms", "timeout_s"),
            ("coalesce_ms", "coalesce_s"),
        ]:
            if option in options:
                settings[name] = options[option] / 1000
        client = scrip.Scrip if is_sync else scrip.AsyncScrip
        self.client: Any = client(case["url"], now=lambda: time.time() + offset_s, **settings)

    async def play(self) -> dict[str, Any]:
        if self.is_sync:
            # Threads that have begun: debits within a few milliseconds are to be within them.
            threads = ThreadPoolExecutor(THREADS)
            begun = threading.Barrier(THREADS)
            list(threads.map(lambda _: begun.wait(), range(THREADS)))
            asyncio.get_running_loop().set_default_executor(threads)
        results = [await self.result(step) for step in self.case["steps"]]
        if self.is_sync:
            self.client.close()
        else:
            await self.client.aclose()
        unpaid = [fields(one) for one in self.unpaid]
        charged = [work.receipt for work in self.works if "credits" in (work.receipt or {})]
        return {"results": results, "unpaid": unpaid, "began": self.began, "charged": charged}

    async def result(self, step: Step) -> dict[str, Any]:
        """What came of a step."""
        try:
            return await self.step(dict(step))
        except scrip.ScripError as error:
            return shown(error)
        except WorkFailed as error:
            return {"thrown": str(error)}
        except (WentAway, asyncio.CancelledError):
            return {"aborted": True}

    async def step(self, step: Step) -> dict[str, Any]:
        do = step.pop("do")
        if do == "all":
            steps = step["steps"]
            return {"all": await asyncio.gather(*(self.result(one) for one in steps))}
        if do == "pay_unpaid":
            return {"all": [await self.paid(one) for one in list(self.unpaid)]}
        if do == "wait":
            await asyncio.sleep(step["ms"] / 1000)
            return {"ok": None}
        if do == "reach":
            url = f"{self.case['url']}/_proxy/faults"
            await asyncio.to_thread(send, urllib.request.Request(url, method="DELETE"))
            return {"ok": None}
        remembered = step.pop("as", None)
        answer = await self.operation(do, step)
        if remembered is not None:
            self.ids[f"${remembered}"] = answer["id"]
        return {"ok": answer}

    async def operation(self, do: str, step: Step) -> Any:
        account = step.pop("account", self.case["account"])
        for name in ("hold", "debit"):
            if name in step:
                step[name] = self.ids.get(step[name], step[name])
        if do == "charge":
            return await self.charge(account, step)
        if do == "stream":
            parts = Parts(self, step)
            if self.is_sync:
                return await asyncio.to_thread(parts.read, self.client, account, step)
            return await parts.read_async(self.client, account, step)
        if "from" in step:
            step["from_"] = step.pop("from")
        if do == "ledger":
            return await self.entries(account, step)
        name = "create_session" if do == "session" else do
        return await self.called(getattr(self.client, name), account, **step)

    async def paid(self, unpaid: scrip.Unpaid) -> dict[str, Any]:
        try:
            return {"ok": await self.called(self.client.pay, unpaid)}
        except scrip.ScripError as error:
            return shown(error)

    async def called(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Calls the client; the synchronous one in a thread, so that calls can be concurrent."""
        if self.is_sync:
            return await asyncio.to_thread(function, *args, **kwargs)
        return await function(*args, **kwargs)

    async def entries(self, account: str, filters: Step) -> list[Any]:
        entries = self.client.ledger(account, **filters)
        if self.is_sync:
            return await asyncio.to_thread(list, entries)
        return [entry async for entry in entries]

    async def charge(self, account: str, step: Step) -> Any:
        deeds = step.pop("work")
        if self.is_sync:
            return await asyncio.to_thread(
                self.client.charge, account, work=lambda work: self.done(deeds, work), **step
            )
        # A task of its own: the work cancels it, and not this case.
        charge = self.client.charge(account, work=lambda work: self.played(deeds, work), **step)
        return await asyncio.create_task(charge)

    async def played(self, deeds: list[Step], work: scrip.Work) -> Any:
        """Does the work, asynchronously."""
        for deed in self.deeds(deeds, work):
            if "wait_ms" in deed:
                await asyncio.sleep(deed["wait_ms"] / 1000)
            elif "abort" in deed:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            else:
                return deed["return"]

    def done(self, deeds: list[Step], work: scrip.Work) -> Any:
        """Does the work, synchronously."""
        for deed in self.deeds(deeds, work):
            if "wait_ms" in deed:
                time.sleep(deed["wait_ms"] / 1000)
            elif "abort" in deed:
                raise WentAway
            else:
                return deed["return"]

    def deeds(self, deeds: list[Step], work: scrip.Work) -> Iterator[Step]:
        """Does what is alike in both, and yields the rest."""
        self.began += 1
        self.works.append(work)
        for deed in deeds:
            if "delivered" in deed:
                work.delivered(deed["delivered"])
            elif "fail" in deed:
                raise WorkFailed(deed["fail"])
            else:
                yield deed


class Parts:
    """Work that streams, and its reader."""

    def __init__(self, player: Player, step: Step) -> None:
        self.player = player
        self.parts: list[str] = step.pop("parts")
        self.count: int = step.pop("read", len(self.parts) + 1)
        self.fail: str | None = step.pop("fail", None)

    def stream(self, work: scrip.Work) -> Iterator[str]:
        self.player.began += 1
        self.player.works.append(work)
        for number, part in enumerate(self.parts, 1):
            work.delivered(number)
            yield part
        if self.fail is not None:
            raise WorkFailed(self.fail)

    async def stream_async(self, work: scrip.Work) -> AsyncIterator[str]:
        for part in self.stream(work):
            yield part

    def read(self, client: scrip.Scrip, account: str, step: Step) -> list[str]:
        stream: Any = client.stream(account, work=self.stream, **step)
        taken: list[str] = []
        with contextlib.closing(stream):
            for part in stream:
                taken.append(part)
                if len(taken) == self.count:
                    break
        return taken

    async def read_async(self, client: scrip.AsyncScrip, account: str, step: Step) -> list[str]:
        stream: Any = await client.stream(account, work=self.stream_async, **step)
        taken: list[str] = []
        async with contextlib.aclosing(stream):
            async for part in stream:
                taken.append(part)
                if len(taken) == self.count:
                    break
        return taken


def fields(unpaid: scrip.Unpaid) -> dict[str, Any]:
    shown = dataclasses.asdict(unpaid)
    return {name: value for name, value in shown.items() if value is not None}


def shown(error: scrip.ScripError) -> dict[str, Any]:
    if isinstance(error, scrip.Problem):
        return {"refused": {"status": error.status, **error.body}}
    if isinstance(error, scrip.OutcomeUnknown):
        unpaid = error.unpaid
        return {"unknown": {"key": error.key, **({"unpaid": fields(unpaid)} if unpaid else {})}}
    return {"failed": repr(error)}


def send(request: urllib.request.Request) -> None:
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def main() -> None:
    for line in sys.stdin:
        player = Player(json.loads(line), is_sync="--sync" in sys.argv[1:])
        print(json.dumps(asyncio.run(player.play())), flush=True)


if __name__ == "__main__":
    main()
