"""Charges that could not be sent, kept in a file until they are paid."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from pathlib import Path

from scrip import AsyncScrip, ScripError, Unpaid

logger = logging.getLogger("images")

EACH_S = 60


class UnpaidFile:
    """One charge a line. Use a table if more than one process runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, unpaid: Unpaid, error: BaseException) -> None:
        """Adds a charge that was not made because of `error`."""
        logger.error("%s is not paid yet: %s", unpaid.key, error)
        with self.path.open("a") as file:
            file.write(json.dumps(dataclasses.asdict(unpaid)) + "\n")

    async def pay_each_minute(self, credits: AsyncScrip) -> None:
        """Pays what is there, now and each minute."""
        while True:
            await self.pay(credits)
            await asyncio.sleep(EACH_S)

    async def pay(self, credits: AsyncScrip) -> None:
        """Pays what is there: each charge once, however often it is tried."""
        taken = self.path.with_suffix(".paying")
        # Charges that come meanwhile go to a new file. A file that is left is of one who stopped.
        if not taken.exists():
            if not self.path.exists():
                return
            self.path.rename(taken)
        for line in taken.read_text().splitlines():
            unpaid = Unpaid(**json.loads(line))
            try:
                await credits.pay(unpaid)
            except ScripError as error:
                self.keep(unpaid, error)
        taken.unlink()
