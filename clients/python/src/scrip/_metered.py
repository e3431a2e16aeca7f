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
