"""The endpoint on a server of its own, and what the stack of SCRIP_URL charges for it."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import uvicorn
from scrip import AsyncScrip, Scrip

from images.app import application
from images.model import FakeModel, Model
from images.unpaid import UnpaidFile

URL, KEY = os.environ["SCRIP_URL"], os.environ["SCRIP_KEY"]
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Account:
    """An account on the plan `free`, with 25 credits."""

    id: str

    def happened(self) -> list[tuple[str, str]]:
        """Its charges, the first one first: kind and change of the available credits."""
        with Scrip(URL, KEY) as credits:
            entries = [(entry["kind"], entry["available"]) for entry in credits.ledger(self.id)]
        return [one for one in reversed(entries) if one[0] not in ("opened", "time_passed")]


@pytest.fixture
def account() -> Account:
    name = f"images|{secrets.token_hex(6)}"
    opened = httpx.put(
        f"{URL}/v1/accounts/{quote(name, safe='')}",
        json={"plan": "free"},
        headers={"authorization": f"Bearer {KEY}", "idempotency-key": secrets.token_hex(8)},
    )
    opened.raise_for_status()
    return Account(name)


class Server:
    """The program on a free port."""

    def __init__(self, model: Model, unpaid: UnpaidFile, stack: str = URL) -> None:
        credits = AsyncScrip(stack, KEY, deadline_s=2, on_unpaid=unpaid.keep)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/images"
        config = uvicorn.Config(application(credits, model, unpaid), log_level="error")
        self.server = uvicorn.Server(config)
        sockets = [self.listener]
        self.thread = threading.Thread(target=self.server.run, args=(sockets,), daemon=True)

    def __enter__(self) -> Server:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stops it, which waits for the charges of those who went away."""
        self.server.should_exit = True
        self.thread.join(20)

    def ask(self, account: Account, count: int) -> httpx.Response:
        return httpx.post(self.url, json=order(count), headers=customer(account), timeout=20)


def order(count: int) -> dict[str, object]:
    return {"prompt": "a gull", "count": count}


def customer(account: Account) -> dict[str, str]:
    return {"x-customer": f"ada@{account.id}"}


@pytest.fixture
def unpaid(tmp_path: Path) -> UnpaidFile:
    return UnpaidFile(tmp_path / "unpaid.jsonl")


class FewerModel(FakeModel):
    """Paints one less than it is asked for."""

    def paint(self, prompt: str, count: int) -> AsyncIterator[bytes]:
        return super().paint(prompt, count - 1)


class BrokenModel(FakeModel):
    """Fails after the first image."""

    async def paint(self, prompt: str, count: int) -> AsyncIterator[bytes]:
        async for image in super().paint(prompt, 1):
            yield image
        raise RuntimeError("the provider is away")


def test_images_are_charged(account: Account, unpaid: UnpaidFile) -> None:
    with Server(FakeModel(0), unpaid) as server:
        answer = server.ask(account, 3)
    assert (answer.status_code, len(answer.text.splitlines())) == (200, 3)
    assert account.happened() == [("held", "-1.5"), ("captured", "0")]


def test_images_that_the_model_did_not_make_are_not_charged(
    account: Account, unpaid: UnpaidFile
) -> None:
    with Server(FewerModel(0), unpaid) as server:
        answer = server.ask(account, 4)
    assert len(answer.text.splitlines()) == 3
    assert account.happened() == [("held", "-2"), ("captured", "0.5")]


def test_a_customer_who_goes_away_is_charged_for_what_came(
    account: Account, unpaid: UnpaidFile
) -> None:
    with Server(FakeModel(0.4), unpaid) as server:
        with httpx.stream(
            "POST", server.url, json=order(8), headers=customer(account), timeout=20
        ) as answer:
            lines: Iterator[str] = answer.iter_lines()
            assert next(lines) and next(lines)
        until = time.monotonic() + 10
        while len(account.happened()) < 2 and time.monotonic() < until:
            time.sleep(0.1)
    [_, (kind, given_back)] = account.happened()
    # 2 of 8 came; a third may have been on its way.
    assert (kind, given_back in ("3", "2.5")) == ("captured", True)


def test_a_model_that_fails_charges_nothing(account: Account, unpaid: UnpaidFile) -> None:
    with Server(BrokenModel(0), unpaid) as server, pytest.raises(httpx.RemoteProtocolError):
        server.ask(account, 3)
    assert account.happened() == [("held", "-1.5"), ("released", "1.5")]


def test_a_customer_with_too_few_credits_sees_what_to_do(
    account: Account, unpaid: UnpaidFile
) -> None:
    with Scrip(URL, KEY) as credits:
        credits.debit(account.id, credits="24")
    with Server(FakeModel(0), unpaid) as server:
        answer = server.ask(account, 8)
    assert answer.status_code == 402
    shown = answer.json()
    assert shown["message"].startswith("This needs 4 credits, and you have 1. New ones come on 20")
    assert shown["top_up_url"].startswith("http")
    assert account.happened() == [("debit", "-24")]


def test_a_customer_whose_limit_is_reached_sees_what_is_left(
    account: Account, unpaid: UnpaidFile
) -> None:
    with Scrip(URL, KEY) as credits:
        credits.set_limit(account.id, "user:ada", "3", per="day")
    with Server(FakeModel(0), unpaid) as server:
        answer = server.ask(account, 8)
    assert answer.status_code == 402
    message = answer.json()["message"]
    assert message.startswith("This needs 4 credits; 3 of your 3 are left. They come back on 20")


def test_an_account_that_is_not_there_is_no_mistake_of_the_customer(unpaid: UnpaidFile) -> None:
    with Server(FakeModel(0), unpaid) as server:
        answer = server.ask(Account("nobody"), 1)
    assert (answer.status_code, answer.json()) == (
        500,
        {"message": "We made a mistake. You were not charged."},
    )


def test_if_scrip_cannot_be_reached_no_work_begins(account: Account, unpaid: UnpaidFile) -> None:
    with Server(FakeModel(0), unpaid, stack=NOWHERE) as server:
        answer = server.ask(account, 1)
    assert answer.status_code == 503
    assert not unpaid.path.exists()


def test_what_is_unpaid_is_paid_later_once(account: Account, unpaid: UnpaidFile) -> None:
    async def story() -> None:
        away = AsyncScrip(NOWHERE, deadline_s=0.2, on_unpaid=unpaid.keep)
        await away.debit(account.id, "custom_image", 2, on_unreachable="allow")
        await unpaid.pay(away)
        assert len(unpaid.path.read_text().splitlines()) == 1
        kept = unpaid.path.read_text()
        async with AsyncScrip(URL, KEY) as credits:
            await unpaid.pay(credits)
            assert not unpaid.path.exists()
            # As after a crash between the payment and its end.
            unpaid.path.write_text(kept)
            await unpaid.pay(credits)

    asyncio.run(story())
    assert account.happened() == [("debit", "-1")]


def test_one_who_is_not_signed_in_is_refused(unpaid: UnpaidFile) -> None:
    with Server(FakeModel(0), unpaid) as server:
        answer = httpx.post(server.url, json=order(1), headers={"x-customer": "ada"})
    assert answer.status_code == 401
