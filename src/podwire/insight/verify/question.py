"""What the names of an expectation mean: both ends, aliases followed, URLs as the connection that they need. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from podwire.insight.connection import external_name
from podwire.insight.connection.question import Question as ConnectionQuestion
from podwire.insight.snapshot import names
from podwire.insight.snapshot.ends import End, EndError, EndKind, Port
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.verify.expectations import Expectation

SCHEMES = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""With their ports (RFC 9110, section 4.2, and RFC 6455, section 3)."""


class Question(msgspec.Struct, frozen=True):
    """Both ends of a connection, and the port of the destination; None for each that it declares."""

    client: End
    server: End
    port: int | str | None


def question(one: Expectation, snapshot: Snapshot) -> Question:
    """Return what an expectation means. Raises EndError."""
    client = names.resolve(one.source, snapshot, is_client=True)
    if "://" in one.destination:
        server, port = _of_url(one.destination, client, snapshot)
    else:
        server, port = names.resolve(one.destination, snapshot, is_client=False), one.port
    return _followed(client, server, port, one, snapshot)


def connected(text: str, port: int | str | None) -> tuple[str, int | str | None]:
    """Return the host and the port of a destination, of which the port of a URL is the URL's."""
    if "://" not in text:
        return text, port
    parts = urlsplit(text)
    return parts.hostname or "", parts.port or SCHEMES[parts.scheme.lower()]


def url_fault(text: str, port: object) -> str:
    """Return what is wrong with a URL as a destination; empty where nothing is."""
    try:
        parts = urlsplit(text)
        if parts.scheme.lower() not in SCHEMES or not parts.hostname or parts.port == 0:
            return f"a URL begins with {'://, '.join(SCHEMES)}:// and has a host"
    except ValueError as error:
        return str(error)
    return "the port is part of the URL: leave the field out" if port is not None else ""


def _of_url(text: str, client: End, snapshot: Snapshot) -> tuple[End, int | str | None]:
    """Return the end that the host of a URL means for a client's resolver, and the URL's port."""
    host, port = connected(text, None)
    end = names.resolve(host, snapshot, client.namespace, is_client=False)
    if end.kind is EndKind.HOST:
        raise EndError(
            f"{text}: the cluster's DNS has no {host}. A request through an Ingress or a Gateway is no connection to"
            f" what answers it: 'podwire trace url {text}' sends it"
        )
    is_name = end.kind is EndKind.SERVICE or (end.kind is EndKind.PODS and "." in host)
    if end.address is None and not is_name:
        raise EndError(f"{text}: {host} is no Service: its name has no address")
    return end, port


def _followed(client: End, server: End, port: int | str | None, one: Expectation, snapshot: Snapshot) -> Question:
    """Return the question with the target of an alias in place of an ExternalName Service."""
    if server.service is None or server.service.spec.type != external_name.EXTERNAL_NAME:
        return Question(client, server, port)
    before = ConnectionQuestion(client, server, Port(port, one.protocol) if port is not None else None)
    target = external_name.followed(before, snapshot)
    if target.question is None:
        found = target.findings[-1]
        raise EndError(f"{one.destination}: {found.text} {found.remedy}")
    end, meant = target.question.destination, target.question.port
    if end.kind is EndKind.HOST:
        raise EndError(
            f"{one.destination}: is an alias of {end.host}, a host outside of the cluster, which has no fixed address:"
            " write an IP address"
        )
    return Question(client, end, meant.port if meant is not None else None)
