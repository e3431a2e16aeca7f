"""What is published, and that the first example of the README runs."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
SOURCES = {path.name for path in (PACKAGE / "src" / "scrip").iterdir() if path.is_file()}
LARGEST_BYTES = 40_000


def test_the_wheel_has_the_package_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path)]
    built = subprocess.run([*build, str(PACKAGE)], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == {f"scrip/{name}" for name in SOURCES}
    assert "scrip/py.typed" in names
    assert wheel.stat().st_size < LARGEST_BYTES
    assert len(list(tmp_path.glob("*.tar.gz"))) == 1


def test_the_first_example_runs(stack: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    example = tmp_path / "example.py"
    example.write_text(blocks[0].replace("http://127.0.0.1:3000", stack))
    played = subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=60)
    assert played.returncode == 0, played.stderr
    assert re.fullmatch(r"3 images; [0-9.]+ credits left\n", played.stdout)


def test_the_first_example_is_typed(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    example = tmp_path / "example.py"
    example.write_text(blocks[0])
    mypy = [sys.executable, "-m", "mypy", "--strict", str(example)]
    played = subprocess.run(mypy, capture_output=True, text=True, cwd=tmp_path)
    assert played.returncode == 0, played.stdout
