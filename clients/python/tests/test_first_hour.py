"""docs/start/python.md, followed line by line in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT, running_stack

DOCUMENT = ROOT / "docs" / "start" / "python.md"


@dataclass
class Block:
    kind: str
    text: str
    file: str | None
    """Its name in the line before it: Write `first.py`."""


def blocks() -> list[Block]:
    # Text and code alternate.
    parts = DOCUMENT.read_text().split("```")
    found = []
    for before, code in zip(parts[::2], parts[1::2], strict=False):
        kind, text = code.split("\n", 1)
        name = re.search(r"Write\s`(\S+)`[^`]*$", before)
        found.append(Block(kind, text, name[1] if name else None))
    return found


def test_every_line_runs_in_an_empty_folder_and_prints_what_is_shown(tmp_path: Path) -> None:
    with running_stack() as (url, key):
        values = {"SCRIP": str(ROOT), "SCRIP_URL": url, "SCRIP_KEY": key}
        script, shown = ["set -euo pipefail"], []
        for block in blocks():
            if block.kind == "python":
                assert block.file is not None, block.text
                (tmp_path / block.file).write_text(block.text)
                script.append(f"cp {tmp_path / block.file} .")
            elif block.text == "cargo run\n":
                continue  # It runs.
            elif block.kind == "sh":
                commands = re.sub(
                    r"^((?:export )?(SCRIP\w*))=.*$",
                    lambda line: f"{line[1]}={values[line[2]]}",
                    block.text,
                    flags=re.MULTILINE,
                )
                script.append(commands)
            elif block.kind == "text":
                shown.append(block.text.replace("http://127.0.0.1:3000", url))
        played = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            # Of this process a newcomer's shell has the path alone.
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **pip_settings()},
            timeout=300,
        )
    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout == "".join(shown)
    assert len(shown) == 4


def pip_settings() -> dict[str, str]:
    """Where this machine's pip finds packages."""
    return {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}


def test_its_programs_are_typed(tmp_path: Path) -> None:
    programs = [block for block in blocks() if block.kind == "python"]
    for program in programs:
        (tmp_path / str(program.file)).write_text(program.text)
    mypy = [sys.executable, "-m", "mypy", "--strict", *(str(one.file) for one in programs)]
    checked = subprocess.run(mypy, capture_output=True, text=True, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
