"""When a request is sent again, under which key, and what ends it."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from scrip import OutcomeUnknown, Refused, Unavailable
from scrip._attempts import Limits, Reply, Send, Wait, attempts
from scrip._call import Call, Calls
from scrip._clock import Clock

LIMITS = Limits(timeout_s=10, deadline_s=20)


class Trial:
    """A call that gets these replies, one after the other; its waits take no time."""

    def __init__(self, call: Call, clock: Clock | None = None) -> None:
        self.steps = attempts(call, clock or Clock(), LIMITS)
        self.keys: list[str] = []
        self.waits: list[float] = []
        self.next: Send | Wait = next(self.steps)

    def reply(self, reply: Reply) -> Any:
        assert isinstance(self.next, Send)
        self.keys.append(self.next.call.keys[0].text if self.next.call.keys else "")
        try:
            self.next = self.steps.send(reply)
            if isinstance(self.next, Wait):
                self.waits.append(self.next.seconds)
                self.next = self.steps.send(None)
            return None
        except StopIteration as end:
            return end.value


def debit(key: str | None = None) -> Call:
    return Calls(Clock()).debit("acme", key, credits="1")


def problem(status: int, code: str, **fields: Any) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": "-", **fields})


def key_ahead(ahead_s: float) -> httpx.Response:
    """The answer of a stack whose clock is so far behind."""
    at = time.time() - ahead_s
    shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + ".000Z"
    return problem(400, "key_ahead", server_time=shown)


LOST = httpx.ReadError("lost")
NO_CREDITS = problem(402, "insufficient_credits", shortfall="1")
RECEIPT = httpx.Response(201, json={"id": "an id"})


def test_the_same_key_is_sent_until_there_is_an_answer() -> None:
    trial = Trial(debit())
    for reply in (LOST, problem(503, "outcome_unknown"), httpx.Response(429, json={})):
        assert trial.reply(reply) is None
    assert trial.reply(RECEIPT) == {"id": "an id"}
    assert len(set(trial.keys)) == 1 and len(trial.keys) == 4


def test_a_success_that_is_no_object_is_no_answer() -> None:
    trial = Trial(debit())
    for reply in (httpx.Response(201, text='{"id'), httpx.Response(201, json="<html>")):
        assert trial.reply(reply) is None
    assert trial.reply(RECEIPT) == {"id": "an id"}


def test_a_wait_is_as_long_as_the_stack_asks() -> None:
    trial = Trial(debit())
    trial.reply(httpx.Response(503, headers={"retry-after": "7"}))
    assert trial.waits == [7.0]


def test_a_refusal_is_final() -> None:
    with pytest.raises(Refused) as no:
        Trial(debit()).reply(NO_CREDITS)
    assert (no.value.code, no.value.shortfall) == ("insufficient_credits", "1")


@pytest.mark.parametrize("earlier", [httpx.ConnectError("no route"), httpx.Response(429)])
def test_a_refusal_is_final_after_a_try_that_did_not_reach_the_stack(earlier: Reply) -> None:
    trial = Trial(debit())
    trial.reply(earlier)
    with pytest.raises(Refused):
        trial.reply(NO_CREDITS)


def test_a_refusal_after_a_lost_answer_is_asked_for_again_when_no_copy_lives() -> None:
    trial = Trial(debit())
    trial.reply(LOST)
    assert trial.reply(NO_CREDITS) is None
    assert 4.5 < trial.waits[1] <= 5
    assert trial.reply(RECEIPT) == {"id": "an id"}


@pytest.mark.parametrize(
    "refusal", [problem(422, "operation_reused"), problem(400, "invalid_request")]
)
def test_a_refusal_that_every_copy_meets_is_final_at_once(refusal: httpx.Response) -> None:
    trial = Trial(debit())
    trial.reply(LOST)
    with pytest.raises(Refused):
        trial.reply(refusal)


def test_a_key_that_is_ahead_is_replaced_once() -> None:
    trial = Trial(debit())
    trial.reply(key_ahead(600))
    with pytest.raises(Refused, match="key_ahead"):
        trial.reply(key_ahead(600))
    assert len(set(trial.keys)) == 2


def test_a_key_of_the_caller_is_never_replaced() -> None:
    with pytest.raises(Refused, match="key_ahead"):
        Trial(debit("job-1")).reply(key_ahead(600))


def test_a_lost_key_is_replaced_only_if_it_is_far_ahead() -> None:
    near, far = Trial(debit()), Trial(debit())
    for trial, ahead_s in ((near, 60), (far, 600)):
        trial.reply(LOST)
        trial.reply(key_ahead(ahead_s))
        trial.reply(RECEIPT)
    assert len(set(near.keys)) == 1
    assert len(set(far.keys)) == 2


def test_a_lost_key_of_the_caller_is_sent_until_its_time_comes() -> None:
    trial = Trial(debit("job-1"))
    trial.reply(LOST)
    assert trial.reply(key_ahead(600)) is None
    assert trial.reply(RECEIPT) == {"id": "an id"}


def test_a_batch_replaces_the_keys_that_the_client_made() -> None:
    call = Calls(Clock()).batch(
        "acme", [{"credits": "1"}, {"credits": "2", "id": "b"}], "all_or_nothing"
    )
    trial = Trial(call)
    trial.reply(key_ahead(600))
    assert isinstance(trial.next, Send)
    before, after = call.keys, trial.next.call.keys
    assert before[0] != after[0] and before[1] == after[1]
    body = trial.next.call.json()
    assert body is not None
    assert [line["id"] for line in body["debits"]] == [after[0].text, "b"]


def each(*results: Reply) -> httpx.Response:
    """The answer of a batch of mode `each`."""
    shown = [
        {"status": 201, "replayed": False, "receipt": one.json()}
        if one.is_success
        else {"status": one.status_code, "problem": one.json()}
        for one in results
        if isinstance(one, httpx.Response)
    ]
    return httpx.Response(200, json={"account": "acme", "results": shown})


def batch() -> Call:
    return Calls(Clock()).batch("acme", [{"credits": "1"}, {"credits": "2", "id": "b"}], "each")


def sent(trial: Trial) -> list[str]:
    """The keys of the debits that are sent next."""
    assert isinstance(trial.next, Send)
    body = trial.next.call.json()
    assert body is not None
    return [debit["id"] for debit in body["debits"]]


def test_of_mode_each_a_key_that_is_ahead_is_replaced_in_its_place_alone() -> None:
    trial = Trial(batch())
    [first, second] = sent(trial)
    assert trial.reply(each(key_ahead(600), NO_CREDITS)) is None
    [replaced] = sent(trial)
    assert replaced not in (first, second)
    results = trial.reply(each(RECEIPT))["results"]
    # The refusal is the one that was final.
    assert [result["status"] for result in results] == [201, 402]


def test_of_mode_each_what_is_not_final_is_asked_for_again_alone() -> None:
    trial = Trial(batch())
    trial.reply(LOST)
    assert trial.reply(each(RECEIPT, NO_CREDITS)) is None
    assert sent(trial) == ["b"]
    assert 4.5 < trial.waits[-1] <= 5
    results = trial.reply(each(RECEIPT))["results"]
    assert [result["status"] for result in results] == [201, 201]


def test_of_mode_each_a_refusal_of_the_whole_is_final() -> None:
    with pytest.raises(Refused, match="account_not_found"):
        Trial(batch()).reply(problem(404, "account_not_found"))


def test_past_the_deadline_the_error_has_the_key() -> None:
    trial = Trial(debit("job-1"))
    with pytest.raises(OutcomeUnknown, match=r"NOT known.*job-1") as unknown:
        trial.reply(httpx.Response(503, headers={"retry-after": "30"}))
    assert unknown.value.key == "job-1"
    assert isinstance(unknown.value, Unavailable)


def test_a_read_without_an_answer_is_unavailable() -> None:
    trial = Trial(Calls(Clock()).read("balance", "acme", {}))
    with pytest.raises(Unavailable) as none:
        trial.reply(httpx.Response(503, headers={"retry-after": "30"}))
    assert not isinstance(none.value, OutcomeUnknown)


def test_a_request_that_is_wrong_in_itself_is_not_sent_again() -> None:
    with pytest.raises(httpx.LocalProtocolError):
        Trial(debit()).reply(httpx.LocalProtocolError("an illegal header"))
