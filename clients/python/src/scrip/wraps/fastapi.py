"""A FastAPI dependency: OpenAI's client, whose calls the request's customer pays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from openai import AsyncOpenAI

from scrip._async_client import AsyncScrip
from scrip.errors import Refused
from scrip.wraps._call import Charges
from scrip.wraps.openai import AsyncChargedOpenAI


def charged_openai(
    client: AsyncOpenAI,
    credits: AsyncScrip,
    *,
    account: Callable[..., Any],
    user: Callable[..., Any] | None = None,
    charges: Charges | None = None,
) -> Callable[..., Awaitable[AsyncChargedOpenAI]]:
    """A dependency that is `client`, charged to the account and the user of the request.

    `account` and `user` are dependencies, too. The other terms are those of `charges`.
    """
    terms = charges or Charges()
    of_account, of_user = Depends(account), Depends(user or nobody)

    async def charged(account: str = of_account, user: str | None = of_user) -> AsyncChargedOpenAI:
        paid_by = replace(terms, account=account, user=user or terms.user)
        return AsyncChargedOpenAI(client, credits, paid_by)

    return charged


def answer_refusals(app: FastAPI) -> None:
    """Lets a call that is refused be answered as Scrip answered it, `application/problem+json`."""

    async def answer(_: Request, refused: Exception) -> JSONResponse:
        assert isinstance(refused, Refused)
        media_type = "application/problem+json"
        return JSONResponse(dict(refused.body), refused.status, media_type=media_type)

    app.add_exception_handler(Refused, answer)


async def nobody() -> None:
    """There is no user."""
