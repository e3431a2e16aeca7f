"""Callers of the wrapped client, with and without asyncio."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import pytest
from model import MODEL, Model
from openai import AsyncOpenAI, AsyncStream, OpenAI, Stream

from scrip import AsyncScrip, Scrip
from scrip.wraps import Charges
from scrip.wraps.openai import AsyncChargedOpenAI, ChargedOpenAI

CHARGES = Charges("acme", user="ada", input_at_most=2000, output_at_most=50)
ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "birds"}]}


class Paid(Protocol):
    """Makes the clients that charge."""

    def credits(self) -> Scrip: ...
    def async_credits(self) -> AsyncScrip: ...


class Sync:
    """A caller of the client: of all of a stream, or of so many parts."""

    def whole(self, scrip: Paid, model: Model, charges: Charges = CHARGES) -> str | None:
        answer = self.client(scrip, model, charges).chat.completions.create(**ASKED)
        text: str | None = answer.choices[0].message.content
        return text

    def stream(self, scrip: Paid, model: Model, charges: Charges = CHARGES, most: int = 99) -> str:
        client = self.client(scrip, model, charges)
        read = ""
        with client.chat.completions.create(**ASKED, stream=True) as parts:
            assert isinstance(parts, Stream)
            for part in parts:
                read += part.choices[0].delta.content or ""
                most -= 1
                if most == 0:
                    break
        return read

    def events(self, scrip: Paid, model: Model, charges: Charges) -> int:
        client = self.client(scrip, model, charges)
        return len(list(client.responses.create(model=MODEL, input="birds", stream=True)))

    def client(self, scrip: Paid, model: Model, charges: Charges) -> ChargedOpenAI:
        client = OpenAI(api_key="none", base_url=model.url)
        return ChargedOpenAI(client, scrip.credits(), charges)


class Async:
    """The same caller, with asyncio."""

    def whole(self, scrip: Paid, model: Model, charges: Charges = CHARGES) -> str | None:
        async def story() -> str | None:
            answer = await self.client(scrip, model, charges).chat.completions.create(**ASKED)
            text: str | None = answer.choices[0].message.content
            return text

        return asyncio.run(story())

    def stream(self, scrip: Paid, model: Model, charges: Charges = CHARGES, most: int = 99) -> str:
        async def story() -> str:
            client, read, left = self.client(scrip, model, charges), "", most
            async with await client.chat.completions.create(**ASKED, stream=True) as parts:
                assert isinstance(parts, AsyncStream)
                async for part in parts:
                    read += part.choices[0].delta.content or ""
                    left -= 1
                    if left == 0:
                        break
            return read

        return asyncio.run(story())

    def events(self, scrip: Paid, model: Model, charges: Charges) -> int:
        async def story() -> int:
            client = self.client(scrip, model, charges)
            asked = {"model": MODEL, "input": "birds"}
            stream: Any = await client.responses.create(**asked, stream=True)  # type: ignore[call-overload]
            return len([part async for part in stream])

        return asyncio.run(story())

    def client(self, scrip: Paid, model: Model, charges: Charges) -> AsyncChargedOpenAI:
        client = AsyncOpenAI(api_key="none", base_url=model.url)
        return AsyncChargedOpenAI(client, scrip.async_credits(), charges)


both = pytest.mark.parametrize("calls", [Sync(), Async()], ids=["synchronous", "asynchronous"])
