"""Charges by meters: the tokens that a model used, as counts or as its provider told them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict


class Meters(TypedDict, total=False):
    """Tokens by meter. A token is counted by one meter alone."""

    input: int
    cached_input: int
    """Read from the provider's cache."""
    cache_write: int
    """Written to it for 5 minutes."""
    cache_write_1h: int
    """Written to it for an hour."""
    output: int
    """With those of thinking."""
    input_audio: int
    cached_input_audio: int
    output_audio: int
    input_image: int
    output_image: int


UsageFormat = Literal["openai", "anthropic", "google"]
"""Whose usage object it is."""


class Used(TypedDict, total=False):
    """What a call of a model used: `meters`, or `usage` as its provider told it; never both."""

    meters: Meters
    usage: Mapping[str, Any]
    usage_format: UsageFormat
    otherwise: Meters
    """What is charged if Scrip refuses these meters or this usage."""


def are_counts(meters: Mapping[str, Any]) -> bool:
    """Whether all are whole numbers of 0 or more, and there is one."""
    return bool(meters) and all(type(n) is int and n >= 0 for n in meters.values())


def check_used(used: Mapping[str, Any]) -> None:
    """Refuses what is no meters and no usage, or both."""
    usage, meters = used.get("usage"), used.get("meters")
    if (usage is None) == (meters is None):
        raise ValueError(f"a model's use is either meters or a usage, and not {used}")
    for counts in (meters, used.get("otherwise")):
        if counts is not None and not are_counts(counts):
            raise ValueError(f"the counts of meters are whole numbers of 0 or more: {counts}")
