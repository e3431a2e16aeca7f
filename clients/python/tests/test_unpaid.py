"""Charges that are not confirmed, and who learns of them; the answers are made here."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

import scrip
from scrip import AsyncScrip, Scrip, Work


def lost_captures(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/capture"):
        raise httpx.ReadError("lost", request=request)
    return httpx.Response(201, json={"id": "a-hold"})


Kept = list[tuple[scrip.Unpaid, BaseException]]


def kept() -> tuple[Kept, Callable[[scrip.Unpaid, BaseException], None]]:
    """What is handed over, and the function that gets it."""
    unpaid: Kept = []
    return unpaid, lambda one, error: unpaid.append((one, error))


def test_a_charge_that_is_not_confirmed_has_the_value_and_what_is_unpaid() -> None:
    http = httpx.Client(transport=httpx.MockTransport(lost_captures))
    credits = Scrip("http://stack", http=http, deadline_s=0.3)
    with pytest.raises(scrip.OutcomeUnknown) as unknown:
        credits.charge("acme", "rich_text", 2, work=lambda work: "text", user="ada")
    assert unknown.value.value == "text"
    assert unknown.value.unpaid == scrip.Unpaid(
        unknown.value.key, "acme", "rich_text", 2, user="ada", hold="a-hold"
    )


def test_what_a_stream_owes_that_was_delivered_is_handed_over() -> None:
    http = httpx.Client(transport=httpx.MockTransport(lost_captures))
    unpaid, keep = kept()
    credits = Scrip("http://stack", http=http, deadline_s=0.3, on_unpaid=keep)

    @credits.charges("rich_text", quantity=2, account="acme")
    def chat() -> Iterator[str]:
        yield "part 1"
        yield "part 2"

    assert list(chat()) == ["part 1", "part 2"]
    [(one, error)] = unpaid
    assert (one.quantity, one.hold) == (2, "a-hold")
    assert isinstance(error, scrip.OutcomeUnknown)


@pytest.mark.parametrize("is_sync", [True, False], ids=["synchronous", "asynchronous"])
def test_a_stream_needs_somebody_who_keeps_what_is_unpaid(is_sync: bool) -> None:
    # Nothing listens there: nothing is sent.
    client: Any = (Scrip if is_sync else AsyncScrip)("http://127.0.0.1:9", deadline_s=0.1)

    def parts() -> Iterator[str]:
        yield "part"

    async def async_parts() -> AsyncIterator[str]:
        yield "part"

    with pytest.raises(TypeError, match="a stream needs on_unpaid"):
        client.charges("rich_text", account="acme")(parts if is_sync else async_parts)
    with pytest.raises(TypeError, match="a stream needs on_unpaid"):
        stream = client.stream("acme", "rich_text", 2, work=lambda work: parts())
        if not is_sync:
            asyncio.run(stream)


def test_what_one_who_left_owes_is_handed_over() -> None:
    http = httpx.Client(transport=httpx.MockTransport(lost_captures))
    unpaid, keep = kept()
    credits = Scrip("http://stack", http=http, deadline_s=0.3, on_unpaid=keep)
    with (
        pytest.raises(KeyboardInterrupt),
        credits.charging("acme", "rich_text", 5) as work,
    ):
        work.delivered(2)
        raise KeyboardInterrupt
    [(one, error)] = unpaid
    assert isinstance(error, scrip.OutcomeUnknown)
    assert (one.account, one.action, one.quantity, one.hold) == ("acme", "rich_text", 2, "a-hold")


def test_what_one_owes_who_left_during_the_charge_is_handed_over() -> None:
    async def story() -> None:
        asked = asyncio.Event()

        async def answer(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/capture"):
                asked.set()
            return lost_captures(request)

        async def work(work: Work) -> None:
            work.delivered(1)

        unpaid: list[scrip.Unpaid] = []
        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        async with AsyncScrip(
            "http://stack", http=http, deadline_s=0.5, on_unpaid=lambda one, _: unpaid.append(one)
        ) as credits:
            charge = asyncio.create_task(credits.charge("acme", "rich_text", 2, work=work))
            await asked.wait()
            charge.cancel()
            with pytest.raises(asyncio.CancelledError):
                await charge
        assert [(one.quantity, one.hold) for one in unpaid] == [(1, "a-hold")]

    asyncio.run(story())


def test_a_release_that_fails_does_not_fail_the_work() -> None:
    def lost(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/release"):
            return httpx.Response(409, json={"code": "hold_ended", "ended": "lapsed"})
        return httpx.Response(201, json={"id": "a-hold"})

    credits = Scrip("http://stack", http=httpx.Client(transport=httpx.MockTransport(lost)))
    assert credits.charge("acme", "rich_text", 2, work=lambda work: work.delivered(0)) is None


def test_a_client_may_be_closed_while_an_extension_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost_extensions(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/extend"):
            return httpx.Response(503, headers={"retry-after": "1"})
        return httpx.Response(201, json={"id": "a-hold"})

    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    with httpx.Client(transport=httpx.MockTransport(lost_extensions)) as http:
        credits = Scrip("http://stack", http=http)
        with credits.charging("acme", "rich_text", 2, expires_in_s=1):
            time.sleep(0.7)
    for thread in threading.enumerate():
        if thread.name == "scrip":
            thread.join(5)
    assert failures == []
