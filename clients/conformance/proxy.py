#!/usr/bin/env python3
"""A proxy on loopback that loses, breaks and delays what a client and a stack say to each other.

    proxy.py --stack http://127.0.0.1:3000

Prints its address and serves until its standard input ends, or `--for-s` seconds at most. Its
faults are set over HTTP at the same address:

    POST /_proxy/faults     {"faults": [{"on": "debits", "do": "lose_reply"}]}
                            replaces the faults and forgets the requests
    DELETE /_proxy/faults   lets every request through from now on
    GET  /_proxy/requests   {"open": 0, "requests": [{"method", "path", "on", "key",
                            "authorization", "body", "at_ms", "fault", "status"}]}: `open` counts
                            those not finished

`on` is the last word of a path: debits, batch, refund, holds, capture, release, extend, quotes,
balance, ledger, usage or sessions; or "*" for any. `nth` says which of these requests, from 1: a
number, a list, or "all"; 1 if it is left out. `do` is one of:

    lose_request    the stack never gets it, and the connection is closed
    late            the connection is closed at once; the stack gets the request `ms` later
    lose_reply      the stack answers, and the connection is closed instead
    cut_reply       half of the answer is sent, and the connection is closed
    answer          the stack never gets it; `status`, `headers` and `body` are the answer
    answer_after    the stack answers, and `status`, `headers` and `body` are sent instead
    slow            the stack's answer is sent `ms` later
    drip            the stack's answer is sent byte by byte, one in `ms`
"""

import argparse
import http.client
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

MAX_BODY = 1 << 20      # bytes; the API takes 64 KiB
MAX_REQUESTS = 10_000   # remembered; the oldest are kept
MAX_CONNECTIONS = 256   # of clients; more are closed
MAX_WAIT_MS = 60_000    # of `late`, `slow` and `drip`
STACK_TIMEOUT_S = 60

