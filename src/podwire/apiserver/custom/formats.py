"""Formats of texts in schemas; an unknown one is not checked, as upstream.

Source: k8s.io/apiextensions-apiserver `pkg/apiserver/validation/formats.go`; k8s.io/kube-openapi `validation/strfmt`.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")

_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}")
_HOSTNAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*"
)
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def fits(form: str, text: str) -> bool:
    """Whether a text has the format of this name."""
    check = _CHECKS.get(form)
    return check is None or check(text)


def moment(text: str) -> datetime | None:
    """An RFC 3339 text as a moment; None where it is none."""
    return _parsed(datetime.fromisoformat, text) if _DATE_TIME.fullmatch(text) else None


def duration(text: str) -> timedelta | None:
    """A duration as Go writes it (1h30m, 1.5s); None where it is none."""
    bare = text[1:] if text[:1] in {"-", "+"} else text
    parts = _DURATION_PART.findall(bare)
    if bare != "0" and (not parts or "".join(number + unit for number, unit in parts) != bare):
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return _parsed(lambda value: timedelta(seconds=value), -seconds if text[:1] == "-" else seconds)


def _parsed(parse: Callable[[ArgumentT], ResultT], value: ArgumentT) -> ResultT | None:
    try:
        return parse(value)
    except (ValueError, OverflowError):
        return None


def _byte(text: str) -> bool:
    return _parsed(lambda value: binascii.a2b_base64(value, strict_mode=True), text) is not None


def _uri(text: str) -> bool:
    parts = _parsed(urlsplit, text)
    return parts is not None and bool(parts.scheme or text.startswith("/"))


_CHECKS: dict[str, Callable[[str], bool]] = {
    "byte": _byte,
    "cidr": lambda text: (
        "/" in text and _parsed(lambda value: ipaddress.ip_network(value, strict=False), text) is not None
    ),
    "date": lambda text: (
        re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None and _parsed(date.fromisoformat, text) is not None
    ),
    "date-time": lambda text: moment(text) is not None,
    "datetime": lambda text: moment(text) is not None,
    "duration": lambda text: duration(text) is not None,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "hostname": lambda text: _HOSTNAME.fullmatch(text) is not None,
    "ipv4": lambda text: _parsed(ipaddress.IPv4Address, text) is not None,
    "ipv6": lambda text: _parsed(ipaddress.IPv6Address, text) is not None,
    "mac": lambda text: _MAC.fullmatch(text) is not None,
    "uri": _uri,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
}
