"""Charges the calls of OpenAI's client, and of those that are compatible with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar, cast

import openai
from openai import AsyncOpenAI, AsyncStream, OpenAI, Stream

from scrip import _async_charging, _sync_charging
from scrip._async_client import AsyncScrip
from scrip._charge import ChargeRequest, Work
from scrip._sync_client import Scrip
from scrip.wraps._call import Charges, Seen, Told, as_text, is_text, told_by

Create = TypeVar("Create", bound=Callable[..., Any])


class Calls(Generic[Create]):
    """One kind of calls of the client."""

    def __init__(self, create: Create) -> None:
        self.create = create


class Chat(Generic[Create]):
    def __init__(self, create: Create) -> None:
        self.completions = Calls(create)


class ChargedOpenAI:
    """The calls of an `OpenAI` that are charged. It has no others: none is free by mistake.

    Each call is held and charged once, however often the client sends it. Make one for each
    request of a customer: it is a few closures.
    """

    def __init__(self, client: OpenAI, credits: Scrip, charges: Charges) -> None:
        completions, responses = client.chat.completions.create, client.responses.create
        self.chat = Chat(charged(completions, COMPLETIONS, credits, charges))
        self.responses = Calls(charged(responses, RESPONSES, credits, charges))


class AsyncChargedOpenAI:
    """The calls of an `AsyncOpenAI` that are charged: see `ChargedOpenAI`."""

    def __init__(self, client: AsyncOpenAI, credits: AsyncScrip, charges: Charges) -> None:
        completions, responses = client.chat.completions.create, client.responses.create
        self.chat = Chat(charged_async(completions, COMPLETIONS, credits, charges))
        self.responses = Calls(charged_async(responses, RESPONSES, credits, charges))


def charged(create: Create, surface: Surface, credits: Scrip, charges: Charges) -> Create:
    """`create`, charged."""

    def charged_create(**body: Any) -> Any:
        request, text, output = asked_for(body, surface, charges)
        seen = Seen(request, text, charges.count_tokens, surface.told)
        answers: list[Any] = []

        def work(running: Work) -> Iterator[Any]:
            answer = create(**surface.asked(body, output))
            answers.append(answer)
            is_stream = isinstance(answer, Stream)
            try:
                # Stands for the beginning, so that an error of it is raised by this function.
                yield None
                for part in answer if is_stream else [answer]:
                    seen.add(part)
                    yield part
                seen.report(running)
            except Exception as error:
                if seen.told is None:
                    raise
                # What was told is charged, and then the reader gets the error.
                seen.report(running)
                seen.error = error
            except BaseException:
                if seen:
                    seen.report(running)
                raise
            finally:
                if is_stream:
                    answer.close()

        credits._check(request.on_unreachable, is_stream=True)
        parts = _sync_charging.started(_sync_charging.Charging(credits, request), work)
        next(parts)
        [answer] = answers
        if isinstance(answer, Stream):
            return ChargedStream(answer, parts, seen, lambda part: not surface.hides(body, part))
        for _ in parts:
            pass
        return answer

    return cast(Create, charged_create)


def charged_async(
    create: Create, surface: Surface, credits: AsyncScrip, charges: Charges
) -> Create:
    """`create`, charged."""

    async def charged_create(**body: Any) -> Any:
        request, text, output = asked_for(body, surface, charges)
        seen = Seen(request, text, charges.count_tokens, surface.told)
        answers: list[Any] = []

        async def work(running: Work) -> AsyncIterator[Any]:
            answer = await create(**surface.asked(body, output))
            answers.append(answer)
            is_stream = isinstance(answer, AsyncStream)
            try:
                # Stands for the beginning, so that an error of it is raised by this function.
                yield None
                async for part in answer if is_stream else one(answer):
                    seen.add(part)
                    yield part
                seen.report(running)
            except Exception as error:
                if seen.told is None:
                    raise
                # What was told is charged, and then the reader gets the error.
                seen.report(running)
                seen.error = error
            except BaseException:
                if seen:
                    seen.report(running)
                raise
            finally:
                if is_stream:
                    await answer.close()

        credits._check(request.on_unreachable, is_stream=True)
        parts = await _async_charging.started(_async_charging.Charging(credits, request), work)
        await anext(parts)
        [answer] = answers
        if isinstance(answer, AsyncStream):
            shows = lambda part: not surface.hides(body, part)  # noqa: E731
            return AsyncChargedStream(answer, parts, seen, shows)
        async for _ in parts:
            pass
        return answer

    return cast(Create, charged_create)


class ChargedStream(Stream[Any]):
    """A stream of the client, whose parts are charged when it ends or is closed."""

    def __init__(
        self,
        stream: Stream[Any],
        parts: Generator[Any, None, None],
        seen: Seen,
        shows: Callable[[Any], bool],
    ) -> None:
        self.response = stream.response
        self.parts = parts
        self.seen = seen
        self.shown = filter(shows, parts)

    def __next__(self) -> Any:
        for part in self.shown:
            return part
        raise self.seen.error or StopIteration

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
        seen: Seen,
        shows: Callable[[Any], bool],
    ) -> None:
        self.response = stream.response
        self.parts = parts
        self.seen = seen
        self.shows = shows

    async def __anext__(self) -> Any:
        async for part in self.parts:
            if self.shows(part):
                return part
        raise self.seen.error or StopAsyncIteration

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def close(self) -> None:
        await self.parts.aclose()


Body = Mapping[str, Any]


class Surface(Protocol):
    """Where a surface of the API has what a charge needs."""

    def reads_more(self, body: Body) -> bool:
        """Whether the model reads more than the text of the request."""

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
    def reads_more(self, body: Body) -> bool:
        searches = given(body, "web_search_options") is not None
        return searches or not is_text(given(body, "messages"))

    def read(self, body: Body) -> object:
        names = "messages tools functions response_format prediction web_search_options"
        return [given(body, name) for name in names.split()]

    def output(self, body: Body) -> object:
        most = given(body, "max_completion_tokens") or given(body, "max_tokens")
        # The maximum holds for each choice.
        return most and most * (given(body, "n") or 1)

    def asked(self, body: Body, output: int) -> dict[str, Any]:
        asked = dict(body)
        if self.output(body) is None:
            choices = given(body, "n") or 1
            if output < choices:
                raise TypeError(f"output_at_most {output} is not enough for {choices} choices")
            asked["max_completion_tokens"] = output // choices
        if given(body, "stream"):
            # Without it a stream of OpenAI's never tells its usage.
            options = given(body, "stream_options") or {}
            asked["stream_options"] = {**options, "include_usage": True}
        return asked

    def told(self, part: Any) -> Told:
        written = (
            getattr(choice, "delta", None) or getattr(choice, "message", None)
            for choice in getattr(part, "choices", None) or ()
        )
        return Told(usage_of(part), "".join(text_of(message) for message in written))

    def hides(self, body: Body, part: Any) -> bool:
        # Who did not ask for the usage of a stream does not expect a part without a choice.
        has_asked = (given(body, "stream_options") or {}).get("include_usage")
        tells = getattr(part, "usage", None) is not None
        return not has_asked and tells and not getattr(part, "choices", None)


class OfResponses:
    def reads_more(self, body: Body) -> bool:
        if given(body, "background"):
            raise TypeError("the usage of a background response comes after the call")
        stored = ("previous_response_id", "conversation", "prompt")
        return any(given(body, name) for name in stored) or not is_text(given(body, "input"))

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


def asked_for(body: Body, surface: Surface, charges: Charges) -> tuple[ChargeRequest, str, int]:
    """The charge of a call, the text that it reads, and the most that it may write."""
    model = given(body, "model")
    if not model:
        raise TypeError("a call needs its model, whose rates are charged")
    tools = given(body, "tools") or ()
    is_run_by_provider = any(tool.get("type") not in ("function", "custom") for tool in tools)
    charges.needs_input(surface.reads_more(body) or is_run_by_provider)
    output = charges.most(surface.output(body))
    surface.asked(body, output)
    text = as_text(surface.read(body))
    has_tools = bool(tools or given(body, "functions"))
    return charges.request(model, text, output, has_tools), text, output


def usage_of(part: Any) -> Any:
    """The usage that a part tells, as the provider told it."""
    usage = getattr(part, "usage", None)
    return told_by(None if usage is None else usage.model_dump(exclude_unset=True), "openai")


def text_of(message: Any) -> str:
    """All that a model wrote in a message, or in a part of one."""
    if message is None:
        return ""
    written = message.model_dump(exclude_unset=True, exclude={"role"}).values()
    return "".join(one if isinstance(one, str) else as_text(one) for one in written if one)


async def one(value: Any) -> AsyncIterator[Any]:
    yield value