FAULTS = {"lose_request", "late", "lose_reply", "cut_reply", "answer", "answer_after", "slow", "drip"}
# These headers are about the connection, not the message.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Faults:
    """The faults to come, and the requests that came."""

    def __init__(self):
        self.lock = threading.Lock()
        self.replace([])

    def replace(self, faults):
        for fault in faults:
            if fault.get("do") not in FAULTS or not isinstance(fault.get("on"), str):
                raise ValueError(f"no such fault: {fault}")
        with self.lock:
            self.faults = faults
            self.counts = {}
            self.requests = []
            self.open = 0

    def clear(self):
        with self.lock:
            self.faults = []

    def began(self, request):
        """Remembers a request, and returns the fault that it meets, if any."""
        with self.lock:
            on = request["on"]
            self.counts[on] = self.counts.get(on, 0) + 1
            self.counts["*"] = self.counts.get("*", 0) + 1
            self.open += 1
            if len(self.requests) < MAX_REQUESTS:
                self.requests.append(request)
            for fault in self.faults:
                if fault["on"] in (on, "*") and self.is_due(fault):
                    request["fault"] = fault["do"]
                    return fault
        return None

    def is_due(self, fault):
        nth = fault.get("nth", 1)
        count = self.counts[fault["on"]]
        return nth == "all" or (count in nth if isinstance(nth, list) else count == nth)

    def ended(self, request):
        with self.lock:
            self.open -= 1

    def seen(self):
        with self.lock:
            return {"open": self.open, "requests": self.requests}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = STACK_TIMEOUT_S

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def do_PUT(self):
        self.serve()

    def do_DELETE(self):
        self.serve()

    def serve(self):
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY or "transfer-encoding" in self.headers:
            self.close_connection = True
            return self.reply(413, {}, b"{}")
        body = self.rfile.read(int(length))
        if self.path.startswith("/_proxy/"):
            return self.control(body)
        request = {
            "method": self.command,
            "path": self.path,
            "on": urlsplit(self.path).path.rsplit("/", 1)[-1],
            "key": self.headers.get("idempotency-key"),
            "authorization": self.headers.get("authorization"),
            "body": parsed(body),
            "at_ms": time.time_ns() // 1_000_000,
            "fault": None,
            "status": None,
        }
        faults = self.server.faults
        fault = faults.began(request)
        try:
            self.play(fault or {"do": None}, request, body)
        except (OSError, http.client.HTTPException):
            self.drop()     # the client or the stack has gone: no answer
        finally:
            faults.ended(request)

    def play(self, fault, request, body):
        do = fault["do"]
        wait_s = min(fault.get("ms", 0), MAX_WAIT_MS) / 1000
        if do == "answer":
            return self.reply_as(fault)
        if do in ("lose_request", "late"):
            self.drop()
            if do == "lose_request":
                return None
            time.sleep(wait_s)
        status, headers, answer = self.forward(body)
        request["status"] = status
        if do in ("late", "lose_reply"):
            return self.drop()
        if do == "answer_after":
            return self.reply_as(fault)
        if do == "slow":
            time.sleep(wait_s)
        drip_s = wait_s if do == "drip" else 0
        return self.reply(status, headers, answer, cut=do == "cut_reply", drip_s=drip_s)

    def forward(self, body):
        stack = http.client.HTTPConnection(self.server.stack, timeout=STACK_TIMEOUT_S)
        try:
            headers = {name: value for name, value in self.headers.items()
                       if name.lower() not in HOP_BY_HOP | {"host"}}
            stack.request(self.command, self.path, body=body, headers=headers)
            answer = stack.getresponse()
            headers = {name: value for name, value in answer.getheaders()
                       if name.lower() not in HOP_BY_HOP}
            return answer.status, headers, answer.read()
        finally:
            stack.close()

    def reply_as(self, fault):
        """Answers as the gateway does: with no body of the contract, if the fault has none."""
        body = json.dumps(fault.get("body", {"message": "Internal Server Error"})).encode()
        headers = {"content-type": "application/json", **fault.get("headers", {})}
        self.reply(fault.get("status", 500), headers, body)

    def reply(self, status, headers, body, cut=False, drip_s=0):
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        for byte in body if drip_s else b"":
            self.wfile.write(bytes([byte]))
            time.sleep(drip_s)
        if not drip_s:
            self.wfile.write(body[:len(body) // 2] if cut else body)
        if cut:
            self.drop()

    def drop(self):
        """Closes the connection, whatever the client waits for."""
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def control(self, body):
        try:
            if (self.command, self.path) == ("GET", "/_proxy/requests"):
                return self.answer(200, self.server.faults.seen())
            if (self.command, self.path) == ("POST", "/_proxy/faults"):
                self.server.faults.replace(json.loads(body)["faults"])
                return self.answer(200, {})
            if (self.command, self.path) == ("DELETE", "/_proxy/faults"):
                self.server.faults.clear()
                return self.answer(200, {})
            return self.answer(404, {"detail": "no such route"})
        except (ValueError, KeyError, TypeError) as error:
            return self.answer(400, {"detail": str(error)})

    def answer(self, status, value):
        self.reply(status, {"content-type": "application/json"}, json.dumps(value).encode())

    def log_message(self, *_):
        """Logs nothing: the requests are remembered."""


class Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, stack, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.stack = urlsplit(stack).netloc
        self.faults = Faults()
        self.connections = threading.BoundedSemaphore(MAX_CONNECTIONS)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def process_request(self, request, client_address):
        if self.connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release()

    def handle_error(self, request, client_address):
        """Says nothing: a client that closes its connection is what this is for."""


def parsed(body):
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def main():
    about = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    about.add_argument("--stack", default="http://127.0.0.1:3000", help="where requests go")
    about.add_argument("--port", type=int, default=0, help="where to listen; a free port if 0")
    about.add_argument("--for-s", type=float, default=600, help="ends after this time at most")
    options = about.parse_args()
    proxy = Proxy(options.stack, options.port)
    print(proxy.url, flush=True)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    # The program that started it holds its standard input, and may die.
    ended = threading.Thread(target=sys.stdin.read, daemon=True)
    ended.start()
    ended.join(options.for_s)


if __name__ == "__main__":
    main()
