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
        receipts = [{"credits": debit["credits"]} for debit in body["debits"]]
        return httpx.Response(201, json={"receipts": receipts})


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


def test_debits_of_a_batch_whose_keys_are_ahead_travel_alone_under_new_ones() -> None:
    stack = Batches()
    keys: list[str] = []

    def ahead(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        sent = [debit["id"] for debit in body.get("debits", [])]
        sent = sent or [request.headers["idempotency-key"]]
        keys.extend(sent)
        if any(ulid_time(key) > NOW + 20 for key in sent):
            problem = {"code": "key_ahead", "server_time": "2026-11-27T18:09:30.602Z"}
            return httpx.Response(400, json=problem)
        return stack(request)

    http = httpx.AsyncClient(transport=httpx.MockTransport(ahead))
    client = AsyncScrip("http://stack", http=http, coalesce_s=0.01, now=lambda: NOW + 600)
    receipts = asyncio.run(debits(client, ["a"] * 3))
    assert [receipt["credits"] for receipt in receipts] == ["1", "2", "3"]
    # Of the batch, then each alone, and again under its new key.
    assert (len(keys), len(set(keys))) == (9, 6)
    assert stack.sizes == [1, 1, 1]


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
