"""Event loops, processes, interrupts and slow answers: what a program does to its client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from conftest import Account, not_expected

import scrip
from scrip import AsyncScrip, Scrip, Work


def hold_or(answer: Callable[[httpx.Request], httpx.Response]) -> Callable[..., httpx.Response]:
    """A stack that holds, and answers the rest so."""

    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/holds"):
            return httpx.Response(201, json={"id": "a-hold"})
        return answer(request)

    return answered


def released(request: httpx.Request) -> httpx.Response:
    assert request.url.path.endswith("/release")
    return httpx.Response(201, json={"id": "a-release"})


def test_a_client_serves_one_event_loop_after_another(stack: str, account: Account) -> None:
    credits = AsyncScrip(stack)
    for _ in range(3):
        asyncio.run(credits.debit(account.id, credits="1"))
    assert account.entries() == [("debit", "-1")] * 3


def test_a_client_serves_event_loops_of_several_threads(stack: str, account: Account) -> None:
    credits = AsyncScrip(stack)

    async def debits() -> None:
        for _ in range(5):
            await credits.debit(account.id, credits="0.1")
        await credits.aclose()

    threads = [threading.Thread(target=lambda: asyncio.run(debits())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert account.entries() == [("debit", "-0.1")] * 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_does_not_use_the_connection_of_its_parent(stack: str, account: Account) -> None:
    ports = set()

    class Seen(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle_request(request)
            stream: socket.socket = answer.extensions["network_stream"].get_extra_info("socket")
            ports.add(stream.getsockname()[1])
            return answer

    credits = Scrip(stack, coalesce_s=0.001)
    made = credits._http
    made.make = lambda: httpx.Client(transport=Seen())
    made.made = (os.getpid(), made.make())
    credits.debit(account.id, credits="1")
    # As another thread of the parent may at the instant of the fork.
    assert credits._coalescer is not None
    credits._coalescer.get().lock.acquire()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # A child that waits for its parent's lock never ends.
        try:
            ports.clear()
            credits.debit(account.id, credits="2")
            os.write(writes, json.dumps(list(ports)).encode())
        finally:
            os._exit(0)
    os.close(writes)
    [port] = json.loads(os.read(reads, 100))
    os.waitpid(child, 0)
    assert port not in ports
    assert account.entries() == [("debit", "-1"), ("debit", "-2")]


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server whose answers never end: a byte every 50 ms."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(one: socket.socket) -> None:
        with one:
            one.recv(65536)
            head = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n"
            one.sendall(head + b"content-length: 1000000\r\n\r\n{")
            while not over.wait(0.05):
                try:
                    one.sendall(b" ")
                except OSError:
                    return

    def accept() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(one,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    over.set()
    listener.close()


@pytest.mark.parametrize("is_sync", [True, False], ids=["synchronous", "asynchronous"])
def test_an_answer_that_does_not_end_is_none(dripping: str, is_sync: bool) -> None:
    began = time.monotonic()
    with pytest.raises(scrip.OutcomeUnknown, match="did not end in time"):
        if is_sync:
            Scrip(dripping, timeout_s=0.3, deadline_s=0.5).debit("acme", credits="1")
        else:
            client = AsyncScrip(dripping, timeout_s=0.3, deadline_s=0.5)
            asyncio.run(client.debit("acme", credits="1"))
    assert time.monotonic() - began < 2


def test_a_deadline_that_is_over_is_one_short_try(dripping: str) -> None:
    began = time.monotonic()
    with pytest.raises(scrip.OutcomeUnknown, match="1 try"):
        Scrip(dripping).within(-5).debit("acme", credits="1")
    assert time.monotonic() - began < 1


def fails_at_the_capture(request: httpx.Request, at: datetime) -> None:
    if request.url.path.endswith("/capture"):
        raise RuntimeError("the credentials have expired")


def test_a_signer_that_fails_after_the_work_leaves_it_unpaid() -> None:
    http = httpx.Client(transport=httpx.MockTransport(hold_or(lambda _: httpx.Response(201))))
    credits = Scrip("http://stack", http=http, sign=fails_at_the_capture)
    with pytest.raises(scrip.OutcomeUnknown, match="credentials have expired") as unknown:
        credits.charge("acme", "rich_text", 2, work=lambda work: "text")
    assert unknown.value.value == "text"
    assert unknown.value.unpaid is not None
    assert (unknown.value.unpaid.quantity, unknown.value.unpaid.hold) == (2, "a-hold")


def test_a_signer_that_fails_is_no_stack_that_is_away() -> None:
    def fails(request: httpx.Request, at: datetime) -> None:
        raise RuntimeError("there are no credentials")

    def nothing(*_: object) -> Any:
        raise AssertionError

    http = httpx.Client(transport=httpx.MockTransport(nothing))
    credits = Scrip("http://stack", http=http, sign=fails, on_unpaid=nothing)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="no credentials"):
        credits.charge("acme", "rich_text", 2, work=nothing, on_unreachable="allow")
    with pytest.raises(RuntimeError, match="no credentials"):
        credits.debit("acme", credits="1", on_unreachable="allow")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("is_sync", [True, False], ids=["synchronous", "asynchronous"])
def test_a_signer_that_fails_after_a_lost_answer_leaves_the_key(is_sync: bool) -> None:
    tries: list[str] = []

    def fails_again(request: httpx.Request, at: datetime) -> None:
        if tries:
            raise RuntimeError("the credentials have expired")
        tries.append(request.headers["idempotency-key"])

    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    began = time.monotonic()
    with pytest.raises(scrip.OutcomeUnknown, match="credentials have expired") as unknown:
        if is_sync:
            http = httpx.Client(transport=transport)
            client = Scrip("http://stack", http=http, sign=fails_again, on_unpaid=not_expected)
            client.debit("acme", credits="1", on_unreachable="allow")
        else:
            other = AsyncScrip(
                "http://stack",
                http=httpx.AsyncClient(transport=transport),
                sign=fails_again,
                on_unpaid=not_expected,
            )
            asyncio.run(other.debit("acme", credits="1", on_unreachable="allow"))
    assert unknown.value.key == tries[0]
    assert time.monotonic() - began < 2


def test_an_interrupt_during_the_charge_hands_over_what_is_unpaid() -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    http = httpx.Client(transport=httpx.MockTransport(hold_or(interrupted)))
    unpaid: list[scrip.Unpaid] = []
    credits = Scrip("http://stack", http=http, on_unpaid=lambda one, _: unpaid.append(one))
    with pytest.raises(KeyboardInterrupt):
        credits.charge("acme", "rich_text", 2, work=lambda work: "text")
    assert [(one.quantity, one.hold) for one in unpaid] == [(2, "a-hold")]


def test_an_event_loop_that_ends_during_the_charge_hands_over_what_is_unpaid() -> None:
    unpaid: list[scrip.Unpaid] = []

    async def keep(one: scrip.Unpaid, _: BaseException) -> None:
        await asyncio.sleep(0)
        unpaid.append(one)

    async def story() -> None:
        asked = asyncio.Event()

        async def never(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/holds"):
                return httpx.Response(201, json={"id": "a-hold"})
            asked.set()
            await asyncio.sleep(60)
            raise AssertionError

        async def work(work: Work) -> None:
            work.delivered(1)

        http = httpx.AsyncClient(transport=httpx.MockTransport(never))
        credits = AsyncScrip("http://stack", http=http, on_unpaid=keep)
        task = asyncio.create_task(credits.charge("acme", "rich_text", 2, work=work))
        await asked.wait()
        assert not task.done()
        # And main ends: asyncio.run cancels all that is left.

    asyncio.run(story())
    assert [(one.quantity, one.hold) for one in unpaid] == [(1, "a-hold")]


@pytest.mark.parametrize("rounds", range(40))
def test_one_who_is_cancelled_at_any_round_of_a_charge_owes_what_was_delivered(
    rounds: int,
) -> None:
    """Cancels in each round of the event loop: the charge is made, released or handed over."""
    seen: list[str] = []
    unpaid: list[scrip.Unpaid] = []
    has_delivered = False

    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        step = request.url.path.rsplit("/", 1)[1]
        seen.append(step)
        if step == "capture":
            return httpx.Response(409, json={"code": "hold_ended", "ended": "captured"})
        return httpx.Response(201, json={"id": "a-hold"})

    async def work(work: Work) -> str:
        nonlocal has_delivered
        await asyncio.sleep(0)
        work.delivered(1)
        has_delivered = True
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "text"

    async def story() -> BaseException | None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        credits = AsyncScrip("http://stack", http=http, on_unpaid=lambda one, _: unpaid.append(one))
        task = asyncio.create_task(credits.charge("acme", "rich_text", 2, work=work))
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        await credits.aclose()
        return outcome if isinstance(outcome, BaseException) else None

    outcome = asyncio.run(story())
    if not seen:
        assert isinstance(outcome, asyncio.CancelledError)
    elif has_delivered:
        # The capture was refused: a caller that waits learns of it, and if none does, on_unpaid.
        assert seen == ["holds", "capture"]
        is_told = isinstance(outcome, scrip.Refused)
        assert is_told or isinstance(outcome, asyncio.CancelledError)
        assert len(unpaid) == (0 if is_told else 1)
    else:
        assert seen == ["holds", "release"]
        assert unpaid == []


def test_a_stack_that_is_away_is_not_asked_to_extend_without_a_pause() -> None:
    asked = 0

    def away(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        if request.url.path.endswith("/extend"):
            asked += 1
            raise RuntimeError("the signer is away")
        return httpx.Response(201, json={"id": "a-hold"})

    http = httpx.Client(transport=httpx.MockTransport(away))
    with Scrip("http://stack", http=http).charging("acme", "rich_text", 2, expires_in_s=1):
        time.sleep(1.2)
    # At 0.5 s, and then each 0.125 s.
    assert 2 <= asked <= 7


def test_a_clock_that_jumps_during_a_request_teaches_nothing() -> None:
    at = [1795802970.0]

    def jump(request: httpx.Request) -> httpx.Response:
        at[0] -= 3600
        return httpx.Response(
            200, json={"id": "an id"}, headers={"date": "Fri, 27 Nov 2026 18:09:30 GMT"}
        )

    http = httpx.Client(transport=httpx.MockTransport(jump))
    credits = Scrip("http://stack", http=http, now=lambda: at[0])
    credits.balance("acme")
    assert credits._connection.clock.offset_s == 0


@pytest.mark.parametrize("wrong", [-1, "0.0000001", "NaN", "1e3", "much"])
def test_what_is_no_amount_is_refused_where_it_is_reported(wrong: Any) -> None:
    http = httpx.Client(transport=httpx.MockTransport(hold_or(released)))
    credits = Scrip("http://stack", http=http)
    with pytest.raises(ValueError, match=r"0 or more|at most 6 places"):
        credits.charge("acme", credits="5", work=lambda work: work.delivered(wrong))


@pytest.mark.parametrize("key", ["", "scrip_sk_1\n", "scrip sk"])
def test_a_service_key_that_cannot_be_sent_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="service key") as error:
        Scrip("http://stack", key)
    assert not key or key not in str(error.value)
