"""The wraps, on their libraries as installed: a call is held, and charged once, as was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from callers import ASKED, CHARGES, Async, Sync, both
from fastapi import Depends, FastAPI, Header
from fastapi.responses import StreamingResponse
from model import MODEL, RESPONSES_USAGE, USAGE, Model, StandIn, running_model
from openai import AsyncOpenAI, OpenAI

from scrip.wraps import Charges
from scrip.wraps.fastapi import answer_refusals, charged_openai
from scrip.wraps.openai import ChargedOpenAI

TOLD = {"user": "ada", "usage": USAGE, "usage_format": "openai"}
TOTALS = {"input": 1000, "output": 3}
CREDITS = 139
"""10 of input, 990 cached, 3 of output: 10 + 99 + 30."""


@both
def test_an_answer_is_held_by_maxima_and_charged_by_its_usage(calls: Sync | Async) -> None:
    scrip = StandIn()
    with running_model() as model:
        assert calls.whole(scrip, model) == "a gull flies"
    held = {"input": 2000, "output": 50}
    assert scrip.holds == [{"action": "chat", "user": "ada", "model": MODEL, "meters": held}]
    assert scrip.captures == [TOLD]
    assert model.asked[0]["max_completion_tokens"] == 50


@both
def test_a_call_counts_for_its_subjects_and_limits_by_its_hold_alone(calls: Sync | Async) -> None:
    scrip = StandIn()
    limited = Charges(
        "acme",
        output_at_most=50,
        subjects=("team:ops",),
        limits=[{"of": "run:7f", "at_most": Decimal("50")}],
    )
    with running_model() as model:
        calls.whole(scrip, model, limited)
    [hold], [capture] = scrip.holds, scrip.captures
    assert hold["subjects"] == ["team:ops"]
    assert hold["limits"] == [{"of": "run:7f", "at_most": "50"}]
    assert not {"subjects", "limits"} & capture.keys()


@both
@pytest.mark.parametrize("usage", ["end", "middle"])
def test_a_stream_that_tells_its_usage_is_charged_by_it(calls: Sync | Async, usage: str) -> None:
    scrip = StandIn()
    with running_model(usage) as model:
        assert calls.stream(scrip, model) == "a gull flies"
    assert (scrip.captures, scrip.charged) == ([TOLD], CREDITS)


@both
def test_a_stream_that_never_tells_is_charged_by_its_text(calls: Sync | Async) -> None:
    # "a gull flies" has 12 bytes.
    for most, output in [(50, 3), (2, 2)]:
        scrip = StandIn()
        with running_model("never") as model:
            calls.stream(scrip, model, Charges("acme", input_at_most=3, output_at_most=most))
        assert scrip.captures == [{"meters": {"input": 3, "output": output}}]


@both
def test_a_stream_that_is_closed_is_charged_for_what_was_seen(calls: Sync | Async) -> None:
    seen = {**USAGE, "completion_tokens": 2, "total_tokens": 1002}
    for usage, told in [("middle", seen), ("never", None)]:
        scrip = StandIn()
        with running_model(usage, hangs_after=2) as model:
            assert calls.stream(scrip, model, most=2) == "a gull "
        [capture] = scrip.captures
        assert capture.get("usage") == told
        if told is None:
            assert capture["meters"]["output"] == 2


@both
def test_a_call_that_its_library_tries_again_is_charged_once(calls: Sync | Async) -> None:
    scrip = StandIn()
    scrip.lost = 1
    with running_model(failures=2) as model:
        calls.whole(scrip, model)
    assert (len(model.asked), len(scrip.holds)) == (3, 1)
    assert (scrip.captures, scrip.charged) == ([TOLD], CREDITS)


@both
def test_a_call_that_fails_is_free(calls: Sync | Async) -> None:
    scrip = StandIn()
    with running_model(failures=9) as model, pytest.raises(Exception, match="500"):
        calls.stream(scrip, model)
    assert (scrip.captures, scrip.released) == ([], 1)


@both
def test_what_is_not_charged_is_handed_over_with_its_model(calls: Sync | Async) -> None:
    scrip = StandIn()
    scrip.is_away = True
    with running_model() as model:
        assert calls.whole(scrip, model) == "a gull flies"
    [unpaid] = scrip.unpaid
    assert (unpaid.action, unpaid.model, unpaid.usage) == ("chat", MODEL, USAGE)
    assert (unpaid.otherwise, unpaid.most) == (TOTALS, {"input": 2000, "output": 50})
    scrip.is_away = False
    credits = scrip.credits()
    for _ in range(2):
        credits.pay(unpaid)
    assert (scrip.captures, scrip.charged) == ([TOLD], CREDITS)


@both
def test_usage_that_scrip_cannot_read_is_charged_by_its_totals(
    calls: Sync | Async, caplog: pytest.LogCaptureFixture
) -> None:
    scrip = StandIn()
    scrip.is_blind = True
    with running_model() as model:
        assert calls.stream(scrip, model) == "a gull flies"
    assert scrip.captures == [{"user": "ada", "meters": TOTALS}]
    assert "unreadable" in caplog.text
    assert (scrip.unpaid, scrip.released) == ([], 0)


@both
def test_a_response_is_charged_as_a_completion_is(calls: Sync | Async) -> None:
    def count(text: str) -> int:
        return 9 if text.startswith("[") else len(text)

    told = {"usage": RESPONSES_USAGE, "usage_format": "openai"}
    for usage, events, used in [
        ("end", 4, told),
        ("never", 3, {"meters": {"input": 9, "output": 12}}),
    ]:
        scrip = StandIn()
        with running_model(usage) as model:
            charges = Charges("acme", output_at_most=50, count_tokens=count)
            assert calls.events(scrip, model, charges) == events
        assert scrip.captures == [used]


@both
def test_a_call_without_a_maximum_does_not_begin(calls: Sync | Async) -> None:
    scrip = StandIn()
    with running_model() as model, pytest.raises(TypeError, match="output_at_most"):
        calls.whole(scrip, model, Charges("acme"))
    assert (model.asked, scrip.holds) == ([], [])


@pytest.mark.parametrize("more", [{"background": True}, {"previous_response_id": "resp-1"}])
def test_a_response_whose_input_or_usage_is_elsewhere_does_not_begin(more: dict[str, Any]) -> None:
    scrip = StandIn()
    credits = scrip.credits()
    client = OpenAI(api_key="none", base_url="http://127.0.0.1:9")
    openai: Any = ChargedOpenAI(client, credits, Charges("acme", output_at_most=50))
    with pytest.raises(TypeError):
        openai.responses.create(model=MODEL, input="birds", **more)
    assert scrip.holds == []


def test_a_cancelled_stream_is_charged_for_what_was_seen() -> None:
    scrip = StandIn()

    async def story(model: Model) -> None:
        client = Async().client(scrip, model, CHARGES)
        seen = asyncio.Event()

        async def read() -> None:
            async for _ in await client.chat.completions.create(**ASKED, stream=True):
                seen.set()

        reading = asyncio.create_task(read())
        await seen.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    with running_model("never", hangs_after=1) as model:
        asyncio.run(story(model))
    [capture] = scrip.captures
    assert capture["meters"]["output"] == 1


def application(scrip: StandIn, model: Model) -> FastAPI:
    app = FastAPI()
    answer_refusals(app)
    client = AsyncOpenAI(api_key="none", base_url=model.url)
    credits = scrip.async_credits()

    def org(x_org: str = Header()) -> str:
        return x_org

    charged = charged_openai(client, credits, account=org, charges=CHARGES)
    paid = Depends(charged)

    @app.post("/chat")
    async def chat(openai: Any = paid) -> StreamingResponse:
        parts = await openai.chat.completions.create(**ASKED, stream=True)

        async def words() -> AsyncIterator[str]:
            async with parts:
                async for part in parts:
                    yield part.choices[0].delta.content or ""

        return StreamingResponse(words())

    return app


def ask(app: FastAPI, check: Callable[[httpx.Response], None]) -> None:
    async def story() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://product") as product:
            check(await product.post("/chat", headers={"x-org": "acme"}))

    asyncio.run(story())


def test_a_dependency_charges_the_customer_of_the_request() -> None:
    scrip = StandIn()

    def check(answer: httpx.Response) -> None:
        assert answer.text == "a gull flies"

    with running_model() as model:
        ask(application(scrip, model), check)
    assert scrip.captures == [TOLD]


def test_a_refused_call_is_answered_as_scrip_answered_it() -> None:
    scrip = StandIn()
    scrip.refusal = {"code": "insufficient_credits", "status": 402, "shortfall": "9"}

    def check(answer: httpx.Response) -> None:
        assert (answer.status_code, answer.json()) == (402, scrip.refusal)

    with running_model() as model:
        ask(application(scrip, model), check)
    assert model.asked == []
