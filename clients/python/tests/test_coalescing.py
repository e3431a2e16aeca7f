"""Debits that travel together. The suite has their faults."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import datetime
from typing import Any

import httpx
import pytest

import scrip
from scrip import AsyncScrip, Scrip
from scrip._clock import ulid_time

NOW = 1795802970.602  # 2026-11-27T18:09:30.602Z


class Batches:
    """A stack that answers every debit, and counts how they came."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if not request.url.path.endswith("/batch"):
            self.sizes.append(1)
            return httpx.Response(201, json={"credits": body["credits"]})
        self.sizes.append(len(body["debits"]))
        assert body["mode"] == "each"
        return httpx.Response(200, json={"results": [self.result(one) for one in body["debits"]]})

    def result(self, debit: dict[str, str]) -> dict[str, Any]:
        return {"status": 201, "replayed": False, "receipt": {"credits": debit["credits"]}}


class Ahead(Batches):
    """A stack whose time is NOW: keys of a later one are ahead."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    def result(self, debit: dict[str, str]) -> dict[str, Any]:
        self.keys.append(debit["id"])
        if ulid_time(debit["id"]) > NOW + 20:
            problem = {"code": "key_ahead", "server_time": "2026-11-27T18:09:30.602Z"}
            return {"status": 400, "problem": problem}
        return super().result(debit)


async def debits(client: AsyncScrip, accounts: list[str]) -> list[Any]:
    return await asyncio.gather(
        *(client.debit(account, credits=str(1 + n)) for n, account in enumerate(accounts)),
        return_exceptions=True,
    )


def test_a_batch_has_at_most_24_debits_of_one_account() -> None:
    stack = Batches()
    http = httpx.AsyncClient(transport=httpx.MockTransport(stack))
    client = AsyncScrip("http://stack", http=http, coalesce_s=0.01)
    receipts = asyncio.run(debits(client, ["a"] * 50 + ["b"] * 4))
    assert [receipt["credits"] for receipt in receipts] == [str(1 + n) for n in range(54)]
    assert sorted(stack.sizes) == [1, 1, 4, 24, 24]


def test_debits_whose_keys_are_ahead_travel_again_under_new_ones() -> None:
    stack = Ahead()
    http = httpx.AsyncClient(transport=httpx.MockTransport(stack))
    client = AsyncScrip("http://stack", http=http, coalesce_s=0.01, now=lambda: NOW + 600)
    receipts = asyncio.run(debits(client, ["a"] * 3))
    assert [receipt["credits"] for receipt in receipts] == ["1", "2", "3"]
    assert (len(stack.keys), len(set(stack.keys))) == (6, 6)
    assert stack.sizes == [3, 3]


def test_a_debit_of_a_batch_does_not_wait_for_the_refusal_of_another() -> None:
    """One refusal is not final for 5 s after a lost answer; the others have theirs."""
    tries = 0

    def lost_once(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise httpx.ReadError("lost", request=request)
        answer = Batches()(request)
        results = answer.json()["results"]
        results[-1] = {"status": 402, "problem": {"code": "insufficient_credits"}}
        return httpx.Response(200, json={"results": results})

    async def story() -> None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(lost_once))
        client = AsyncScrip("http://stack", http=http, coalesce_s=0.01)
        three = [asyncio.create_task(client.debit("a", credits=str(n))) for n in (1, 2, 3)]
        done, _ = await asyncio.wait(three, timeout=0.8)
        assert done == set(three[:2])

    asyncio.run(story())


def test_what_waits_when_its_event_loop_ends_does_not_hold_up_another_loop() -> None:
    stack = Batches()
    http = httpx.AsyncClient(transport=httpx.MockTransport(stack))
    client = AsyncScrip("http://stack", http=http, coalesce_s=0.1)

    async def leave() -> None:
        waiting = asyncio.create_task(client.debit("a", credits="1"))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    receipt = asyncio.run(asyncio.wait_for(client.debit("a", credits="2"), 5))
    assert receipt["credits"] == "2"
    assert stack.sizes == [1]


def test_threads_share_a_batch() -> None:
    stack = Batches()
    http = httpx.Client(transport=httpx.MockTransport(stack))
    client = Scrip("http://stack", http=http, coalesce_s=0.2)
    receipts: dict[int, Any] = {}

    def debit(number: int) -> None:
        receipts[number] = client.debit("a", credits=str(number))

    threads = [threading.Thread(target=debit, args=(number,)) for number in range(1, 31)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert {number: receipt["credits"] for number, receipt in receipts.items()} == {
        number: str(number) for number in range(1, 31)
    }
    assert sum(stack.sizes) == 30
    # As many batches as the machine needs time to start the threads; none has more.
    assert max(stack.sizes) <= 24 and len(stack.sizes) < 30


def test_what_stops_a_batch_is_told_to_each_of_its_debits() -> None:
    def sign(request: httpx.Request, at: datetime) -> None:
        raise RuntimeError("no credentials")

    client = AsyncScrip("http://stack", sign=sign, coalesce_s=0.01)
    outcomes = asyncio.run(debits(client, ["a"] * 3))
    assert [str(outcome) for outcome in outcomes] == ["no credentials"] * 3


def test_of_a_batch_without_an_outcome_each_debit_has_its_own_key() -> None:
    paths = set()

    def lost(request: httpx.Request) -> httpx.Response:
        paths.add(request.url.path)
        raise httpx.ReadError("lost", request=request)

    http = httpx.AsyncClient(transport=httpx.MockTransport(lost))
    client = AsyncScrip("http://stack", http=http, coalesce_s=0.01, deadline_s=0.2)
    outcomes = asyncio.run(debits(client, ["a"] * 3))
    assert all(isinstance(outcome, scrip.OutcomeUnknown) for outcome in outcomes)
    assert len({outcome.key for outcome in outcomes}) == 3
    assert paths == {"/v1/accounts/a/debits/batch"}


def test_an_interrupted_batch_leaves_nobody_waiting() -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    http = httpx.Client(transport=httpx.MockTransport(interrupted))
    client = Scrip("http://stack", http=http, coalesce_s=0.5)
    outcomes: list[type[BaseException]] = []

    def debit() -> None:
        with pytest.raises((KeyboardInterrupt, scrip.OutcomeUnknown)) as outcome:
            client.debit("a", credits="1")
        outcomes.append(outcome.type)

    threads = [threading.Thread(target=debit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert outcomes.count(scrip.OutcomeUnknown) == 3
    assert outcomes.count(KeyboardInterrupt) == 1
