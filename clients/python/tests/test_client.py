"""How a client is set up, and what it sends; the answers are made here."""

from __future__ import annotations

import json
import pickle
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

import scrip

URL = "https://credits.example.com/prod"


class Stack:
    """Keeps the requests, and answers each with the next reply; the last one again and again."""

    def __init__(self, *replies: httpx.Response) -> None:
        self.replies = list(replies) or [httpx.Response(201, json={"id": "an id"})]
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def client(self, key: str | None = None, **options: Any) -> scrip.Scrip:
        http = httpx.Client(transport=httpx.MockTransport(self))
        return scrip.Scrip(URL, key, http=http, **options)

    def body(self) -> Any:
        return json.loads(self.requests[-1].content)


def test_a_request_has_the_address_the_service_key_and_a_key() -> None:
    stack = Stack()
    stack.client("scrip_sk_1").debit("auth0|64f0", "rich_text", 2, user="ada")
    [request] = stack.requests
    assert str(request.url) == f"{URL}/v1/accounts/auth0%7C64f0/debits"
    assert request.headers["authorization"] == "Bearer scrip_sk_1"
    assert len(request.headers["idempotency-key"]) == 26
    assert stack.body() == {"action": "rich_text", "quantity": 2, "user": "ada"}


def test_each_try_is_signed_with_the_time_of_the_stack() -> None:
    stack = Stack(
        httpx.Response(503, headers={"date": "Fri, 27 Nov 2026 18:09:30 GMT"}),
        httpx.Response(201, json={"id": "an id"}),
    )
    signed = []

    def sign(request: httpx.Request, at: datetime) -> None:
        signed.append(at)
        request.headers["authorization"] = f"signature {len(signed)}"

    stack.client(sign=sign, now=lambda: 0.0).hold("acme", credits="1")
    # The first answer has told the stack's time.
    assert [at.year for at in signed] == [1970, 2026]
    shown = [request.headers["authorization"] for request in stack.requests]
    assert shown == ["signature 1", "signature 2"]


def test_a_key_and_a_signature_together_are_refused() -> None:
    with pytest.raises(TypeError, match="not both"):
        scrip.Scrip(URL, "scrip_sk_1", sign=lambda request, at: None)


def test_an_address_without_a_host_is_refused() -> None:
    with pytest.raises(ValueError, match=r"credits\.example"):
        scrip.Scrip("credits.example")


@pytest.mark.parametrize(
    ("credits", "sent"),
    [("1.50", "1.50"), (Decimal("0.000001"), "0.000001"), (Decimal("1E+2"), "100")],
)
def test_amounts_are_sent_as_text(credits: scrip.Credits, sent: str) -> None:
    stack = Stack()
    stack.client().debit("acme", credits=credits)
    assert stack.body() == {"credits": sent}


@pytest.mark.parametrize("credits", [0.1, 1])
def test_an_amount_that_is_a_number_is_refused(credits: Any) -> None:
    stack = Stack()
    with pytest.raises(TypeError, match="decimal string"):
        stack.client().debit("acme", credits=credits)
    assert stack.requests == []


def test_filters_are_sent_by_the_names_of_the_contract() -> None:
    stack = Stack(httpx.Response(200, json={"entries": [{"seq": 1}], "next_cursor": None}))
    entries = stack.client().ledger(
        "acme", kind="debit", from_="2026-11-01T00:00:00+01:00", limit=5
    )
    assert [entry["seq"] for entry in entries] == [1]
    assert stack.requests[0].url.query == (
        b"kind=debit&from=2026-11-01T00%3A00%3A00%2B01%3A00&limit=5"
    )


@pytest.mark.parametrize("wrong", ["", ".", ".."])
def test_an_id_that_would_be_another_path_is_refused(wrong: str) -> None:
    stack = Stack()
    with pytest.raises(ValueError, match="no id"):
        stack.client().balance(wrong)
    with pytest.raises(ValueError, match="no id"):
        stack.client().capture("acme", wrong)
    assert stack.requests == []


