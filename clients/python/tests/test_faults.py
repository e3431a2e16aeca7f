"""What a call of a model may do wrong: it is charged for what it used, never above what is held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from callers import ASKED, CHARGES, Async, Sync, both
from model import MODEL, USAGE, StandIn, running_model
from openai import OpenAI

from scrip.wraps import Charges
from scrip.wraps.openai import ChargedOpenAI

MAXIMA: Any = {"input": 2000, "output": 50}
TOLD = {"user": "ada", "usage": USAGE, "usage_format": "openai"}


@pytest.mark.parametrize(
    "used",
    [
        *({"meters": {"output": count}} for count in (float("nan"), None, -1, 0.5, "1")),
        *({}, {"meters": {}}, {"meters": MAXIMA, "usage": USAGE}),
        {"usage": USAGE, "usage_format": "openai", "otherwise": {"input": -1}},
    ],
)
def test_a_report_without_counts_is_a_mistake(used: Any) -> None:
    scrip = StandIn()
    charging = scrip.credits().charging("acme", "chat", model=MODEL, meters=MAXIMA)
    with pytest.raises(ValueError), charging as work:
        work.delivered(used)
    assert (scrip.captures, scrip.released) == ([], 1)


@both
def test_what_a_stream_told_before_it_broke_is_charged(calls: Sync | Async) -> None:
    scrip = StandIn()
    with (
        running_model("middle", hangs_after=2, breaks=True) as model,
        pytest.raises(Exception, match="Connection error"),
    ):
        calls.stream(scrip, model)
    usage = {**USAGE, "completion_tokens": 2, "total_tokens": 1002}
    assert scrip.captures == [{**TOLD, "usage": usage}]


@both
def test_usage_without_numbers_that_scrip_cannot_read_costs_what_is_held(
    calls: Sync | Async,
) -> None:
    scrip = StandIn()
    scrip.is_blind = True
    with running_model(tells={"total": 7}) as model:
        calls.stream(scrip, model)
    assert scrip.captures[0] == {"user": "ada", "meters": MAXIMA}


@both
@pytest.mark.parametrize(
    ("most", "charged"),
    [
        ((2000, 50), {"usage": USAGE, "usage_format": "openai"}),
        ((5, 2), {"meters": {"input": 5, "output": 2}}),
    ],
)
def test_a_call_whose_hold_lapsed_costs_no_more_than_was_held(
    calls: Sync | Async, most: tuple[int, int], charged: dict[str, Any]
) -> None:
    scrip = StandIn()
    scrip.lapses = True
    with running_model() as model:
        calls.stream(scrip, model, replace(CHARGES, input_at_most=most[0], output_at_most=most[1]))
    assert scrip.debits == [{"action": "chat", "model": MODEL, "user": "ada", **charged}]


def no_tokenizer(text: str) -> int:
    raise RuntimeError(text)


@both
@pytest.mark.parametrize("count", [lambda text: -1, no_tokenizer])
def test_a_counter_that_fails_costs_what_is_held(
    calls: Sync | Async, count: Callable[[str], int], caplog: pytest.LogCaptureFixture
) -> None:
    scrip = StandIn()
    with running_model("never") as model:
        calls.stream(scrip, model, replace(CHARGES, count_tokens=count))
    assert scrip.captures == [{"user": "ada", "meters": MAXIMA}]
    assert "cannot be counted" in caplog.text


@both
def test_what_stays_uncharged_is_logged_and_told(
    calls: Sync | Async, caplog: pytest.LogCaptureFixture
) -> None:
    scrip = StandIn()
    scrip.uncharged = "9"
    receipts: list[Any] = []
    with running_model() as model:
        calls.stream(scrip, model, replace(CHARGES, beyond=True, on_charged=receipts.append))
    assert scrip.captures[0]["beyond"] is True
    assert [receipt["uncharged"] for receipt in receipts] == ["9"]
    assert "9 credits of acme stay uncharged" in caplog.text


def read(scrip: StandIn, first: list[dict[str, Any]], usage: str) -> None:
    """Reads a stream that begins with these parts."""
    with running_model(usage, first=first) as model:
        openai = Sync().client(scrip, model, CHARGES)
        for _ in openai.chat.completions.create(**ASKED, stream=True):
            pass


def test_parts_without_text_are_no_mistake(caplog: pytest.LogCaptureFixture) -> None:
    scrip = StandIn()
    read(scrip, [{"choices": [{"index": 0}]}, {"choices": None}, {}], "never")
    assert scrip.captures[0]["meters"]["output"] == 3
    assert caplog.text == ""


def test_a_part_that_cannot_be_read_costs_what_is_held_unless_usage_is_told() -> None:
    for usage, used in [("never", {"user": "ada", "meters": MAXIMA}), ("end", TOLD)]:
        scrip = StandIn()
        read(scrip, [{"choices": 7}], usage)
        assert scrip.captures == [used]


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("surface", "body"),
    [
        ("chat", {"messages": [{"role": "user", "content": [IMAGE]}]}),
        ("chat", {"messages": [{"role": "assistant", "audio": {"id": "audio-1"}}]}),
        ("chat", {"messages": [], "web_search_options": {}}),
        ("chat", {"messages": [], "tools": [{"type": "web_search"}]}),
        ("chat", {"messages": [], "n": 51}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_file"}]}]}),
        ("responses", {"input": [{"type": "item_reference", "id": "1"}]}),
        ("responses", {"input": [{"type": "function_call_output", "output": [IMAGE]}]}),
        ("responses", {"input": "birds", "tools": [{"type": "mcp"}]}),
        ("responses", {"input": "birds", "model": None}),
    ],
)
def test_a_call_with_more_than_its_text_does_not_begin(surface: str, body: dict[str, Any]) -> None:
    scrip = StandIn()
    client = OpenAI(api_key="none", base_url="http://127.0.0.1:9")
    openai: Any = ChargedOpenAI(client, scrip.credits(), Charges("acme", output_at_most=50))
    create = openai.responses.create if surface == "responses" else openai.chat.completions.create
    with pytest.raises(TypeError):
        create(**{"model": MODEL, **body})
    assert scrip.holds == []


def test_tools_are_held_with_what_a_provider_adds() -> None:
    held: list[int] = []
    tool_lists: list[list[Any]] = [[], [{"type": "function", "function": {"name": "look"}}]]
    for tools in tool_lists:
        scrip = StandIn()
        with running_model() as model:
            client: Any = Sync().client(scrip, model, Charges("acme", output_at_most=50))
            client.chat.completions.create(**ASKED, tools=tools)
        held.append(scrip.holds[0]["meters"]["input"])
    added = len('{"type":"function","function":{"name":"look"}}') + 1000
    assert held[1] - held[0] == added
