"""The model behind an interface, so that the program runs without one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Protocol


class Model(Protocol):
    """Paints images. Yours calls its provider here, with the key of the environment."""

    def paint(self, prompt: str, count: int) -> AsyncIterator[bytes]:
        """Yields each image as soon as it is there. It may make fewer, or fail."""
        ...


class FakeModel:
    """Paints one pixel again and again, and takes a while for it."""

    def __init__(self, takes_s: float = 0.5) -> None:
        self.takes_s = takes_s

    async def paint(self, prompt: str, count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            await asyncio.sleep(self.takes_s)
            yield PIXEL


PIXEL = base64.b64decode("R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=")
"""A GIF."""