def test_a_redirect_is_not_followed() -> None:
    stack = Stack(httpx.Response(307, headers={"location": "https://elsewhere.example.com"}))
    with pytest.raises(scrip.Refused, match="http_307"):
        stack.client("scrip_sk_1").balance("acme")
    assert len(stack.requests) == 1


def test_another_deadline_is_for_what_is_sent_within_it() -> None:
    stack = Stack(httpx.Response(503, headers={"retry-after": "3"}))
    with pytest.raises(scrip.OutcomeUnknown):
        stack.client().within(2).debit("acme", credits="1")
    assert len(stack.requests) == 1


@pytest.mark.parametrize("uncharged", [None, "2"])
def test_a_charge_beyond_its_hold_asks_for_all_that_was_delivered(uncharged: str | None) -> None:
    receipt = {"id": "an id", "credits": "4", **({"uncharged": uncharged} if uncharged else {})}
    stack = Stack(httpx.Response(201, json={"id": "a-hold"}), httpx.Response(201, json=receipt))
    with stack.client().charging("acme", "rich_text", 4, beyond=True) as work:
        work.delivered(6)
    assert json.loads(stack.requests[0].content) == {"action": "rich_text", "quantity": 4}
    assert stack.body() == {"quantity": 6, "beyond": True}
    assert work.uncharged == uncharged


def test_what_was_not_captured_beyond_its_hold_is_paid_beyond_it() -> None:
    refused = httpx.Response(409, json={"code": "hold_ended", "ended": "lapsed"})
    stack = Stack(refused, httpx.Response(201, json={"id": "an id"}))
    unpaid = scrip.Unpaid("a", "acme", "rich_text", 6, hold="a-hold", beyond=True)
    stack.client().pay(unpaid)
    sent = [(request.url.path[-8:], json.loads(request.content)) for request in stack.requests]
    # A debit has no hold to go beyond.
    assert sent == [
        ("/capture", {"quantity": 6, "beyond": True}),
        ("e/debits", {"action": "rich_text", "quantity": 6}),
    ]


def test_a_refusal_says_when_a_hold_ends() -> None:
    refused = {"code": "too_many_holds", "holds": 64, "retry_at": "2026-11-27T18:09:30.602Z"}
    stack = Stack(httpx.Response(409, json=refused))
    with pytest.raises(scrip.Refused) as no:
        stack.client().hold("acme", credits="1")
    assert (no.value.holds, no.value.retry_at) == (64, "2026-11-27T18:09:30.602Z")


def test_allow_needs_somebody_who_keeps_what_is_unpaid() -> None:
    stack = Stack()
    with pytest.raises(TypeError, match="on_unpaid"):
        stack.client().debit("acme", credits="1", on_unreachable="allow")
    assert stack.requests == []


def test_what_the_stack_refuses_is_not_allowed_by_an_earlier_lost_answer() -> None:
    refusal = httpx.Response(402, json={"code": "insufficient_credits"})
    stack = Stack(httpx.Response(503), refusal)
    unpaid: list[scrip.Unpaid] = []
    client = stack.client(on_unpaid=lambda one, _: unpaid.append(one), deadline_s=2)
    with pytest.raises(scrip.OutcomeUnknown):
        client.debit("acme", credits="1", on_unreachable="allow")
    assert unpaid == []


def test_errors_can_be_pickled() -> None:
    refused = scrip.Refused(402, {"code": "insufficient_credits", "shortfall": "5"})
    unknown = scrip.OutcomeUnknown("debit", "acme", 3, refused, ["a"])
    unknown.unpaid = scrip.Unpaid("a", "acme", credits="1")
    again = pickle.loads(pickle.dumps(unknown))
    assert (again.key, again.cause.shortfall, again.unpaid) == ("a", "5", unknown.unpaid)
    assert str(again) == str(unknown)
