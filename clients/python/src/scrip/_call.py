"""Operations as data: what is sent for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal, TypedDict
from urllib.parse import quote as percent_encode

from scrip._clock import Clock, ulid, ulid_time
from scrip._limits import LimitAsked
from scrip._metered import Meters, UsageFormat

Fields = Mapping[str, Any]

Credits = str | Decimal
"""An amount: `"1.5"` or `Decimal("1.5")`. A float is refused: 0.1 is not exactly a tenth."""

Mode = Literal["all_or_nothing", "each"]
"""Of a batch: if one debit cannot be made, none is; or each is answered as if sent alone."""


class Debit(TypedDict, total=False):
    """A debit of a batch: an action with its quantity, credits, or what a model used.

    `id` is its key. Without one, the client makes it.
    """

    id: str
    action: str
    quantity: int
    credits: Credits
    model: str
    meters: Meters
    usage: Mapping[str, Any]
    """In place of `meters`, with its `usage_format`."""
    usage_format: UsageFormat
    user: str
    reference: str
    subjects: Iterable[str]
    """What it counts for beside its user: `team:ops`."""
    limits: Iterable[LimitAsked]
    """Limits that it brings; it counts for what they are of, too."""


@dataclass(frozen=True)
class OperationKey:
    """The key of an operation, and whether the client made it and may make another."""

    text: str
    minted: bool


@dataclass(frozen=True)
class Call:
    """One request, as often as it is sent."""

    operation: str
    account: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[OperationKey, ...] = ()
    """One, or of a batch one for each debit; none if there is nothing that could happen twice."""

    def json(self) -> Mapping[str, Any] | None:
        if self.operation != "batch" or self.body is None:
            return self.body
        # Each debit brings its key as `id`, and the batch has none.
        keyed = zip(self.keys, self.body["debits"], strict=True)
        debits = [{"id": key.text, **debit} for key, debit in keyed]
        return {**self.body, "debits": debits}

    def headers(self) -> dict[str, str]:
        if self.operation == "batch" or not self.keys:
            return {}
        return {"idempotency-key": self.keys[0].text}

    @property
    def is_each(self) -> bool:
        """Whether each of its debits is answered by itself."""
        return self.operation == "batch" and (self.body or {}).get("mode") == "each"

    def only(self, places: list[int]) -> Call:
        """This call with the debits at these places alone."""
        if not self.is_each or self.body is None or len(places) == len(self.keys):
            return self
        body = {**self.body, "debits": [self.body["debits"][place] for place in places]}
        return replace(self, body=body, keys=tuple(self.keys[place] for place in places))

    def dated_at(self, minted: list[int]) -> float:
        """The earliest time in the keys at these places, which the client made."""
        return min(ulid_time(self.keys[place].text) for place in minted)

    def with_new_keys(self, clock: Clock, minted: list[int]) -> Call:
        """The same call with new keys at these places."""
        keys = (mint(clock) if place in minted else key for place, key in enumerate(self.keys))
        return replace(self, keys=tuple(keys))


Key = str | OperationKey | None
"""The caller's, one that was made before, or none yet."""


class Calls:
    """Makes the call of each operation."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def debit(self, account: str, key: Key, **fields: Any) -> Call:
        return self.change("debit", account, ["debits"], key, fields)

    def batch(self, account: str, debits: Iterable[Debit], mode: Mode) -> Call:
        lines: list[dict[str, Any]] = [{**debit} for debit in debits]
        keys = tuple(self.key(line.pop("id", None)) for line in lines)
        body = {"mode": mode, "debits": [given(line) for line in lines]}
        return Call("batch", account, "POST", path(account, "debits", "batch"), body, keys=keys)

    def hold(self, account: str, key: Key, **fields: Any) -> Call:
        return self.change("hold", account, ["holds"], key, fields)

    def capture(self, account: str, hold: str, key: Key, **fields: Any) -> Call:
        return self.change("capture", account, ["holds", hold, "capture"], key, fields)

    def release(self, account: str, hold: str, key: Key, **fields: Any) -> Call:
        return self.change("release", account, ["holds", hold, "release"], key, fields)

    def extend(self, account: str, hold: str, key: Key, **fields: Any) -> Call:
        return self.change("extend", account, ["holds", hold, "extend"], key, fields)

    def refund(self, account: str, debit: str, key: Key, **fields: Any) -> Call:
        return self.change("refund", account, ["debits", debit, "refund"], key, fields)

    def quote(self, account: str, **fields: Any) -> Call:
        return Call("quote", account, "POST", path(account, "quotes"), given(fields))

    def create_session(self, account: str, **fields: Any) -> Call:
        return Call("create_session", account, "POST", path(account, "sessions"), given(fields))

    def read(self, operation: str, account: str, query: Mapping[str, Any]) -> Call:
        texts = {name: str(value) for name, value in query.items() if value is not None}
        return Call(operation, account, "GET", path(account, operation), query=texts)

    def set_limit(
        self, account: str, subject: str, key: Key, at_most: Credits | None, per: str | None
    ) -> Call:
        # Null is an answer here: it removes the limit.
        body = {**given({"per": per}), "at_most": None if at_most is None else amount(at_most)}
        to, keys = path(account, "limits", subject), (self.key(key),)
        return Call("set_limit", account, "PUT", to, body, keys=keys)

    def change(
        self, operation: str, account: str, parts: list[str], key: Key, fields: Fields
    ) -> Call:
        keys = (self.key(key),)
        return Call(operation, account, "POST", path(account, *parts), given(fields), keys=keys)

    def key(self, key: Key) -> OperationKey:
        """The caller's key, or a new one."""
        if isinstance(key, OperationKey):
            return key
        return mint(self.clock) if key is None else OperationKey(key, minted=False)


def mint(clock: Clock) -> OperationKey:
    return OperationKey(ulid(clock.now()), minted=True)


def path(account: str, *parts: str) -> str:
    for part in (account, *parts):
        if part in ("", ".", ".."):
            # It would be another path.
            raise ValueError(f"{part!r} is no id")
    encoded = (percent_encode(part, safe="") for part in (account, *parts))
    return "/v1/accounts/" + "/".join(encoded)


def given(fields: Fields) -> dict[str, Any]:
    """The fields that were given: the contract refuses null, and amounts as numbers."""
    shown = {name: value for name, value in fields.items() if value is not None}
    if "credits" in shown:
        shown["credits"] = amount(shown["credits"])
    if "subjects" in shown:
        shown["subjects"] = list(shown["subjects"])
    if "limits" in shown:
        shown["limits"] = [
            {**limit, "at_most": amount(limit["at_most"])} for limit in shown["limits"]
        ]
    return shown


def amount(credits: Credits) -> str:
    """An amount as the contract writes it."""
    if isinstance(credits, Decimal):
        return format(credits, "f")
    if isinstance(credits, str):
        return credits
    raise TypeError(f"credits are a decimal string or a Decimal, not {type(credits).__name__}")
