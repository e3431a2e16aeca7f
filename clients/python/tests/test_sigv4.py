"""Signatures for IAM, computed again from Amazon's description of Signature Version 4."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from urllib.parse import quote

import httpx
import pytest
from botocore.exceptions import NoCredentialsError
from botocore.session import Session

import scrip
from scrip.sigv4 import SigV4


def session() -> Session:
    made = Session()
    made.set_credentials("AKID", "secret", "token")
    return made


def expected(request: httpx.Request) -> str:
    """The signature of a request whose signed headers are host, x-amz-date and the token."""
    moment = request.headers["x-amz-date"]
    scope = f"{moment[:8]}/eu-central-1/execute-api/aws4_request"
    # Each part of the path is encoded twice for every service but S3.
    path = quote(request.url.raw_path.split(b"?")[0].decode(), safe="/~")
    query = "&".join(sorted(request.url.query.decode().split("&")))
    names = "host;x-amz-date;x-amz-security-token"
    canonical = "\n".join(
        [
            request.method,
            path,
            query,
            f"host:{request.url.netloc.decode()}",
            f"x-amz-date:{moment}",
            "x-amz-security-token:token",
            "",
            names,
            hashlib.sha256(request.content).hexdigest(),
        ]
    )
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = b"AWS4secret"
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    return f"AWS4-HMAC-SHA256 Credential=AKID/{scope}, SignedHeaders={names}, Signature={signature}"


def test_requests_are_signed_as_amazon_describes() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"entries": [], "next_cursor": None})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    url = "https://a1b2.execute-api.eu-central-1.amazonaws.com"
    client = scrip.Scrip(
        url, sign=SigV4("eu-central-1", session()), http=http, now=lambda: 1795802970.6
    )
    client.debit("auth0|64f0", "rich_text", 2)
    list(client.ledger("auth0|64f0", user="ada b", kind="debit"))
    assert len(seen) == 2
    for request in seen:
        assert request.headers["x-amz-date"] == "20261127T180930Z"
        assert request.headers["authorization"] == expected(request)


def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Session()
    monkeypatch.setattr(made, "get_credentials", lambda: None)
    with pytest.raises(NoCredentialsError):
        SigV4("eu-central-1", made)(httpx.Request("GET", "https://stack"), datetime.now())
