"""One call of a model: what is held for it, and what is charged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scrip._charge import ChargeRequest, Work
from scrip._connection import OnUnreachable
from scrip._metered import Meters, UsageFormat, Used


def quarter(text: str) -> int:
    """About the tokens of a text: a quarter of its bytes."""
    return -(-len(text.encode()) // 4)


@dataclass(frozen=True)
class Charges:
    """Who pays for the calls of a wrapped library, and the most that one may use."""

    account: str = ""
    """Of a dependency, it is the request's; else it is needed."""
    user: str | None = None
    reference: str | None = None
    action: str = "chat"
    """The action that has the rates of models."""
    input_at_most: int | None = None
    """The most tokens that the input of a call may have. Without it, one is held for each byte of
    the request's text: no text has more, but images and files that are named by URL may."""
    output_at_most: int | None = None
    """The most output of a call that sets no maximum of its own; it is then sent with the call."""
    count_tokens: Callable[[str], int] = quarter
    """Counts the tokens of a text, where the provider told no usage."""
    expires_in_s: int | None = None
    on_unreachable: OnUnreachable = "refuse"

    def most(self, output: object) -> int:
        """The maximum of a call's output, which is its own if it has one."""
        if isinstance(output, int):
            return output
        if self.output_at_most is None:
            raise TypeError("a call without a maximum of output needs output_at_most, to hold it")
        return self.output_at_most

    def request(self, model: str, text: str, output: int) -> ChargeRequest:
        """The charge of a call of `model` that reads `text`."""
        most = len(text.encode()) if self.input_at_most is None else self.input_at_most
        return ChargeRequest(
            self.account,
            self.action,
            None,
            None,
            self.user,
            self.reference,
            self.expires_in_s,
            self.on_unreachable,
            model=model,
            meters={"input": most, "output": output},
        )


@dataclass(frozen=True)
class Told:
    """The meaning of a part of an answer."""

    used: Used | None = None
    """The provider's usage so far, in all."""
    text: str = ""
    """What the model wrote in it."""
    failed: bool = False
    """An error that a stream has as a part: the call is free, unless usage is told."""


class Seen:
    """What was seen of a call so far."""

    def __init__(self, request: ChargeRequest, text: str, count: Callable[[str], int]) -> None:
        self.maxima: Meters = request.meters or {}
        self.text = text
        self.count = count
        self.told: Used | None = None
        self.input: int | None = None
        self.output = 0
        self.failed = False

    def __bool__(self) -> bool:
        return self.told is not None or self.output > 0

    def add(self, told: Told) -> None:
        # Usage is told as it is so far, in all: the latest counts.
        self.told = told.used or self.told
        self.failed = self.failed or told.failed
        if told.text:
            self.output += self.count(told.text)

    def report(self, work: Work) -> None:
        """Reports what the provider has told; else the text, and not more than is held."""
        # The meters first: they are charged if Scrip cannot read the usage.
        work.delivered({"meters": self.of_text()})
        if self.told is not None:
            work.delivered(self.told)

    def of_text(self) -> Meters:
        if self.failed and self.told is None:
            return {"input": 0, "output": 0}
        if self.input is None:
            self.input = self.count(self.text)
        most = self.maxima
        return {
            "input": min(self.input, most["input"]),
            "output": min(self.output, most["output"]),
        }


def told_by(usage: Mapping[str, Any] | None, usage_format: UsageFormat) -> Used | None:
    """The usage object of a provider, unless it says nothing yet: None, or all of it 0."""
    if usage is None or not any(isinstance(count, int) and count > 0 for count in usage.values()):
        return None
    return {"usage": usage, "usage_format": usage_format}


def as_text(read: Any) -> str:
    """All that a model reads, as text."""

    def plain(value: Any) -> Any:
        return value.model_dump() if hasattr(value, "model_dump") else str(value)

    return json.dumps(read, default=plain, ensure_ascii=False, separators=(",", ":"))
