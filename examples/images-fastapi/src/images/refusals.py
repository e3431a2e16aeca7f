"""What a customer sees when Scrip says no."""

from __future__ import annotations

from typing import Any

from scrip import Refused


def shown(no: Refused) -> tuple[int, dict[str, Any]]:
    """The status and the body of the answer: 500 if the mistake is not the customer's."""
    match no.code:
        case "insufficient_credits":
            message = f"This needs {no.required} credits, and you have {no.available}."
            if no.recharges_at is not None:
                message += f" New ones come on {no.recharges_at[:10]}."
            return 402, {"message": message, "top_up_url": no.top_up_url}
        case "limit_reached":
            message = f"This needs {no.required} credits; {no.left} of your {no.at_most} are left."
            if no.resets_at is not None:
                message += f" They come back on {no.resets_at[:10]}."
            return 402, {"message": message}
        case "debt_outstanding":
            message = f"A payment was taken back: you owe {no.debt} credits."
            return 402, {"message": message, "top_up_url": no.top_up_url}
        case "plan_required":
            return 403, {"message": "Your plan has no images."}
        case "account_frozen":
            return 403, {"message": "Your account is frozen. Please write to us."}
        case "too_many_holds":
            message = "Too many images are being painted for you. Please try again in a minute."
            return 429, {"message": message, "retry_at": no.retry_at}
        case _:
            # The service key is wrong, say, or the account was never opened.
            return 500, {"message": "We made a mistake. You were not charged."}
