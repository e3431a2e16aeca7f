#!/usr/bin/env python3
"""Writes _sync_reads.py, _sync_operations.py and _sync_charges.py of src/scrip: the asynchronous
ones without asyncio.

The files are committed, and a test writes them again and finds a difference: change
_async_reads.py, _async_operations.py or _async_charges.py, then run this.
"""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "scrip"
NAMES = ["reads", "operations", "charges"]

# In this order.
CHANGES = [
    (r'^"""(.*)"""', r'"""\1\n\nWritten by tools/write_sync.py: do not edit.\n"""'),
    (r"the asynchronous client", "the synchronous client"),
    (r"\nimport asyncio\n", "\n"),
    (r"\n[^\n]*# asyncio alone\n", "\n"),
    (r"AsyncIterator, Iterable, Mapping", "Iterable, Iterator, Mapping"),
    (r"Callable, Coroutine, Iterable", "Callable, Iterable"),
    (
        r"AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable",
        "Callable, Generator, Iterable, Iterator",
    ),
    (r"AsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAsync(Charges|Iterator|Operations|Reads)\b", r"\1"),
    (r"\b_async_", "_sync_"),
]


def text(name: str) -> str:
    """What src/scrip/_sync_{name}.py has to be."""
    made = (PACKAGE / f"_async_{name}.py").read_text()
    for pattern, replacement in CHANGES:
        made = re.sub(pattern, replacement, made)
    return made


if __name__ == "__main__":
    for name in NAMES:
        (PACKAGE / f"_sync_{name}.py").write_text(text(name))
