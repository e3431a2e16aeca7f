"""Client of Scrip: AI credits for a product's customers.

`AsyncScrip` and `Scrip` are the same client, with and without asyncio. Every operation happens
once, however often it is sent. Amounts are decimal strings.
"""

from scrip._async_client import AsyncScrip
from scrip._call import Credits, Debit, Mode
from scrip._charge import Unpaid, Work
from scrip._connection import OnUnreachable
from scrip._limits import LimitAsked, Per
from scrip._metered import Meters, UsageFormat, Used
from scrip._sync_client import Scrip
from scrip.errors import (
    OutcomeUnknown,
    Problem,
    Refused,
    ScripError,
    Unavailable,
)

__all__ = [
    "AsyncScrip",
    "Credits",
    "Debit",
    "LimitAsked",
    "Meters",
    "Mode",
    "OnUnreachable",
    "OutcomeUnknown",
    "Per",
    "Problem",
    "Refused",
    "Scrip",
    "ScripError",
    "Unavailable",
    "Unpaid",
    "UsageFormat",
    "Used",
    "Work",
]
