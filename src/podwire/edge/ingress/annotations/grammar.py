"""Grammars of annotation values, all with bounds: each returns the value or raises `InvalidValueError`. Pure.

No value becomes a part of a configuration's text.

Source: kubernetes/ingress-nginx v1.15.1 `internal/ingress/annotations/parser/validators.go` and the packages beside it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from podwire.edge.gateway.tls_options import SUITES
from podwire.kube.meta import NamespacedName

LONGEST = 4096
"""Characters of a value."""
MOST_ENTRIES = 256
"""Entries of a list."""
_HOST_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9!#$&^_.+`|~'*-]{1,128}")
_PATH = re.compile(r"/[^\s\x00-\x20\x7f\"'<>\\^`{|}]*")
_SIZE = re.compile(r"([0-9]{1,12})([kKmMgG]?)")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_TIME = re.compile(r"([0-9]{1,9})(ms|s|m|h|d|w|M|y)")
_SECONDS = {
    "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "M": 30 * 86_400, "y": 365 * 86_400,
}  # fmt: skip
SUITES_NOTE = "of the list the suites with forward secrecy that Envoy knows, by name; none of them: its own"
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
REQUEST_URI = "$request_uri"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"))


class InvalidValueError(ValueError):
    """A value that its annotation's grammar does not have. The text is what is expected."""


class Location(msgspec.Struct, frozen=True):
    """A URL that requests are redirected to.

    Attributes:
        port: 0: the scheme's own.
        path: with its query; empty: none.
        keeps_uri: whether path and query of the request follow.

    """

    scheme: str
    hostname: str
    port: int = 0
    path: str = ""
    keeps_uri: bool = False


def boolean(text: str) -> bool:
    """Return a boolean as Go's strconv.ParseBool reads it."""
    if text not in _TRUE | _FALSE:
        raise InvalidValueError("true or false is expected")
    return text in _TRUE


def integer(least: int, most: int) -> Callable[[str], int]:
    """Return a grammar of whole numbers between two bounds, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,10}", text) or not least <= int(text) <= most:
            raise InvalidValueError(f"a whole number from {least} to {most} is expected")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """Return seconds: a number, whose unit `s` may be written."""
    return float(integer(0, 86_400 * 365)(text.removesuffix("s")))


def size(text: str) -> int:
    """Return bytes: a number with k, m, g or nothing."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise InvalidValueError("a size such as 8m, 512k or 0 is expected")
    return int(found[1]) * _UNITS[found[2].lower()]


def one_of(*values: str) -> Callable[[str], str]:
    """Return a grammar of these words, in any case."""

    def parse(text: str) -> str:
        found = next((one for one in values if one.lower() == text.lower()), None)
        if found is None:
            raise InvalidValueError(f"one of {', '.join(values)} is expected")
        return found

    return parse


def hostname(text: str) -> str:
    """Return a host name in lower case; no wildcard."""
    if len(text) > 253 or not _HOST.fullmatch(text):
        raise InvalidValueError("a host name is expected")
    return text.lower()


def hostnames(text: str) -> tuple[str, ...]:
    """Return host names, separated by commas."""
    return tuple(hostname(one) for one in words(text))


def words(text: str) -> tuple[str, ...]:
    """Return what commas separate, without spaces and empty parts. Raises InvalidValueError for too many."""
    found = tuple(filter(None, (one.strip() for one in text.split(","))))
    if len(found) > MOST_ENTRIES:
        raise InvalidValueError(f"at most {MOST_ENTRIES} entries are expected")
    return found


def networks(text: str) -> tuple[str, ...]:
    """Return ranges of addresses, separated by commas; an address is a range of one."""
    try:
        return tuple(str(ipaddress.ip_network(one, strict=False)) for one in words(text))
    except ValueError:
        raise InvalidValueError("addresses or ranges such as 10.0.0.0/8 are expected, separated by commas") from None


def token(text: str) -> str:
    """Return a name of a header or a cookie (RFC 9110, 5.6.2)."""
    if not _TOKEN.fullmatch(text):
        raise InvalidValueError("a name of letters, digits and -_. is expected")
    return text


def tokens(text: str) -> tuple[str, ...]:
    """Return names of headers, separated by commas."""
    return tuple(token(one) for one in words(text))


def methods(text: str) -> tuple[str, ...]:
    """Return HTTP methods, separated by commas, or `*`."""
    found = tuple(one.upper() for one in words(text))
    if not all(one == "*" or one in _METHODS for one in found):
        raise InvalidValueError("HTTP methods such as GET, POST are expected, separated by commas")
    return found


def path(text: str) -> str:
    """Return an absolute path."""
    if len(text) > LONGEST or not _PATH.fullmatch(text):
        raise InvalidValueError("a path that begins with / is expected, without spaces, quotes and braces")
    return text


def text_value(text: str) -> str:
    """Return a text that may be a header's value: no line ends, no other control characters."""
    if len(text) > LONGEST or re.search(r"[\x00-\x1f\x7f]", text):
        raise InvalidValueError("a text without line ends is expected")
    return text


