"""The API server as one program reaches it: latency, clock, certificate, and what its account may do."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from podwire.component.permissions import RULES
from podwire.insight.doctor.node_facts import ApiFact, Expiry, Right
from podwire.kube.authentication import Authentication
from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import SERVICE_ACCOUNT, Credentials, CredentialsError
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct
from podwire.pki.validity import valid_until

TRIES = 3
WAIT_SECONDS = 5.0
REVIEWS_AT_ONCE = 8


class ReviewStatus(Struct, frozen=True):
    """The answer of the API server's authorizer."""

    allowed: bool = False


class Review(Object, frozen=True):
    """A SelfSubjectAccessReview."""

    status: ReviewStatus = ReviewStatus()


REVIEWS = Kind(
    "authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", Review, namespaced=False
)


async def reached(credentials: Credentials) -> ApiFact:
    """Connect and send a request, several times: the best time counts. Problems are in the result."""
    best: ApiFact | None = None
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                found = await _once(credentials)
        except (OSError, EOFError, asyncio.LimitOverrunError, CredentialsError, ValueError) as error:
            return ApiFact(credentials.server, str(error) or f"no answer within {WAIT_SECONDS:g} s")
        if best is None or found.milliseconds < best.milliseconds:
            best = found
    assert best is not None, "at least one try"
    return best


async def _once(credentials: Credentials) -> ApiFact:
    """One request on a connection of its own: its time is the server's and the way's, without the handshake."""
    url = urlsplit(credentials.server)
    secured = url.scheme == "https"
    authentication = Authentication(credentials)
    reader, writer = await asyncio.open_connection(
        url.hostname,
        url.port or (443 if secured else 80),
        ssl=authentication.context() if secured else None,
        server_hostname=(credentials.server_name or url.hostname) if secured else None,
    )
    try:
        headers = {"Host": url.netloc, "Connection": "close", **authentication.headers()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        started, wall = time.monotonic(), time.time()
        writer.write(f"GET /version HTTP/1.1\r\n{lines}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        took = time.monotonic() - started
        expires = _certificate_end(writer.get_extra_info("peercert"))
    finally:
        writer.close()
    return ApiFact(credentials.server, "", round(took * 1000, 1), clock_offset(head, wall + took / 2), expires)


def clock_offset(head: str, now: float) -> float | None:
    """Return this clock minus that of the response's Date header, which has whole seconds; None without one."""
    value = next((line[5:].strip() for line in head.split("\r\n") if line.lower().startswith("date:")), "")
    try:
        date = email.utils.parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
    difference = now - date
    return 0.0 if 0 <= difference <= 1 else round(difference - 1 if difference > 1 else difference, 1)


def _certificate_end(certificate: dict[str, Any] | None) -> float | None:
    text = (certificate or {}).get("notAfter")
    return None if text is None else float(ssl.cert_time_to_seconds(str(text)))


async def denied(client: Client, role: str) -> tuple[Right, ...]:
    """Return what this account may not do of what a role needs. Raises ApiError where rights cannot be reviewed."""
    places = asyncio.Semaphore(REVIEWS_AT_ONCE)

    async def allowed(group: str, resource: str, verb: str) -> bool:
        attributes = {"group": group, "resource": resource, "verb": verb}
        async with places:
            return (await client.create(REVIEWS, {"spec": {"resourceAttributes": attributes}})).status.allowed

    desired = list(_needs(role))
    results = await asyncio.gather(*(allowed(*one) for one in desired))
    return tuple(
        Right(verb, f"{resource}.{group}" if group else resource)
        for (group, resource, verb), result in zip(desired, results, strict=True)
        if not result
    )


def _needs(role: str) -> Iterator[tuple[str, str, str]]:
    for group, resources, verbs in RULES[role]:
        for resource in resources:
            for verb in verbs:
                yield group, resource, verb


def expiries(credentials: Credentials) -> Iterator[Expiry]:
    """Return when a token and a client certificate of these credentials expire."""
    if credentials.token_file:
        expires = token_end(Path(credentials.token_file).read_text())
        if expires is not None:
            renewed = Path(credentials.token_file).is_relative_to(SERVICE_ACCOUNT)
            yield Expiry("token of the agent's ServiceAccount" if renewed else "token", expires, renewed)
    if credentials.certificate_file:
        yield Expiry("client certificate", valid_until(Path(credentials.certificate_file).read_text()))


def token_end(token: str) -> float | None:
    """Return the `exp` of a JSON Web Token (RFC 7519); None for another token, or one without end."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return None


UNANSWERED = (ApiError, aiohttp.ClientError, TimeoutError, OSError, CredentialsError)
"""Errors by which rights cannot be reviewed."""
