#!/usr/bin/env python3
"""How long a function takes from its start to its first reply.

    tools/start_up.py BOOTSTRAP events/debit.json --runs 20

BOOTSTRAP is what `sam build` made, for this machine's architecture; the environment is handed on to
it, so it says where DynamoDB is (AWS_ENDPOINT_URL_DYNAMODB) and what the tables are called. This
script is the runtime API that Lambda would be: it starts the process, hands it one event, and stops
it when the reply is there. Each line is one start: until the function asked for work (its init,
with one read of the catalog over a connection that then stays open), until it had replied, and how
much processor time all of it took, which other work on the machine does not change.
"""

import argparse
import http.server
import os
import pathlib
import statistics
import subprocess
import threading
import time


LINE = "init {:.1f} ms, first reply {:.1f} ms, processor {:.1f} ms"


def main():
    options = argparse.ArgumentParser(description="From start to first reply.")
    options.add_argument("bootstrap", type=pathlib.Path)
    options.add_argument("event", type=pathlib.Path)
    options.add_argument("--runs", type=int, default=20)
    options = options.parse_args()
    print(f"{options.bootstrap.stat().st_size} bytes")
    event = options.event.read_bytes()
    runs = [start(options.bootstrap, event) for _ in range(options.runs)]
    for *times, _ in runs:
        print(LINE.format(*times))
    print(runs[-1][-1].decode()[:200])
    medians = [statistics.median(run[of] for run in runs) for of in range(3)]
    print("median:", LINE.format(*medians))


def start(bootstrap, event):
    """From a start to the first question, to the first reply, processor time, in ms; the reply."""
    with Server(("127.0.0.1", 0), Runtime) as api:
        api.event, api.asked, api.replied = event, None, threading.Event()
        threading.Thread(target=api.serve_forever, daemon=True).start()
        lambdas = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "measured",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        }
        begun = time.monotonic()
        quiet = {"stdout": subprocess.DEVNULL}
        running = subprocess.Popen([bootstrap], env={**os.environ, **lambdas}, **quiet)
        try:
            if not api.replied.wait(timeout=30):
                raise SystemExit("no reply within 30 s")
        finally:
            running.kill()
            _, _, used = os.wait4(running.pid, 0)
            api.shutdown()
        asked, replied = api.asked - begun, api.replied_at - begun
        times = (asked, replied, used.ru_utime + used.ru_stime)
        return *(1000 * seconds for seconds in times), api.reply


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Nothing: that the process is gone is how each start ends."""


class Runtime(http.server.BaseHTTPRequestHandler):
    """The runtime API: one event, one reply, and then nothing more to do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.asked is not None:
            return  # the next event never comes
        self.server.asked = time.monotonic()
        deadline = str(int(time.time() * 1000) + 15_000)
        arn = "arn:aws:lambda:us-east-1:000000000000:function:measured"
        head = {
            "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "Lambda-Runtime-Deadline-Ms": deadline,
            "Lambda-Runtime-Invoked-Function-Arn": arn,
        }
        self.answer(200, self.server.event, head)

    def do_POST(self):
        self.server.reply = self.rfile.read(int(self.headers["content-length"]))
        self.server.replied_at = time.monotonic()
        self.answer(202, b"", {})
        self.server.replied.set()

    def answer(self, status, body, head):
        self.send_response(status)
        for name, value in {**head, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: what is measured should not wait for a terminal."""


if __name__ == "__main__":
    main()
