"""What is published, and that the first example of the README runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = Path(__file__).parents[1]
SCRIP = PACKAGE / "src" / "scrip"
FILES = [*SCRIP.rglob("*.py"), SCRIP / "py.typed"]
SOURCES = {path.relative_to(SCRIP).as_posix() for path in FILES}

LICENSES = ["LICENSE-APACHE", "LICENSE-MIT"]
LARGEST_BYTES = 75_000

PRODUCT = """
from collections.abc import AsyncIterator
from scrip import Unpaid, Work

class Request:
    org: str
    user: str
    prompt: str

class Model:
    async def write(self, prompt: str) -> str: ...
    def stream(self, prompt: str) -> AsyncIterator[str]: ...

model: Model
async def paint(work: Work) -> list[str]: ...
async def store(unpaid: Unpaid, error: BaseException) -> None: ...
def stored() -> AsyncIterator[Unpaid]: ...
"""


def test_the_wheel_has_the_package_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path)]
    built = subprocess.run([*build, str(PACKAGE)], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == {f"scrip/{name}" for name in SOURCES}
    licenses = {name.rpartition("/")[2] for name in about if "/licenses/" in name}
    assert licenses == set(LICENSES)
    assert "scrip/py.typed" in names
    assert wheel.stat().st_size < LARGEST_BYTES
    # The wheel was built from the source distribution, as a packager builds it.
    [sources] = tmp_path.glob("*.tar.gz")
    with tarfile.open(sources) as files:
        packed = {name.partition("/")[2] for name in files.getnames()}
    ours = {f"src/scrip/{name}" for name in SOURCES} | {"README.md", "pyproject.toml", "PKG-INFO"}
    assert packed - {".gitignore"} == ours | set(LICENSES)
    assert sources.stat().st_size < LARGEST_BYTES


@pytest.mark.parametrize("name", LICENSES)
def test_its_licenses_are_those_of_the_repository(name: str) -> None:
    # A package has files of its own folder alone.
    assert (PACKAGE / name).read_bytes() == (ROOT / name).read_bytes()


def test_no_index_takes_it_before_it_is_published() -> None:
    assert '"Private :: Do Not Upload"' in (PACKAGE / "pyproject.toml").read_text()


BLOCKS = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)


def test_the_examples_are_typed(tmp_path: Path) -> None:
    # A product has these.
    (tmp_path / "product.pyi").write_text(PRODUCT)
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"example_{number}.py").write_text(block)
    examples = [f"example_{number}.py" for number in range(len(BLOCKS))]
    mypy = [sys.executable, "-m", "mypy", "--strict", "product.pyi", *examples]
    checked = subprocess.run(mypy, capture_output=True, text=True, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout


def test_the_first_example_runs(stack_and_key: tuple[str, str], tmp_path: Path) -> None:
    assert re.fullmatch(
        r"3 images; [0-9.]+ credits left\n", output(BLOCKS[0], stack_and_key, tmp_path)
    )


def test_the_example_of_all_operations_runs(stack_and_key: tuple[str, str], tmp_path: Path) -> None:
    [block] = [block for block in BLOCKS if "create_session" in block]
    shown = output(block, stack_and_key, tmp_path).splitlines()
    assert shown[:2] == ["charged 2", "insufficient_credits"]
    assert shown[2].startswith("2 ")


def test_the_example_of_tokens_runs(stack_and_key: tuple[str, str], tmp_path: Path) -> None:
    [block] = [block for block in BLOCKS if "cached_input" in block]
    assert output(block, stack_and_key, tmp_path) == "a gull\n1.4625 1.4625\n"


def test_the_example_of_limits_runs(stack_and_key: tuple[str, str], tmp_path: Path) -> None:
    [block] = [block for block in BLOCKS if "set_limit" in block]
    assert output(block, stack_and_key, tmp_path).splitlines() == [
        "run:7f has 2 of 5 left, per ever",
        "run:7f ever 3 None",
        "user:ada month 3 147",
    ]


def output(block: str, stack_and_key: tuple[str, str], folder: Path) -> str:
    """Runs an example, and returns what it prints."""
    example = folder / "example.py"
    example.write_text(block)
    played = subprocess.run(
        [sys.executable, example],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "SCRIP_URL": stack_and_key[0], "SCRIP_KEY": stack_and_key[1]},
    )
    assert played.returncode == 0, played.stderr
    return played.stdout
