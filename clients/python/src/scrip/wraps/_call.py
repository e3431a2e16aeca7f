"""One call of a model: what is held for it, and what is charged."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from scrip._charge import ChargeRequest, Work
from scrip._connection import OnUnreachable
from scrip._limits import LimitAsked
from scrip._metered import Meters, UsageFormat, Used, are_counts
from scrip.answers import CaptureReceipt, DebitReceipt

logger = logging.getLogger("scrip")

EXPLAINS_TOOLS = 1000
"""Tokens that a provider may add to a request that has tools: Anthropic adds 300 to 600."""


def quarter(count: int) -> int:
    """About the tokens of so many bytes of text."""
    return -(-count // 4)


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
    the request's text, and some for what a provider adds to tools. A call that reads more than its
    text needs it: files, images, what is stored, what the provider's own tools find."""
    output_at_most: int | None = None
    """The most output of a call that sets no maximum of its own; it is then sent with the call."""
    count_tokens: Callable[[str], int] | None = None
    """Counts the tokens of a whole text, where the provider told no usage: a quarter of its bytes,
    if it is left out."""
    expires_in_s: int | None = None
    on_unreachable: OnUnreachable = "refuse"
    beyond: bool = False
    """Whether more than what is held may be charged, of a call that used more."""
    on_charged: Callable[[CaptureReceipt | DebitReceipt], object] | None = None
    """Gets the receipt of each call. What it raises is only logged."""
    subjects: Sequence[str] | None = None
    """What each call counts for beside its user, such as `team:ops`."""
    limits: Sequence[LimitAsked] | None = None
    """Limits that each call brings; it counts for what they are of, too."""

    def most(self, output: object) -> int:
        """The maximum of a call's output, which is its own if it has one."""
        if isinstance(output, int):
            return output
        if self.output_at_most is None:
            raise TypeError("a call without a maximum of output needs output_at_most, to hold it")
        return self.output_at_most

    def needs_input(self, reads_more: bool) -> None:
        """Refuses a call that reads more than the text of its request, unless its input is told."""
        if reads_more and self.input_at_most is None:
            raise TypeError(
                "a call that reads more than its text (files, images, what is stored, what the "
                "provider's own tools find) needs input_at_most, which is held"
            )

    def request(self, model: str, text: str, output: int, has_tools: bool) -> ChargeRequest:
        """The charge of a call of `model` that reads `text`."""
        most = self.input_at_most
        if most is None:
            most = len(text.encode()) + EXPLAINS_TOOLS * has_tools
        return ChargeRequest(
            self.account,
            self.action,
            None,
            None,
            self.user,
            self.reference,
            self.expires_in_s,
            self.on_unreachable,
            self.beyond,
            model=model,
            on_charged=self.on_charged,
            meters={"input": most, "output": output},
            subjects=self.subjects,
            limits=self.limits,
        )


@dataclass(frozen=True)
class Told:
    """The meaning of a part of an answer."""

    used: Used | None = None
    """The provider's usage so far, in all. If Scrip refuses it, its `otherwise` is charged."""
    text: str = ""
    """What the model wrote in it."""
    failed: bool = False
    """An error that a stream has as a part: the call is free, unless usage is told."""


class Seen:
    """What was seen of a call so far."""

    def __init__(
        self,
        request: ChargeRequest,
        text: str,
        count: Callable[[str], int] | None,
        read: Callable[[Any], Told],
    ) -> None:
        self.maxima: Meters = request.meters or {}
        self.text = text
        self.count = count
        self.read = read
        self.told: Used | None = None
        self.texts: list[str] = []
        self.bytes = 0
        self.is_unclear = False
        self.failed = False
        self.error: Exception | None = None
        """The error of a call that had told its usage, for its reader."""

    def __bool__(self) -> bool:
        return self.told is not None or self.is_unclear or self.bytes > 0

    def add(self, part: Any) -> None:
        try:
            told = self.read(part)
        except Exception:
            self.is_unclear = True
            logger.exception("a part of an answer cannot be read")
            return
        # Usage is told as it is so far, in all: the latest counts.
        self.told = told.used or self.told
        self.failed = self.failed or told.failed
        self.bytes += len(told.text.encode())
        if self.count is not None:
            self.texts.append(told.text)

    def report(self, work: Work) -> None:
        """Reports what the provider has told; else the text, and not more than is held."""
        if self.told is not None:
            work.delivered(self.told)
        elif self.failed:
            work.delivered({"meters": {"input": 0, "output": 0}})
        else:
            work.delivered({"meters": self.of_text()})

    def of_text(self) -> Meters:
        """By the text; the maxima, if that cannot be counted."""
        most = self.maxima
        if self.is_unclear:
            return most
        try:
            if self.count is None:
                read, written = quarter(len(self.text.encode())), quarter(self.bytes)
            else:
                text = "".join(self.texts)
                read, written = self.count(self.text), self.count(text) if text else 0
            if not are_counts({"input": read, "output": written}):
                raise TypeError(f"count_tokens: {read} and {written} are no counts")
        except Exception:
            logger.exception("the text of a call cannot be counted")
            return most
        return {"input": min(read, most["input"]), "output": min(written, most["output"])}


TEXTS = (
    *("message", "text", "reasoning", "refusal"),
    *("input_text", "output_text", "reasoning_text", "summary_text"),
    *("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"),
)
"""The types of messages, and of parts of them, that are text."""


def is_text(part: Any) -> bool:
    """Whether a message, or a part of one, is text and nothing else."""
    part = part.model_dump() if hasattr(part, "model_dump") else part
    if isinstance(part, (list, tuple)):
        return all(map(is_text, part))
    if not isinstance(part, Mapping):
        return part is None or isinstance(part, str)
    is_known = part.get("type", "message") in TEXTS and not part.get("audio")
    return is_known and is_text(part.get("content")) and is_text(part.get("output"))


def totals_of(usage: Mapping[str, Any]) -> Meters | None:
    """Plain input and output, if any is told. Some count thinking in the total alone."""
    read = usage.get("prompt_tokens", usage.get("input_tokens"))
    written = usage.get("completion_tokens", usage.get("output_tokens")) or 0
    total = usage.get("total_tokens") or 0
    if not are_counts({"input": read, "output": written, "total": total}):
        return None
    totals: Meters = {"input": cast(int, read), "output": max(written, total - cast(int, read))}
    return totals if any(totals.values()) else None


def told_by(usage: Mapping[str, Any] | None, usage_format: UsageFormat) -> Used | None:
    """The usage object of a provider, unless it says nothing yet: None, or all of it 0."""
    if usage is None or not any(isinstance(count, int) and count > 0 for count in usage.values()):
        return None
    used: Used = {"usage": usage, "usage_format": usage_format}
    totals = totals_of(usage)
    return used if totals is None else {**used, "otherwise": totals}


def as_text(read: Any) -> str:
    """All that a model reads, as text."""

    def plain(value: Any) -> Any:
        return value.model_dump() if hasattr(value, "model_dump") else str(value)

    return json.dumps(read, default=plain, ensure_ascii=False, separators=(",", ":"))
