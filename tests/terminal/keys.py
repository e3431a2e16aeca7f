#!/usr/bin/env python3
"""Plays the local stack and the demo at a terminal: keys.py PROGRAM FOLDER

PROGRAM is `local`; its tables are kept in FOLDER. Fails with what was on the screen.
"""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request

PATIENCE = 60
# All that the program finds: nothing is opened in a browser, wherever this runs.
TOOLS = tempfile.TemporaryDirectory()
for tool in ("stty", "ps"):
    if path := shutil.which(tool):
        os.symlink(path, os.path.join(TOOLS.name, tool))


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, *command):
        self.ours, self.theirs = pty.openpty()
        self.before = termios.tcgetattr(self.theirs)
        self.screen = ""
        unset = ("RUST_LOG", "SCRIP_ADDR", "STRIPE_SECRET_KEY", "DYNAMODB_ENDPOINT_URL")
        env = {name: value for name, value in os.environ.items() if name not in unset}
        env |= {"TERM": "xterm", "PATH": TOOLS.name}
        self.process = subprocess.Popen(
            command, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs, env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(self.theirs, termios.TIOCSCTTY, 0),
        )

    def press(self, keys):
        os.write(self.ours, keys.encode())

    def read(self, wait_s):
        if select.select([self.ours], [], [], wait_s)[0]:
            self.screen += os.read(self.ours, 65536).decode(errors="replace")

    def expect(self, pattern):
        """Waits until the screen shows it; forgets what came before."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.screen)):
            assert time.monotonic() < until, f"no {pattern!r} in:\n{self.screen}"
            self.read(0.1)
        self.screen = self.screen[found.end():]
        return found

    def expect_end(self):
        until = time.monotonic() + PATIENCE
        while (code := self.process.poll()) is None:
            assert time.monotonic() < until, f"it goes on:\n{self.screen}"
            self.read(0.1)
        self.read(0)
        assert code == 0, f"exit code {code}:\n{self.screen}"
        assert termios.tcgetattr(self.theirs) == self.before, "the terminal is another than before"
        os.close(self.ours)
        os.close(self.theirs)


def ask(base, path, body=None, key=None):
    headers = {"idempotency-key": key} if key else {}
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(base + path, data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def stack(program, folder):
    stack = Terminal(program, "--addr", "127.0.0.1:0", "--data", folder)
    base = stack.expect(r"Start here\S*\s+(?:\x1b\[[0-9;]*m)*(http://[0-9.:]+)/").group(1)
    stack.expect("quit")
    return stack, base


def main(program, folder):
    one, base = stack(program, folder)
    video = {"action": "dynamic_video", "quantity": 1}
    ask(base, "/v1/accounts/acme/debits", video, "job")
    one.expect(r"-1 credit -> 2499")
    one.press("m")
    monday = one.expect(r"It is Monday, (\S+) 00:00 UTC").group(1)
    now = ask(base, "/_local/clock")["now"]
    assert now.startswith(f"{monday}T00:00"), now
    one.press("o")
    one.expect(r"Open " + re.escape(base) + "/")
    one.press("r")
    one.expect(r"y/n")
    one.press("x")
    one.expect("Nothing was changed")
    one.press("r")
    one.expect(r"y/n")
    one.press("y")
    base = one.expect(r"Start here\S*\s+(?:\x1b\[[0-9;]*m)*(http://[0-9.:]+)/").group(1)
    one.expect("quit")
    balance = ask(base, "/v1/accounts/acme/balance")
    assert (balance["available"], balance["seq"]) == ("2500", 1), balance
    assert ask(base, "/_local/clock")["now"] < f"{monday}T00:00", "the clock begins anew"
    # The same key is new: its first receipt is gone with everything.
    assert ask(base, "/v1/accounts/acme/debits", video, "job")["seq"] == 2
    one.press("q")
    one.expect_end()

    # What came after the reset is kept.
    two, base = stack(program, folder)
    assert ask(base, "/v1/accounts/acme/balance")["available"] == "2499"
    # A warning is for a person. It needs a folder that is gone for a moment.
    os.rename(folder, f"{folder}-away")
    two.press("m")
    two.expect("WARN the clock's offset could not be saved")
    os.rename(f"{folder}-away", folder)
    two.press("\x03")
    two.expect_end()

    three, _ = stack(program, folder)
    three.process.send_signal(signal.SIGTERM)
    three.expect_end()

    demo = Terminal(program, "demo")
    for number in range(1, 8):
        demo.expect(f"{number}/7")
        demo.press(" ")
        if number == 3:
            demo.expect(r"\d+ passed, \d+ refused, 0 credits off")
    demo.expect("audit: 1 account, 0 differences")
    demo.expect_end()

    demo = Terminal(program, "demo")
    demo.expect("1/7")
    demo.press("q")
    demo.expect_end()
    assert "2/7" not in demo.screen, demo.screen
    print("keys, Ctrl-C, kill and the demo: as they must")


if __name__ == "__main__":
    main(*sys.argv[1:])
