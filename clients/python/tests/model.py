"""A model on loopback that speaks as OpenAI's, and a stand-in for a Scrip that knows its meters."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from scrip import AsyncScrip, Scrip, Unpaid

MODEL = "gpt-5-mini"
"""A model of the default rate table."""
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 3,
    "total_tokens": 1003,
    "prompt_tokens_details": {"cached_tokens": 990},
}
RESPONSES_USAGE = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}
WORDS = ["a ", "gull ", "flies"]


class Model(ThreadingHTTPServer):
    """Tells the usage of a stream at the `end`, in the `middle` or `never`; first it fails."""

    def __init__(
        self,
        usage: str,
        failures: int,
        hangs_after: int | None,
        first: list[dict[str, Any]],
        tells: dict[str, Any],
        breaks: bool,
    ) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.first = first
        self.tells = tells
        self.breaks = breaks
        self.usage = usage
        self.failures = failures
        self.hangs_after = hangs_after
        self.asked: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.ends = threading.Event()

    def parts(self, path: str) -> Iterator[dict[str, Any]]:
        if path.endswith("/responses"):
            for place, delta in enumerate(WORDS):
                kind = "response.output_text.delta"
                yield {"type": kind, "delta": delta, "sequence_number": place}
            if self.usage == "end":
                yield {"type": "response.completed", "response": {"usage": RESPONSES_USAGE}}
            return
        yield from self.first
        for place, word in enumerate(WORDS):
            if place == self.hangs_after and self.breaks:
                raise ConnectionError
            if place == self.hangs_after:
                self.ends.wait(5)
                return
            # As of vLLM with `continuous_usage_stats`: so far, in all.
            so_far = {**USAGE, "completion_tokens": place + 1, "total_tokens": 1001 + place}
            yield {
                "choices": [{"index": 0, "delta": {"content": word}}],
                "usage": so_far if self.usage == "middle" else None,
            }
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        if self.usage == "end":
            yield {"choices": [], "usage": self.tells}


class Answer(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        if len(self.server.asked) <= self.server.failures:
            self.reply(500, "application/json", b"{}")
        elif body.get("stream"):
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            # A body that ends before its length is one that breaks.
            if self.server.breaks:
                self.send_header("content-length", "100000")
            self.end_headers()
            head = {"id": "chat-1", "created": 1, "model": body["model"]}
            with contextlib.suppress(OSError):  # The reader has left.
                for part in self.server.parts(self.path):
                    event = f"event: {part['type']}\n" if "type" in part else ""
                    text = json.dumps({**head, "object": "chat.completion.chunk", **part})
                    self.wfile.write(f"{event}data: {text}\n\n".encode())
                self.wfile.write(b"data: [DONE]\n\n")
        else:
            message = {"role": "assistant", "content": "".join(WORDS)}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            whole = {"id": "chat-1", "created": 1, "model": body["model"], "choices": choices}
            text = json.dumps({**whole, "object": "chat.completion", "usage": USAGE})
            self.reply(200, "application/json", text.encode())

    def reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("retry-after-ms", "1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def running_model(
    usage: str = "end",
    failures: int = 0,
    hangs_after: int | None = None,
    first: list[dict[str, Any]] | None = None,
    tells: dict[str, Any] = USAGE,
    breaks: bool = False,
) -> Iterator[Model]:
    with Model(usage, failures, hangs_after, first or [], tells, breaks) as model:
        threading.Thread(target=model.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            yield model
        finally:
            model.ends.set()
            model.shutdown()


def price(sent: dict[str, Any]) -> float:
    """Credits in all, at 10 for a token of output, 1 of input and 0.1 of cached input."""
    usage, meters = sent.get("usage"), sent.get("meters", {})
    if usage is None:
        return float(meters["input"] + meters["output"] * 10)
    if "input_tokens" in usage:
        return float(usage["input_tokens"] + usage["output_tokens"] * 10)
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return float(usage["prompt_tokens"] - cached + cached / 10 + usage["completion_tokens"] * 10)


class StandIn:
    """Keeps what is held and charged: each key once, and never more than is held."""

    def __init__(self) -> None:
        self.holds: list[dict[str, Any]] = []
        self.captures: list[dict[str, Any]] = []
        self.unpaid: list[Unpaid] = []
        self.released = 0
        self.charged = 0.0
        self.lost = 0
        """So many answers to captures are lost."""
        self.is_away = False
        """No capture is answered."""
        self.is_blind = False
        self.lapses = False
        """Every hold lapses before it is captured."""
        self.uncharged: str | None = None
        self.debits: list[dict[str, Any]] = []
        """It cannot read any usage object."""
        self.refusal: dict[str, Any] | None = None
        """Of every hold."""
        self.answers: dict[str, dict[str, Any]] = {}
        transport = httpx.MockTransport(self.answer)
        self.http = httpx.Client(transport=transport)
        self.async_http = httpx.AsyncClient(transport=transport)

    def credits(self) -> Scrip:
        return Scrip("http://stack", http=self.http, deadline_s=0.5, on_unpaid=self.keep)

    def async_credits(self) -> AsyncScrip:
        return AsyncScrip("http://stack", http=self.async_http, deadline_s=0.5, on_unpaid=self.keep)

    def keep(self, unpaid: Unpaid, error: BaseException) -> None:
        self.unpaid.append(unpaid)

    def answer(self, request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)
        what, *of = request.url.path.split("/")[4:]
        if what == "quotes":
            return httpx.Response(200, json={"credits": str(price(sent))})
        key = request.headers["idempotency-key"]
        is_capture = of[1:] == ["capture"]
        if is_capture and self.is_away:
            return httpx.Response(503)
        if is_capture and self.lapses:
            return httpx.Response(409, json={"code": "hold_ended", "ended": "lapsed"})
        if is_capture and self.is_blind and "usage" in sent:
            return httpx.Response(400, json={"code": "invalid_request", "detail": "unreadable"})
        if what == "holds" and not of and self.refusal:
            return httpx.Response(402, json=self.refusal)
        if key not in self.answers:
            self.answers[key] = {"id": str(len(self.holds))}
            if what == "debits":
                self.debits.append(sent)
            elif is_capture:
                if self.uncharged is not None:
                    self.answers[key]["uncharged"] = self.uncharged
                self.captures.append(sent)
                self.charged += min(price(sent), price(self.holds[int(of[0])]))
            elif of[1:] == ["release"]:
                self.released += 1
            elif what == "holds" and not of:
                self.holds.append(sent)
        if is_capture and self.lost > 0:
            self.lost -= 1
            return httpx.Response(503)
        return httpx.Response(201, json=self.answers[key])

    def wait(self) -> None:
        """Until every hold is settled."""
        until = time.monotonic() + 2
        while len(self.captures) + self.released < len(self.holds):
            assert time.monotonic() < until, "a hold is not settled"
            time.sleep(0.005)
