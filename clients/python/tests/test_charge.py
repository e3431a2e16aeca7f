"""What work is charged for, however it ends. The suite has the faults between client and stack."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from conftest import Account, not_expected
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

import scrip
from scrip import AsyncScrip, Scrip, Work


@dataclass
class Request:
    """A request of a product."""

    org: str
    count: int = 3


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_a_decorated_function_is_charged_and_keeps_its_form(stack: str, account: Account) -> None:
    async def story() -> None:
        async with AsyncScrip(stack) as credits:

            @credits.charges(
                "custom_image",
                quantity=lambda request: request.count,
                account=lambda request: request.org,
                work=True,
            )
            async def paint(work: Work, prompt: str, *, request: Request) -> list[str]:
                """Paints."""
                work.delivered(2)
                return [prompt] * 2

            assert await paint("a gull", request=Request(account.id)) == ["a gull"] * 2
            assert list(inspect.signature(paint).parameters) == ["prompt", "request"]
            assert paint.__doc__ == "Paints."

    run(story)
    assert account.entries() == [("held", "-1.5"), ("captured", "0.5")]


def test_a_decorator_that_reads_what_the_function_has_not_is_refused_at_once(stack: str) -> None:
    with pytest.raises(TypeError, match="no parameter user"), Scrip(stack) as credits:

        @credits.charges("rich_text", account="acme", user=lambda user: user)
        def write(request: Request) -> str:
            return request.org


def test_an_asynchronous_function_wants_the_asynchronous_client(stack: str) -> None:
    with pytest.raises(TypeError, match="AsyncScrip"), Scrip(stack) as credits:

        @credits.charges("rich_text", account="acme")
        async def write() -> str:
            return "text"


def test_a_function_without_asyncio_is_charged(stack: str, account: Account) -> None:
    with Scrip(stack) as credits:

        @credits.charges("rich_text", account=lambda request: request.org)
        def write(request: Request) -> str:
            return "text"

        assert write(Request(account.id)) == "text"
    assert account.entries() == [("held", "-1"), ("captured", "0")]


def test_a_stream_that_is_left_is_charged_for_what_came(stack: str, account: Account) -> None:
    async def story() -> None:
        async with AsyncScrip(stack, on_unpaid=not_expected) as credits:

            @credits.charges("rich_text", quantity=10, account=account.id, work=True)
            async def chat(work: Work, prompt: str) -> AsyncIterator[str]:
                for number in range(1, 11):
                    work.delivered(number)
                    yield f"{prompt} {number}"

            async with contextlib.aclosing(chat("part")) as parts:  # type: ignore[type-var]
                async for part in parts:
                    if part == "part 4":
                        break

    run(story)
    assert account.entries() == [("held", "-10"), ("captured", "6")]


def test_a_generator_that_is_left_is_charged_for_what_came(stack: str, account: Account) -> None:
    with Scrip(stack, on_unpaid=not_expected) as credits:

        @credits.charges("rich_text", quantity=10, account=account.id, work=True)
        def chat(work: Work) -> Iterator[int]:
            for number in range(1, 11):
                work.delivered(number)
                yield number

        with contextlib.closing(chat()) as parts:  # type: ignore[type-var]
            assert next(parts) == 1
    assert account.entries() == [("held", "-10"), ("captured", "9")]


def test_a_stream_is_refused_before_its_first_part(stack: str, account: Account) -> None:
    async def parts(work: Work) -> AsyncIterator[str]:
        yield "part"

    async def story() -> None:
        async with AsyncScrip(stack, on_unpaid=not_expected) as credits:
            with pytest.raises(scrip.Refused, match="insufficient_credits"):
                await credits.stream(account.id, "rich_text", 30, work=parts)

    run(story)
    assert account.entries() == []


def test_a_stream_that_is_read_to_its_end_is_charged_whole(stack: str, account: Account) -> None:
    def parts(work: Work) -> Iterator[str]:
        yield "part 1"
        yield "part 2"

    with Scrip(stack, on_unpaid=not_expected) as credits:
        assert list(credits.stream(account.id, "rich_text", 2, work=parts)) == ["part 1", "part 2"]
    assert account.entries() == [("held", "-2"), ("captured", "0")]


def test_a_stream_that_nobody_closes_is_charged_when_the_program_ends(
    stack: str, account: Account
) -> None:
    async def parts(work: Work) -> AsyncIterator[str]:
        for number in range(1, 11):
            work.delivered(number)
            yield "part"

    async def story() -> None:
        credits = AsyncScrip(stack, on_unpaid=not_expected)
        stream = await credits.stream(account.id, "rich_text", 10, work=parts)
        kept.append(stream)
        await anext(stream)
        # It is neither read to its end nor closed, and the client is not closed either.

    kept: list[object] = []
    run(story)
    assert account.entries() == [("held", "-10"), ("captured", "9")]


def test_a_stream_that_nobody_reads_is_released(stack: str, account: Account) -> None:
    async def parts(work: Work) -> AsyncIterator[str]:
        raise AssertionError("it does not begin")
        yield

    async def story() -> None:
        async with AsyncScrip(stack, on_unpaid=not_expected) as credits:
            stream = await credits.stream(account.id, "rich_text", 2, work=parts)
            del stream
            await asyncio.sleep(0.1)  # asyncio closes it in its next rounds

    run(story)
    assert account.entries() == [("held", "-2"), ("released", "2")]


def test_an_interrupt_charges_what_came(stack: str, account: Account) -> None:
    with Scrip(stack) as credits, pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with credits.charging(account.id, "rich_text", 5) as work:
            work.delivered(2)
            raise KeyboardInterrupt
    assert account.entries() == [("held", "-5"), ("captured", "3")]


def test_one_who_leaves_a_streaming_response_is_charged_for_what_came(
    stack: str, account: Account
) -> None:
    """A server cancels again at each await: the charge ends in the background."""

    async def story() -> None:
        async with AsyncScrip(stack, on_unpaid=not_expected) as credits:
            app = FastAPI()
            came = asyncio.Event()

            async def parts(work: Work) -> AsyncIterator[str]:
                for number in range(1, 11):
                    work.delivered(number)
                    yield f"part {number}\n"
                    if number == 3:
                        came.set()
                        await asyncio.sleep(60)

            @app.get("/chat")
            async def chat() -> StreamingResponse:
                stream = await credits.stream(account.id, "rich_text", 10, work=parts)
                return StreamingResponse(stream)

            await visit(app, "/chat", came)

    run(story)
    assert account.entries() == [("held", "-10"), ("captured", "7")]


async def visit(app: FastAPI, path: str, leaves: asyncio.Event) -> None:
    """Asks for a path, as a server does for a browser that leaves."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [],
        "query_string": b"",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b""}
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    await app(scope, receive, send)


