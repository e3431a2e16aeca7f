"""What the synchronous client can read, and the sessions that it makes.

Written by tools/write_sync.py: do not edit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast

from scrip._call import Call, Calls, Credits
from scrip._limits import LimitAsked
from scrip._metered import Meters, UsageFormat
from scrip.answers import AccountBalance, Entry, Limits, Quote, Session, Usage


class Reads:
    """What changes no balance. How it is asked for is the client's."""

    _calls: Calls

    def _run(self, call: Call) -> Any:
        """Sends a call until its outcome is known."""
        raise NotImplementedError

    def quote(
        self,
        account: str,
        action: str | None = None,
        quantity: int | None = None,
        *,
        credits: Credits | None = None,
        model: str | None = None,
        meters: Meters | None = None,
        usage: Mapping[str, Any] | None = None,
        usage_format: UsageFormat | None = None,
        user: str | None = None,
        subjects: Iterable[str] | None = None,
        limits: Iterable[LimitAsked] | None = None,
    ) -> Quote:
        """The price of a debit, and whether it would pass now: also by the limits of its user, of
        `subjects`, and of `limits`.
        """
        call = self._calls.quote(
            account,
            action=action,
            quantity=quantity,
            credits=credits,
            model=model,
            meters=meters,
            usage=usage,
            usage_format=usage_format,
            user=user,
            subjects=subjects,
            limits=limits,
        )
        return cast(Quote, self._run(call))

    def balance(self, account: str) -> AccountBalance:
        """What is available and held, the grants, and the next recharge."""
        return cast(AccountBalance, self._run(self._calls.read("balance", account, {})))

    def limits(self, account: str) -> Limits:
        """The limits in the windows that run now, with what is used and left of each."""
        return cast(Limits, self._run(self._calls.read("limits", account, {})))

    def usage(
        self, account: str, *, from_: str | None = None, to: str | None = None
    ) -> Usage:
        """What was consumed on each day from `from_` to before `to`: `"2026-11-22"`, UTC."""
        query = {"from": from_, "to": to}
        return cast(Usage, self._run(self._calls.read("usage", account, query)))

    def ledger(
        self,
        account: str,
        *,
        kind: str | None = None,
        action: str | None = None,
        user: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """Every entry, the latest first; `limit` entries are read at once."""
        query = {"kind": kind, "action": action, "user": user, "from": from_, "to": to}
        cursor: str | None = None
        while True:
            page = {**query, "limit": limit, "cursor": cursor}
            listing = self._run(self._calls.read("ledger", account, page))
            for entry in listing["entries"]:
                yield entry
            cursor = listing["next_cursor"]
            if cursor is None:
                return

    def create_session(
        self,
        account: str,
        subject: str,
        return_url: str,
        *,
        scopes: Iterable[Literal["view", "buy", "limits"]] | None = None,
        locale: str | None = None,
        currency: str | None = None,
        expires_in_s: int | None = None,
    ) -> Session:
        """A session for a customer's browser: a link that works once, and a token."""
        call = self._calls.create_session(
            account,
            subject=subject,
            return_url=return_url,
            scopes=None if scopes is None else list(scopes),
            locale=locale,
            currency=currency,
            expires_in_s=expires_in_s,
        )
        return cast(Session, self._run(call))
