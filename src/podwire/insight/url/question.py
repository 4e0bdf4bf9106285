"""The request that is explained or sent, as a user writes it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from podwire.edge.model.choice import Request
from podwire.edge.model.filters import Header
from podwire.edge.model.paths import normalised

PORTS = {"http": 80, "https": 443}
OUTSIDE = "outside"


class QuestionError(Exception):
    """The arguments do not make a request. The text names the argument and what to write."""


class Question(msgspec.Struct, frozen=True):
    """A request for a URL.

    Attributes:
        url: as it was written, with its scheme.
        host: in lower case, without a dot at its end; an IPv6 address without brackets.
        request: what the proxy matches: its host is that of a Host header, where one is given.
        raw_path: the path before the proxy normalised it.
        client: `outside`, NAMESPACE/POD or NAMESPACE/WORKLOAD, or an IP address.
        gateway: NAMESPACE/NAME; empty: whichever serves the host.

    """

    url: str
    scheme: str
    host: str
    port: int
    request: Request
    raw_path: str
    client: str = OUTSIDE
    gateway: str = ""

    @property
    def is_address(self) -> bool:
        """Whether the URL has an IP address in place of a name."""
        return is_address(self.host)

    @property
    def query(self) -> str:
        """Return the query as it is sent, without its question mark."""
        return "&".join(f"{name}={value}" if value else name for name, value in self.request.query)

    @property
    def is_default_port(self) -> bool:
        """Whether a Host header has no port."""
        return self.port == PORTS[self.scheme]

    @property
    def is_tls(self) -> bool:
        """Whether the connection begins with a TLS handshake."""
        return self.scheme == "https"

    @property
    def server_name(self) -> str:
        """Return the SNI that a client sends: none for an address (RFC 6066, 3)."""
        return "" if self.is_address or not self.is_tls else self.host


def question(url: str, client: str = OUTSIDE, method: str = "GET", headers: Iterable[str] = ()) -> Question:
    """Return the question. Headers are texts of the form `Name: value`. Raises QuestionError."""
    given = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError as error:
        raise QuestionError(f"URL {url}: {error}") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise QuestionError(f"URL {url}: write http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]")
    if client != OUTSIDE and "/" not in client and not is_address(client):
        raise QuestionError(f"--from {client}: write outside, NAMESPACE/POD, NAMESPACE/WORKLOAD or an IP address")
    fields = tuple(_header(one) for one in headers)
    named = next((one.value for one in fields if one.name.lower() == "host"), parts.hostname)
    path = parts.path or "/"
    request = Request(
        host=_host(named), path=normalised(path), method=method.upper(), query=_query(parts.query),
        headers=tuple(one for one in fields if one.name.lower() != "host"),
    )  # fmt: skip
    return Question(given, parts.scheme, parts.hostname.rstrip("."), port or PORTS[parts.scheme], request, path, client)


def is_address(text: str) -> bool:
    """Whether the text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _header(text: str) -> Header:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise QuestionError(f"--header {text}: write 'Name: value'")
    return Header(name.strip(), value.strip())


def _host(text: str) -> str:
    """Return a Host header's name without its port."""
    if text.startswith("["):
        return text[1:].partition("]")[0].lower()
    name = text if is_address(text) else text.partition(":")[0]
    return name.lower().rstrip(".")


def _query(text: str) -> tuple[tuple[str, str], ...]:
    """Return names and values as they are sent: Envoy does not decode them."""
    pairs = (one.partition("=") for one in text.split("&") if one)
    return tuple((name, value) for name, _, value in pairs)
