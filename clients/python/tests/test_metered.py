"""The wraps on a stack: a call is held and charged once, by its usage, never above what is held."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from callers import CHARGES, Async, Sync, both
from conftest import Account, not_expected
from model import MODEL, running_model

from scrip import AsyncScrip, Scrip
from scrip.wraps import Charges

HELD = "0.078"
"""2 000 of input at 32.5 a million, 50 of output at 260."""
TOLD = {"input": 10, "cached_input": 990, "output": 3}
RETURNED = "0.073677"
"""Of 990 cached at 3.25 and the others: 0.0043225 are charged, and up."""


class Customer:
    """Pays for calls on the stack."""

    def __init__(self, stack: str, account: Account) -> None:
        self.stack = stack
        self.account = account
        self.charges = replace(CHARGES, account=account.id)
        self.lost = 0
        """So many answers to captures are lost."""

    def credits(self) -> Scrip:
        http = httpx.Client(event_hooks={"response": [self.lose]})
        return Scrip(self.stack, http=http, on_unpaid=not_expected)

    def async_credits(self) -> AsyncScrip:
        async def lose(answer: httpx.Response) -> None:
            self.lose(answer)

        http = httpx.AsyncClient(event_hooks={"response": [lose]})
        return AsyncScrip(self.stack, http=http, on_unpaid=not_expected)

    def lose(self, answer: httpx.Response) -> None:
        if answer.request.url.path.endswith("/capture") and self.lost > 0:
            self.lost -= 1
            raise httpx.ReadError("the answer is lost", request=answer.request)

    def charge(self) -> dict[str, Any]:
        """The entry of its only charge; nothing is held any more."""
        entries = self.account.send("GET", f"{self.account.path}/ledger")["entries"]
        assert self.account.send("GET", f"{self.account.path}/balance")["held"] == "0"
        kinds = [entry["kind"] for entry in entries]
        assert kinds[:2] == ["captured", "held"] and "held" not in kinds[2:]
        return dict(entries[0])


@pytest.fixture
def customer(stack: str, account: Account) -> Customer:
    return Customer(stack, account)


@both
@pytest.mark.parametrize("usage", ["end", "middle"])
def test_usage_that_is_told_is_charged(calls: Sync | Async, customer: Customer, usage: str) -> None:
    with running_model(usage) as model:
        assert calls.stream(customer, model, customer.charges) == "a gull flies"
    charge = customer.charge()
    assert (charge["model"], charge["meters"]) == (MODEL, TOLD)
    assert (charge["available"], charge["held"]) == (RETURNED, f"-{HELD}")


@both
def test_a_stream_that_never_tells_is_charged_by_its_text(
    calls: Sync | Async, customer: Customer
) -> None:
    with running_model("never") as model:
        calls.stream(customer, model, customer.charges)
    # "a gull flies" has 12 bytes.
    assert customer.charge()["meters"]["output"] == 3


@both
def test_usage_above_what_is_held_is_charged_up_to_it(
    calls: Sync | Async, customer: Customer
) -> None:
    with running_model() as model:
        calls.stream(
            customer, model, Charges(customer.account.id, input_at_most=1, output_at_most=1)
        )
    charge = customer.charge()
    assert (charge["available"], charge["held"]) == ("0", "-0.000293")


@both
@pytest.mark.parametrize(("usage", "output"), [("middle", 2), ("never", 2)])
def test_a_stream_that_is_closed_is_charged_for_what_was_seen(
    calls: Sync | Async, customer: Customer, usage: str, output: int
) -> None:
    with running_model(usage, hangs_after=2) as model:
        assert calls.stream(customer, model, customer.charges, most=2) == "a gull "
    assert customer.charge()["meters"]["output"] == output


@both
def test_a_call_and_a_charge_that_are_tried_again_are_charged_once(
    calls: Sync | Async, customer: Customer
) -> None:
    customer.lost = 1
    with running_model(failures=1) as model:
        calls.whole(customer, model, customer.charges)
    assert len(model.asked) == 2
    assert customer.charge()["meters"] == TOLD
