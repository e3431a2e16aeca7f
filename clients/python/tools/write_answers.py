#!/usr/bin/env python3
"""Writes src/scrip/answers.py: what services read, as openapi.yaml describes it.

The file is committed, so that the package is built without the contract. A test writes it again
and finds a difference: change openapi.yaml, then run this.
"""

from __future__ import annotations

import keyword
import textwrap
from pathlib import Path
from typing import Any

import yaml

PACKAGE = Path(__file__).parent.parent
CONTRACT = PACKAGE.parent.parent / "openapi.yaml"
ANSWERS_FILE = PACKAGE / "src" / "scrip" / "answers.py"

# The answers of a service's operations. All that they refer to is written, too.
ANSWERS = [
    "AccountBalance", "BatchReceipt", "BatchResults", "CaptureReceipt", "DebitReceipt",
    "ExtendReceipt", "HoldReceipt", "LimitReceipt", "Limits", "Listing", "Quote",
    "RefundReceipt", "ReleaseReceipt", "Session", "Usage",
]  # fmt: skip

HEAD = '''\
"""The answers of Scrip to a service, as openapi.yaml describes them.

Credits are decimal strings: `decimal.Decimal(receipt["credits"])` is exact. Times are RFC 3339 in
UTC. Written by tools/write_answers.py: do not edit.
"""

from __future__ import annotations

import sys
from typing import Literal, TypedDict

if sys.version_info >= (3, 11):
    from typing import NotRequired
else:
    from typing_extensions import NotRequired
'''


class Writer:
    """Writes each schema once, after those that it refers to."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas
        self.written: dict[str, str] = {}

    def named(self, name: str) -> str:
        """Writes the schema `name`, and returns its name."""
        if name not in self.written:
            text = self.definition(name, self.schemas[name])
            self.written[name] = text
        return name

    def definition(self, name: str, schema: dict[str, Any]) -> str:
        comment = textwrap.fill(" ".join(schema.get("description", "").split()), 96)
        if "properties" in schema:
            return self.record(name, schema, comment)
        alias = f"{name} = {self.type(name, schema)}"
        if len(alias) > 100 and "oneOf" in schema:
            lines = "\n    | ".join(self.type(name, part) for part in schema["oneOf"])
            alias = f"{name} = (\n    {lines}\n)"
        return textwrap.indent(comment, "# ") + "\n" * bool(comment) + alias

    def record(self, name: str, schema: dict[str, Any], comment: str) -> str:
        required = schema.get("required", ())
        fields = {
            field: (
                value if field in required else f"NotRequired[{value}]",
                " ".join(part.get("description", "").split()),
            )
            for field, part in schema["properties"].items()
            for value in [self.type(name, part)]
        }
        if any(keyword.iskeyword(field) for field in fields):
            # `from` can be no name in a class.
            lines = "".join(f'        "{key}": {value},\n' for key, (value, _) in fields.items())
            head = textwrap.indent(comment, "# ") + "\n" * bool(comment)
            return f'{head}{name} = TypedDict(\n    "{name}",\n    {{\n{lines}    }},\n)'
        text = f"class {name}(TypedDict):\n"
        if comment:
            comment = textwrap.fill(" ".join(comment.split()), 90)
            text += textwrap.indent(f'"""{comment}"""', "    ") + "\n\n"
        for field, (value, about) in fields.items():
            line = f"    {field}: {value}\n"
            if len(line) > 100:
                line = f"    {field}: (\n        {value}\n    )\n".replace(" | ", "\n        | ")
            text += line
            if about:
                text += textwrap.indent(f'"""{textwrap.fill(about, 90)}"""', "    ") + "\n"
        return text.rstrip()

    def type(self, name: str, schema: dict[str, Any]) -> str:
        """The type of `schema`, which stands in the schema `name`."""
        if "$ref" in schema:
            return self.named(schema["$ref"].rsplit("/", 1)[1])
        for options in (schema.get("oneOf"), schema.get("anyOf")):
            if options:
                parts = list(dict.fromkeys(self.type(f"{name}Value", part) for part in options))
                return parts[0] if len(parts) == 1 else " | ".join(parts)
        if "const" in schema:
            return literal([schema["const"]])
        if "enum" in schema:
            return literal(schema["enum"])
        kind = schema["type"]
        if isinstance(kind, list):
            return " | ".join(self.type(name, {"type": one}) for one in kind)
        if kind == "array":
            return f"list[{self.type(f'{name}Item', schema['items'])}]"
        if kind == "object" and "properties" in schema:
            self.written[name] = self.definition(name, schema)
            return name
        if kind == "object":
            return f"dict[str, {self.type(f'{name}Value', schema['additionalProperties'])}]"
        return {"string": "str", "integer": "int", "boolean": "bool", "null": "None"}[kind]


def literal(values: list[Any]) -> str:
    shown = ", ".join(f'"{value}"' if isinstance(value, str) else repr(value) for value in values)
    return f"Literal[{shown}]"


def text() -> str:
    """What src/scrip/answers.py has to be."""
    writer = Writer(yaml.safe_load(CONTRACT.read_text())["components"]["schemas"])
    for name in ANSWERS:
        writer.named(name)
    parts = [HEAD]
    for part in writer.written.values():
        lines = "\n\n" if "class " in parts[-1] + part or len(parts) == 1 else "\n"
        parts.append(f"{lines}{part}\n")
    return "".join(parts)


if __name__ == "__main__":
    ANSWERS_FILE.write_text(text())
