"""Charges the calls of OpenAI's client, and of those that are compatible with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from typing import Any, Protocol, TypeVar, cast

import openai
from openai import AsyncOpenAI, AsyncStream, OpenAI, Stream

from scrip import _async_charging, _sync_charging
from scrip._async_client import AsyncScrip
from scrip._charge import Work
from scrip._sync_client import Scrip
from scrip.wraps._call import Charges, Seen, Told, as_text, told_by

Create = TypeVar("Create", bound=Callable[..., Any])


class ChargedOpenAI:
    """The calls of an `OpenAI` that are charged. It has no others: none is free by mistake.

    Each call is held and charged once, however often the client sends it. Make one for each
    request of a customer: it is a few closures.
    """

    def __init__(self, client: OpenAI, credits: Scrip, charges: Charges) -> None:
        self.chat = Chat(client, credits, charges)
        self.responses = Responses(client, credits, charges)


class Chat:
    def __init__(self, client: OpenAI, credits: Scrip, charges: Charges) -> None:
        self.completions = Completions(client, credits, charges)


class Completions:
    def __init__(self, client: OpenAI, credits: Scrip, charges: Charges) -> None:
        self.create = charged(client.chat.completions.create, COMPLETIONS, credits, charges)


class Responses:
    def __init__(self, client: OpenAI, credits: Scrip, charges: Charges) -> None:
        self.create = charged(client.responses.create, RESPONSES, credits, charges)


class AsyncChargedOpenAI:
    """The calls of an `AsyncOpenAI` that are charged: see `ChargedOpenAI`."""

    def __init__(self, client: AsyncOpenAI, credits: AsyncScrip, charges: Charges) -> None:
        self.chat = AsyncChat(client, credits, charges)
        self.responses = AsyncResponses(client, credits, charges)


class AsyncChat:
    def __init__(self, client: AsyncOpenAI, credits: AsyncScrip, charges: Charges) -> None:
        self.completions = AsyncCompletions(client, credits, charges)


class AsyncCompletions:
    def __init__(self, client: AsyncOpenAI, credits: AsyncScrip, charges: Charges) -> None:
        self.create = charged_async(client.chat.completions.create, COMPLETIONS, credits, charges)


class AsyncResponses:
    def __init__(self, client: AsyncOpenAI, credits: AsyncScrip, charges: Charges) -> None:
        self.create = charged_async(client.responses.create, RESPONSES, credits, charges)


def charged(create: Create, surface: Surface, credits: Scrip, charges: Charges) -> Create:
    """`create`, charged."""

    def charged_create(**body: Any) -> Any:
        surface.check(body, charges)
        output = charges.most(surface.output(body))
        text = as_text(surface.read(body))
        request = charges.request(body["model"], text, output)
        seen = Seen(request, text, charges.count_tokens)
        answers: list[Any] = []

        def work(running: Work) -> Iterator[Any]:
            answer = create(**surface.asked(body, output))
            answers.append(answer)
            is_stream = isinstance(answer, Stream)
            try:
                # Stands for the beginning, so that an error of it is raised by this function.
                yield None
                for part in answer if is_stream else [answer]:
                    seen.add(surface.told(part))
                    if seen:
                        seen.report(running)
                    yield part
                seen.report(running)
            finally:
                if is_stream:
                    answer.close()

        credits._check(request.on_unreachable, is_stream=True)
        parts = _sync_charging.started(_sync_charging.Charging(credits, request), work)
        next(parts)
        [answer] = answers
        if isinstance(answer, Stream):
            return ChargedStream(answer, parts, lambda part: not surface.hides(body, part))
        for _ in parts:
            pass
        return answer

    return cast(Create, charged_create)


def charged_async(
    create: Create, surface: Surface, credits: AsyncScrip, charges: Charges
) -> Create:
    """`create`, charged."""

    async def charged_create(**body: Any) -> Any:
        surface.check(body, charges)
        output = charges.most(surface.output(body))
        text = as_text(surface.read(body))
        request = charges.request(body["model"], text, output)
        seen = Seen(request, text, charges.count_tokens)
        answers: list[Any] = []

        async def work(running: Work) -> AsyncIterator[Any]:
            answer = await create(**surface.asked(body, output))
            answers.append(answer)
            is_stream = isinstance(answer, AsyncStream)
            try:
                # Stands for the beginning, so that an error of it is raised by this function.
                yield None
                async for part in answer if is_stream else one(answer):
                    seen.add(surface.told(part))
                    if seen:
                        seen.report(running)
                    yield part
                seen.report(running)
            finally:
                if is_stream:
                    await answer.close()

        credits._check(request.on_unreachable, is_stream=True)
        parts = await _async_charging.started(_async_charging.Charging(credits, request), work)
        await anext(parts)
        [answer] = answers
        if isinstance(answer, AsyncStream):
            return AsyncChargedStream(answer, parts, lambda part: not surface.hides(body, part))
        async for _ in parts:
            pass
        return answer

    return cast(Create, charged_create)


class ChargedStream(Stream[Any]):
    """A stream of the client, whose parts are charged when it ends or is closed."""

    def __init__(
        self, stream: Stream[Any], parts: Generator[Any, None, None], shows: Callable[[Any], bool]
    ) -> None:
        self.response = stream.response
        self.parts = parts
        self.shown = filter(shows, parts)

    def __next__(self) -> Any:
        return next(self.shown)

    def __iter__(self) -> Iterator[Any]:
        return self

    def close(self) -> None:
        self.parts.close()


class AsyncChargedStream(AsyncStream[Any]):
    """A stream of the client, whose parts are charged when it ends or is closed."""

    def __init__(
        self,
        stream: AsyncStream[Any],
        parts: AsyncGenerator[Any, None],
        shows: Callable[[Any], bool],
    ) -> None:
        self.response = stream.response
        self.parts = parts
        self.shows = shows

    async def __anext__(self) -> Any:
        while True:
            part = await anext(self.parts)
            if self.shows(part):
                return part

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def close(self) -> None:
        await self.parts.aclose()


Body = Mapping[str, Any]


class Surface(Protocol):
    """Where a surface of the API has what a charge needs."""

    def check(self, body: Body, charges: Charges) -> None:
        """Refuses a call that cannot be charged rightly."""

    def read(self, body: Body) -> object:
        """All that the model reads."""

    def output(self, body: Body) -> object:
        """The most output, if the call says it."""

    def asked(self, body: Body, output: int) -> dict[str, Any]:
        """The body that is sent."""

    def told(self, part: Any) -> Told:
        """The meaning of an answer, or of a part of one."""

    def hides(self, body: Body, part: Any) -> bool:
        """Whether a part is for the charge alone."""


class OfCompletions:
    def check(self, body: Body, charges: Charges) -> None:
        pass

    def read(self, body: Body) -> object:
        return [given(body, name) for name in ("messages", "tools", "response_format")]

    def output(self, body: Body) -> object:
        most = given(body, "max_completion_tokens") or given(body, "max_tokens")
        # The maximum holds for each choice.
        return most and most * (given(body, "n") or 1)

    def asked(self, body: Body, output: int) -> dict[str, Any]:
        asked = dict(body)
        if self.output(body) is None:
            asked["max_completion_tokens"] = output // (given(body, "n") or 1)
        if given(body, "stream"):
            # Without it a stream of OpenAI's never tells its usage.
            options = given(body, "stream_options") or {}
            asked["stream_options"] = {**options, "include_usage": True}
        return asked

    def told(self, part: Any) -> Told:
        written = (getattr(choice, "delta", None) or choice.message for choice in part.choices)
        return Told(usage_of(part), "".join(text_of(message) for message in written))

    def hides(self, body: Body, part: Any) -> bool:
        # Who did not ask for the usage of a stream does not expect a part without a choice.
        has_asked = (given(body, "stream_options") or {}).get("include_usage")
        return not has_asked and part.usage is not None and not part.choices


class OfResponses:
    def check(self, body: Body, charges: Charges) -> None:
        if given(body, "background"):
            raise TypeError("the usage of a background response comes after the call")
        # The model reads it, and the request does not have it.
        stored = ("previous_response_id", "conversation", "prompt")
        if charges.input_at_most is None and any(given(body, name) for name in stored):
            raise TypeError("a response that continues what is stored needs input_at_most")

    def read(self, body: Body) -> object:
        return [given(body, name) for name in ("input", "instructions", "tools", "text")]

    def output(self, body: Body) -> object:
        return given(body, "max_output_tokens")

    def asked(self, body: Body, output: int) -> dict[str, Any]:
        return {**body, "max_output_tokens": output}

    def told(self, part: Any) -> Told:
        kind = getattr(part, "type", "")
        delta = getattr(part, "delta", "") if kind.endswith(".delta") else ""
        text = getattr(part, "output_text", delta)
        used = usage_of(part) or usage_of(getattr(part, "response", None))
        failed = kind in ("error", "response.failed")
        return Told(used, text if isinstance(text, str) else "", failed)

    def hides(self, body: Body, part: Any) -> bool:
        return False


COMPLETIONS, RESPONSES = OfCompletions(), OfResponses()


def given(body: Body, name: str) -> Any:
    """A parameter of a call; None if it is one of the client's words for "not given"."""
    value = body.get(name)
    return None if isinstance(value, (openai.NotGiven, openai.Omit)) else value


def usage_of(part: Any) -> Any:
    """The usage that a part tells, as the provider told it."""
    usage = getattr(part, "usage", None)
    return told_by(None if usage is None else usage.model_dump(exclude_unset=True), "openai")


def text_of(message: Any) -> str:
    """All that a model wrote in a message, or in a part of one."""
    written = message.model_dump(exclude_unset=True, exclude={"role"}).values()
    return "".join(one if isinstance(one, str) else as_text(one) for one in written if one)


async def one(value: Any) -> AsyncIterator[Any]:
    yield value