def location(text: str) -> Location:
    """Return a URL of http or https, with `$request_uri` at its end or without; no other variable."""
    keeps_uri = text.endswith(REQUEST_URI)
    plain = text.removesuffix(REQUEST_URI)
    expected = f"a URL that begins with http:// or https:// is expected; {REQUEST_URI} may be at its end"
    if len(text) > LONGEST or re.search(r"[$\s\x00-\x1f\x7f\"'<>\\{}]", plain):
        raise InvalidValueError(expected)
    try:
        found = urlsplit(plain)
        port, host = found.port or 0, found.hostname or ""
    except ValueError:
        raise InvalidValueError(expected) from None
    if found.scheme not in {"http", "https"} or not host or found.username is not None:
        raise InvalidValueError(expected)
    query = f"?{found.query}" if found.query else ""
    if keeps_uri and query:
        raise InvalidValueError(f"{REQUEST_URI} cannot follow a query")
    tail = found.path.rstrip("/") if keeps_uri else found.path
    return Location(found.scheme, hostname(host), port, f"{tail}{query}", keeps_uri)


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    if not re.fullmatch(r"[01](\.[0-9]{1,6})?|\.[0-9]{1,6}", text) or float(text) > 1:
        raise InvalidValueError("a number from 0 to 1 is expected")
    return float(text)


def on_off(text: str) -> bool:
    """Return whether a text is `on`; `off` is the other one."""
    return one_of("on", "off")(text) == "on"


def only(grammar: Callable[[str], Any], value: object) -> Callable[[str], Any]:
    """Return a grammar of which one value is honoured."""

    def parse(text: str) -> Any:
        if grammar(text) != value:
            raise InvalidValueError(f"only {str(value).lower()} is honoured")
        return value

    return parse


def bounded_size(most: int) -> Callable[[str], int]:
    """Return a grammar of sizes up to some bytes."""

    def parse(text: str) -> int:
        if (found := size(text)) > most:
            raise InvalidValueError(f"at most {most} bytes are expected")
        return found

    return parse


def quoted_text(text: str) -> str:
    """Return a text that may be in quotation marks in a header."""
    if '"' in text or "\\" in text:
        raise InvalidValueError("a text without quotation marks and backslashes is expected")
    return text_value(text)


def cookie_domain(text: str) -> str:
    """Return a domain of cookies (RFC 6265, 5.2.3), with a dot at its beginning or without."""
    return ("." if text.startswith(".") else "") + hostname(text.removeprefix("."))


def statuses(text: str) -> tuple[int, ...]:
    """Return statuses of errors, separated by commas."""
    return tuple(integer(300, 599)(one) for one in words(text))


def durations(text: str) -> tuple[tuple[str, float], ...]:
    """Return seconds by status, as in `200 202 401 5m, 404 10s`; a time without statuses is that of `any`.

    Source: nginx, proxy_cache_valid.
    """
    found: dict[str, float] = {}
    for entry in words(text):
        parts = entry.split()
        codes = [one for one in parts if re.fullmatch(r"[0-9]{3}|any", one)]
        times = [_TIME.fullmatch(one) for one in parts[len(codes) :]]
        if not times or parts[: len(codes)] != codes or not all(times):
            raise InvalidValueError("statuses and times such as 200 202 401 5m are expected, separated by commas")
        length = sum(int(one[1]) * _SECONDS[one[2]] for one in times if one)
        found |= dict.fromkeys(codes or ("200", "301", "302"), length)
    return tuple(sorted(found.items()))


def tls_versions(text: str) -> tuple[str, ...]:
    """Return versions such as 1.2 from words such as TLSv1.2, the oldest first."""
    found = tuple(sorted(one_of("TLSv1.2", "TLSv1.3")(one).removeprefix("TLSv") for one in text.split()))
    if not found:
        raise InvalidValueError("TLSv1.2, TLSv1.3 or both are expected")
    return found


def cipher_suites(text: str) -> tuple[str, ...]:
    """Return those cipher suites of a list of OpenSSL that Envoy knows; none: its own."""
    if len(text) > LONGEST or not re.fullmatch(r"[A-Za-z0-9+:_!@=-]*", text):
        raise InvalidValueError("names of cipher suites are expected, separated by colons")
    return tuple(one for one in text.split(":") if one in SUITES)


def origins(text: str) -> tuple[str, ...]:
    """Return origins such as https://app.example.com, `*.` for one label or more, or `*` alone."""
    found = words(text)
    for one in found:
        scheme, _, host = one.rpartition("://")
        if one != "*":
            location(f"{scheme}://{host.removeprefix('*.')}")
    return found


def object_name(text: str) -> NamespacedName:
    """Return `name` or `namespace/name`; without a namespace it is empty."""
    namespace, _, name = text.rpartition("/")
    for one in filter(None, (namespace, name)):
        hostname(one)
    if not name:
        raise InvalidValueError("a name or namespace/name is expected")
    return NamespacedName(namespace, name)
