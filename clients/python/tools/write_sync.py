#!/usr/bin/env python3
"""Writes src/scrip/_sync_operations.py: the asynchronous operations without asyncio.

The file is committed, and a test writes it again and finds a difference: change
_async_operations.py, then run this.
"""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "scrip"
FROM = PACKAGE / "_async_operations.py"
TO = PACKAGE / "_sync_operations.py"

# In this order.
CHANGES = [
    (r"the asynchronous client\.", "the synchronous client. Written by tools/write_sync.py."),
    (r"\nimport asyncio\n", "\n"),
    (r"\n[^\n]*# asyncio alone\n", "\n"),
    (r"AsyncIterator, Awaitable, Callable, Coroutine, Iterable", "Callable, Iterable, Iterator"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAsync(Iterator|Operations)\b", r"\1"),
    (r"\b_async_", "_sync_"),
]


def text() -> str:
    """What src/scrip/_sync_operations.py has to be."""
    made = FROM.read_text()
    for pattern, replacement in CHANGES:
        made = re.sub(pattern, replacement, made)
    return made


if __name__ == "__main__":
    TO.write_text(text())
