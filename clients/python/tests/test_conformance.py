"""The suite that all clients play, by both clients of this package."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import LOCAL, ROOT


@pytest.mark.parametrize("options", [[], ["--sync"]], ids=["asynchronous", "synchronous"])
def test_every_case_passes(options: list[str]) -> None:
    clients = ROOT / "clients"
    suite = [sys.executable, str(clients / "conformance" / "run.py"), "--local", LOCAL]
    driver = [sys.executable, str(clients / "python" / "conformance" / "driver.py"), *options]
    played = subprocess.run([*suite, "--", *driver], capture_output=True, text=True, timeout=300)
    assert played.returncode == 0, played.stdout + played.stderr
