"""The operations of the asynchronous client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, cast, overload

from scrip._async_reads import AsyncReads
from scrip._call import Call, Credits, Debit, Mode, OperationKey
from scrip._charge import Unpaid, alternatives, captured, may_begin, may_debit, readable, spent
from scrip._connection import OnUnreachable
from scrip._limits import LimitAsked, Per
from scrip._metered import Meters, UsageFormat
from scrip.answers import (
    BatchReceipt,
    BatchResults,
    CaptureReceipt,
    DebitReceipt,
    ExtendReceipt,
    HoldReceipt,
    LimitReceipt,
    RefundReceipt,
    ReleaseReceipt,
)
from scrip.errors import OutcomeUnknown, Refused, Unavailable


class AsyncOperations(AsyncReads):
    """What a client can ask of a stack. How it asks is the client's."""

    _on_unpaid: Callable[[Unpaid, BaseException], Any] | None
    _spawn: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]  # asyncio alone

    def within(self, deadline_s: float) -> AsyncOperations:
        """This client with another deadline, and without coalescing: `credits.within(2)`."""
        raise NotImplementedError

    async def _debit(self, call: Call) -> Any:
        """Sends a debit, perhaps with others."""
        raise NotImplementedError

    async def _hand_over(self, unpaid: Unpaid, error: BaseException) -> None:
        """Hands to `on_unpaid` what is not paid, because of `error`."""
        raise NotImplementedError

    def _check(self, on_unreachable: OnUnreachable, is_stream: bool = False) -> None:
        """Refuses "allow" and streams where nobody keeps what is unpaid."""
        if (is_stream or on_unreachable == "allow") and self._on_unpaid is None:
            what = "a stream" if is_stream else 'on_unreachable="allow"'
            raise TypeError(f"{what} needs on_unpaid, which keeps what is unpaid")

    @overload
    async def debit(
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
        reference: str | None = None,
        subjects: Iterable[str] | None = None,
        limits: Iterable[LimitAsked] | None = None,
        key: str | None = None,
        on_unreachable: Literal["refuse"] = "refuse",
    ) -> DebitReceipt: ...

    @overload
    async def debit(
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
        reference: str | None = None,
        subjects: Iterable[str] | None = None,
        limits: Iterable[LimitAsked] | None = None,
        key: str | None = None,
        on_unreachable: OnUnreachable,
    ) -> DebitReceipt | None: ...

    async def debit(
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
        reference: str | None = None,
        subjects: Iterable[str] | None = None,
        limits: Iterable[LimitAsked] | None = None,
        key: str | None = None,
        on_unreachable: OnUnreachable = "refuse",
    ) -> DebitReceipt | None:
        """Charges an action, `credits`, or what a model used: by `meters`, or by the `usage` that
        its provider told. None if it was handed to `on_unpaid` instead.
        """
        self._check(on_unreachable)
        call = self._calls.debit(
            account,
            key,
            action=action,
            quantity=quantity,
            credits=credits,
            model=model,
            meters=meters,
            usage=usage,
            usage_format=usage_format,
            user=user,
            reference=reference,
            subjects=subjects,
            limits=limits,
        )
        try:
            return cast(DebitReceipt, await self._debit(call))
        except OutcomeUnknown as error:
            if not may_begin(on_unreachable, error):
                raise
            unpaid = Unpaid(error.key, account, **dict(call.body or {}))
            await self._hand_over(unpaid, error)
            return None

    async def pay(self, unpaid: Unpaid) -> CaptureReceipt | DebitReceipt:
        """Pays what was not confirmed: once, however often, whatever became of it."""
        return await self._pay(unpaid, self._calls.key(unpaid.key))

    async def _pay(self, unpaid: Unpaid, key: OperationKey) -> CaptureReceipt | DebitReceipt:
        try:
            return await self._settle(unpaid, key)
        except Refused as refused:
            instead = readable(unpaid, refused)
            if instead is None:
                raise
            return await self._settle(instead, key)

    async def _settle(self, unpaid: Unpaid, key: OperationKey) -> CaptureReceipt | DebitReceipt:
        account = unpaid.account
        if unpaid.hold is not None:
            call = self._calls.capture(account, unpaid.hold, key, **captured(unpaid))
            try:
                return cast(CaptureReceipt, await self._run(call))
            except Refused as refused:
                if not may_debit(refused):
                    raise
        fields = unpaid.fields() if unpaid.most is None else await self._lesser(unpaid)
        return cast(DebitReceipt, await self._run(self._calls.debit(account, key, **fields)))

    async def _lesser(self, unpaid: Unpaid) -> dict[str, Any]:
        """The fields of its debit, or of `most` if that is less, as a hold caps it."""
        used, most = alternatives(unpaid)
        try:
            price = await self.quote(unpaid.account, **spent(used))
            cap = await self.quote(unpaid.account, **spent(most))
        except Unavailable as error:
            keys = [unpaid.key]
            raise OutcomeUnknown("debit", unpaid.account, error.tries, error.cause, keys) from error
        return most if Decimal(price["credits"]) > Decimal(cap["credits"]) else used

    @overload
    async def batch(
        self,
        account: str,
        debits: Iterable[Debit],
        *,
        mode: Literal["all_or_nothing"] = "all_or_nothing",
    ) -> BatchReceipt: ...

    @overload
    async def batch(
        self, account: str, debits: Iterable[Debit], *, mode: Literal["each"]
    ) -> BatchResults: ...

    async def batch(
        self, account: str, debits: Iterable[Debit], *, mode: Mode = "all_or_nothing"
    ) -> BatchReceipt | BatchResults:
        """Makes up to 24 debits: all of them or none, or `each` as if it were sent alone.

        Of mode `each` the answer has a result for each debit, in their order: its receipt, or the
        problem that refused it.
        """
        call = self._calls.batch(account, debits, mode)
        return cast("BatchReceipt | BatchResults", await self._run(call))

    async def hold(
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
        reference: str | None = None,
        subjects: Iterable[str] | None = None,
        limits: Iterable[LimitAsked] | None = None,
        expires_in_s: int | None = None,
        key: str | None = None,
    ) -> HoldReceipt:
        """Sets credits aside. `capture` or `release` it before it lapses, in 5 minutes."""
        call = self._calls.hold(
            account,
            key,
            action=action,
            quantity=quantity,
            credits=credits,
            model=model,
            meters=meters,
            usage=usage,
            usage_format=usage_format,
            user=user,
            reference=reference,
            subjects=subjects,
            limits=limits,
            expires_in_s=expires_in_s,
        )
        return cast(HoldReceipt, await self._run(call))

    async def capture(
        self,
        account: str,
        hold: str,
        *,
        quantity: int | None = None,
        credits: Credits | None = None,
        meters: Meters | None = None,
        usage: Mapping[str, Any] | None = None,
        usage_format: UsageFormat | None = None,
        beyond: bool | None = None,
        final: bool | None = None,
        user: str | None = None,
        reference: str | None = None,
        key: str | None = None,
    ) -> CaptureReceipt:
        """Charges a hold, or a part of it. The rest goes back, unless `final=False`.

        With `beyond=True` more than the rest of it may be asked for: all of that is charged if the
        account has it; if not, what is held, and the receipt has the rest as `uncharged`.
        """
        call = self._calls.capture(
            account,
            hold,
            key,
            quantity=quantity,
            credits=credits,
            meters=meters,
            usage=usage,
            usage_format=usage_format,
            beyond=beyond,
            final=final,
            user=user,
            reference=reference,
        )
        return cast(CaptureReceipt, await self._run(call))

    async def release(
        self,
        account: str,
        hold: str,
        *,
        user: str | None = None,
        reference: str | None = None,
        key: str | None = None,
    ) -> ReleaseReceipt:
        """Gives all of a hold back."""
        call = self._calls.release(account, hold, key, user=user, reference=reference)
        return cast(ReleaseReceipt, await self._run(call))

    async def extend(
        self,
        account: str,
        hold: str,
        expires_in_s: int,
        *,
        user: str | None = None,
        reference: str | None = None,
        key: str | None = None,
    ) -> ExtendReceipt:
        """Keeps a hold for `expires_in_s` from now, if it does not live longer already."""
        call = self._calls.extend(
            account, hold, key, expires_in_s=expires_in_s, user=user, reference=reference
        )
        return cast(ExtendReceipt, await self._run(call))

    async def refund(
        self,
        account: str,
        debit: str,
        credits: Credits,
        reason: str,
        *,
        message: str | None = None,
        reference: str | None = None,
        key: str | None = None,
    ) -> RefundReceipt:
        """Gives back what a debit or a capture charged, or a part. Customers read `message`."""
        call = self._calls.refund(
            account,
            debit,
            key,
            credits=credits,
            reason=reason,
            message=message,
            reference=reference,
        )
        return cast(RefundReceipt, await self._run(call))

    async def set_limit(
        self,
        account: str,
        subject: str,
        at_most: Credits | None,
        *,
        per: Per | None = None,
        key: str | None = None,
    ) -> LimitReceipt:
        """Sets a limit of the account's own, or removes it by None. It takes the place of the
        plan's, and is one for `ever` if there is no `per`.
        """
        call = self._calls.set_limit(account, subject, key, at_most, per)
        return cast(LimitReceipt, await self._run(call))
