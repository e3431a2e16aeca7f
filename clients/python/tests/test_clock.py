"""Keys and the time in them."""

from __future__ import annotations

import uuid

import httpx

from scrip._clock import ULID_DIGITS, Clock, ulid, ulid_time

NOW = 1795802970.602  # 2026-11-27T18:09:30.602Z
DATE = {"date": "Fri, 27 Nov 2026 18:09:30 GMT"}


def answer(headers: dict[str, str]) -> httpx.Response:
    return httpx.Response(200, headers=headers)


def test_a_key_is_a_ulid_of_its_time_with_the_bits_of_a_uuidv7() -> None:
    key = ulid(NOW)
    value = 0
    for digit in key:
        value = value * 32 + ULID_DIGITS.index(digit)
    bits = uuid.UUID(int=value)
    assert (len(key), bits.version, bits.variant) == (26, 7, uuid.RFC_4122)
    assert ulid_time(key) == NOW
    assert ulid(NOW) != key


def test_a_clock_that_agrees_to_the_second_is_left_alone() -> None:
    clock = Clock(lambda: NOW)
    clock.observe(answer(DATE), NOW)
    assert clock.now() == NOW


def test_a_wrong_clock_is_corrected_to_within_the_second() -> None:
    for wrong in (-600.0, 600.0):
        clock = Clock(lambda wrong=wrong: NOW + wrong)  # type: ignore[misc]
        clock.observe(answer(DATE), NOW + wrong)
        assert NOW - 1 <= clock.now() <= NOW + 1


def test_an_answer_that_took_long_corrects_no_more_than_it_can_tell() -> None:
    clock = Clock(lambda: NOW + 8)
    clock.observe(answer(DATE), NOW - 2)
    assert clock.offset_s == 0


def test_the_time_of_a_refused_key_is_exact() -> None:
    clock = Clock(lambda: NOW + 600)
    clock.take("2026-11-27T18:09:30.602Z", NOW + 600)
    assert abs(clock.now() - NOW) < 0.001


def test_an_answer_without_a_date_changes_nothing() -> None:
    clock = Clock(lambda: NOW)
    for headers in ({}, {"date": "yesterday"}):
        clock.observe(answer(headers), NOW)
    assert clock.now() == NOW