def test_a_decorated_endpoint_hides_its_work(stack: str, account: Account) -> None:
    async def story() -> None:
        async with AsyncScrip(stack) as credits:
            app = FastAPI()

            @app.get("/write/{org}")
            @credits.charges("rich_text", quantity=2, account=lambda org: org, work=True)
            async def write(work: Work, org: str, prompt: str) -> str:
                work.delivered(1)
                return prompt

            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as browser:
                answer = await browser.get(f"/write/{account.id}", params={"prompt": "a gull"})
            assert (answer.status_code, answer.json()) == (200, "a gull")

    run(story)
    assert account.entries() == [("held", "-2"), ("captured", "1")]


class Slow(httpx.AsyncHTTPTransport):
    """Tells when the stack has a request for this path, and gives each answer a while later."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.has_come = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(self.path):
            self.has_come.set()
        answer = await super().handle_async_request(request)
        await answer.aread()
        await asyncio.sleep(0.2)
        return answer


async def charge_and_leave(stack: str, account: Account, path: str) -> bool:
    """Charges work that delivers 1 of 2, leaves at a request; returns whether the work began."""
    transport = Slow(path)
    credits = AsyncScrip(stack, http=httpx.AsyncClient(transport=transport))
    began = False

    async def work(work: Work) -> None:
        nonlocal began
        began = True
        work.delivered(1)

    charge = asyncio.create_task(credits.charge(account.id, "rich_text", 2, work=work))
    await transport.has_come.wait()
    charge.cancel()
    with pytest.raises(asyncio.CancelledError):
        await charge
    await credits.aclose()
    return began


def test_one_who_leaves_before_the_work_begins_is_not_charged(stack: str, account: Account) -> None:
    assert not asyncio.run(charge_and_leave(stack, account, "/holds"))
    assert account.entries() == [("held", "-2"), ("released", "2")]


def test_one_who_leaves_while_the_charge_is_on_its_way_is_charged(
    stack: str, account: Account
) -> None:
    assert asyncio.run(charge_and_leave(stack, account, "/capture"))
    assert account.entries() == [("held", "-2"), ("captured", "1")]


def test_a_hold_that_another_ended_is_not_charged_by_a_debit(stack: str, account: Account) -> None:
    with Scrip(stack) as credits:

        def work(work: Work) -> str:
            assert work.hold is not None
            credits.release(account.id, work.hold["id"])
            return "text"

        with pytest.raises(scrip.Refused) as refused:
            credits.charge(account.id, "rich_text", 2, work=work)
    assert (refused.value.code, refused.value.ended) == ("hold_ended", "released")
    assert refused.value.value == "text"
    assert account.entries() == [("held", "-2"), ("released", "2")]


def test_of_an_action_a_part_of_a_unit_cannot_be_delivered(stack: str, account: Account) -> None:
    with Scrip(stack) as credits, pytest.raises(TypeError, match="whole quantity"):
        credits.charge(account.id, "rich_text", 2, work=lambda work: work.delivered("0.5"))
    assert account.entries() == [("held", "-2"), ("released", "2")]
