"""An endpoint that streams images, and charges for those that it delivered.

`uvicorn images.app:create --factory` serves it, for the stack of SCRIP_URL and SCRIP_KEY.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field
from scrip import AsyncScrip, Refused, Unavailable, Work

from images.model import FakeModel, Model
from images.refusals import shown
from images.unpaid import UnpaidFile

logger = logging.getLogger("images")

LONGEST_WAIT_S = 8
"""A customer waits no longer for Scrip."""


class Order(BaseModel):
    """What a customer asks for."""

    prompt: str = Field(min_length=1, max_length=1000)
    count: int = Field(default=1, ge=1, le=8)


@dataclass(frozen=True)
class Customer:
    """Who asks, and whose account pays."""

    user: str
    account: str


def sign_in(x_customer: Annotated[str, Header()]) -> Customer:
    """Who asks. Put your session here: this believes whatever the header says, `ada@acme`."""
    user, _, account = x_customer.rpartition("@")
    if not user or not account:
        raise HTTPException(401, "Who are you? Send X-Customer: ada@acme")
    return Customer(user, account)


def create() -> FastAPI:
    """The program, as the environment says."""
    unpaid = UnpaidFile(Path("unpaid.jsonl"))
    credits = AsyncScrip(
        os.environ["SCRIP_URL"],
        os.environ["SCRIP_KEY"],
        deadline_s=LONGEST_WAIT_S,
        on_unpaid=unpaid.keep,
    )
    return application(credits, FakeModel(), unpaid)


def application(credits: AsyncScrip, model: Model, unpaid: UnpaidFile) -> FastAPI:
    """The program, of its parts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        paying = asyncio.create_task(unpaid.pay_each_minute(credits))
        yield
        paying.cancel()
        # Waits for the charges of customers who went away.
        await credits.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/images")
    async def paint(order: Order, who: Annotated[Customer, Depends(sign_in)]) -> Response:
        async def images(work: Work) -> AsyncIterator[str]:
            count = 0
            async for image in model.paint(order.prompt, order.count):
                count += 1
                work.delivered(count)  # so far, in all
                yield json.dumps({"image": base64.b64encode(image).decode()}) + "\n"

        # Holds the credits for all images. A refusal is raised here, before the answer begins.
        stream = await credits.stream(
            who.account, "custom_image", order.count, work=images, user=who.user
        )
        return StreamingResponse(stream, media_type="application/x-ndjson")

    @app.exception_handler(Refused)
    async def refuse(request: Request, no: Refused) -> Response:
        status, body = shown(no)
        if status == 500:
            logger.error("Scrip refused what this program asked: %s", no)
        return JSONResponse(body, status)

    @app.exception_handler(Unavailable)
    async def apologize(request: Request, error: Unavailable) -> Response:
        logger.error("%s", error)
        message = "We cannot paint now. You were not charged. Please try again in a minute."
        return JSONResponse({"message": message}, 503)

    return app
