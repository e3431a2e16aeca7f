"""Signs requests for IAM. Needs botocore: `pip install scrip-client[sigv4]`."""

from __future__ import annotations

from datetime import datetime

import httpx
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError
from botocore.session import Session, get_session

ADDED = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")


class AuthAt(SigV4Auth):
    """Signs with a given time: botocore itself takes the local clock's."""

    at: datetime

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self.at.strftime(SIGV4_TIMESTAMP)
        super()._modify_request_before_signing(request)  # type: ignore[misc]


class SigV4:
    """Signs with the credentials of a botocore session, by default those of the environment.

    `AsyncScrip(url, sign=SigV4("eu-central-1"))`. IAM refuses a signature whose time is more than 5
    minutes wrong: with a wrong local clock, the first request.
    """

    def __init__(
        self, region: str, session: Session | None = None, service: str = "execute-api"
    ) -> None:
        self.region = region
        self.service = service
        self.session = session or get_session()

    def __call__(self, request: httpx.Request, at: datetime) -> None:
        credentials = self.session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        # Of the headers the host alone is signed: a proxy on the way may change others.
        signed = AWSRequest(method=request.method, url=str(request.url), data=request.content)
        auth = AuthAt(credentials.get_frozen_credentials(), self.service, self.region)
        auth.at = at
        auth.add_auth(signed)
        for name in ADDED:
            if name in signed.headers:
                request.headers[name] = signed.headers[name]
