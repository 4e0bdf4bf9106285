"""Functions that Kubernetes adds to CEL, and those of CEL's own extensions that its rules use.

Values that CEL has no type for (quantities, addresses, ranges, URLs) are objects with one key that names the type.
`f(x, y)` and `x.f(y)` call the same function. `find` and `findAll` are left out: Python's `re` is no engine for other
people's patterns (see `patterns`). Source: k8s.io/apiserver `pkg/cel/library`;
github.com/google/cel-go `ext`.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from podwire.apiserver.base import formats
from podwire.apiserver.custom import formats as value_formats
from podwire.kube import quantities

if TYPE_CHECKING:
    from collections.abc import Callable

Tagged = dict[str, Any]


def _size(value: Any) -> int:
    return len(value)


def _present(value: Any) -> bool:
    return value is not None and (not hasattr(value, "has_value") or value.has_value())


def _value(value: Any) -> Any:
    return value.value() if hasattr(value, "has_value") else value


# lists


def _index_of(value: Any, part: Any, start: int = 0) -> int:
    if isinstance(value, str):
        return value.find(part, start)
    return value.index(part) if part in value else -1


def _last_index_of(value: Any, part: Any) -> int:
    if isinstance(value, str):
        return value.rfind(part)
    return max((place for place, item in enumerate(value) if item == part), default=-1)


def _reverse(value: Any) -> Any:
    return value[::-1]


# texts


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    cuts = limit - 1 if limit > 0 else -1
    if separator:
        return text.split(separator, cuts)
    return list(text) if limit < 0 else [*text[:cuts], text[cuts:]]


def _format(template: str, arguments: list[Any]) -> str:
    """`"%s is %d".format([a, b])`; the verbs s, d, f, e, x, X, o, b."""
    left = iter(arguments)
    return re.sub(r"%(%|(\.\d+)?([sdfexXob]))", lambda found: _formatted(found, left), template)


def _formatted(found: re.Match[str], left: Any) -> str:
    if found[1] == "%":
        return "%"
    value, verb = next(left), found[3]
    if verb == "s":
        return str(value).lower() if isinstance(value, bool) else str(value)
    return format(value, f"{found[2] or ''}{verb}")


# addresses


def _is_ip(text: Any) -> bool:
    return isinstance(text, str) and not formats.address(text)


def _ip(value: Any) -> Any:
    if isinstance(value, dict):
        return {"ip": str(_range(value).network_address)}
    return {"ip": str(_checked(formats.parse_address(value), "an IP address"))}


def _address(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(value["ip"] if isinstance(value, dict) else value)


def _is_cidr(text: Any) -> bool:
    return isinstance(text, str) and formats.parse_network(text) is not None


def _cidr(text: str) -> Tagged:
    _checked(formats.parse_network(text), "a CIDR")
    return {"cidr": text}


def _range(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(value["cidr"] if isinstance(value, dict) else value, strict=False)


def _contains_ip(outer: Tagged, inner: Any) -> bool:
    return _address(inner) in _range(outer)


def _contains_cidr(outer: Tagged, inner: Any) -> bool:
    wide, narrow = _range(outer), _range(inner)
    return wide.version == narrow.version and narrow.subnet_of(wide)  # type: ignore[arg-type]


def _family(value: Tagged) -> int:
    return (_address(value) if "ip" in value else _range(value)).version


# URLs


def _is_url(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _url(text: str) -> Tagged:
    if not _is_url(text):
        raise ValueError(f"{text!r} is no URL")
    return {"url": text}


def _part(choose: Callable[[SplitResult], Any]) -> Callable[[Tagged], Any]:
    return lambda url: choose(urlsplit(url["url"]))


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


# quantities


def _is_quantity(text: Any) -> bool:
    return isinstance(text, str) and quantities.parse(text) is not None


def _quantity(text: str) -> Tagged:
    return {"quantity": str(_checked(quantities.parse(text), "a quantity"))}


def _number(value: Any) -> Decimal:
    return Decimal(value["quantity"]) if isinstance(value, dict) else Decimal(value)


def _compare(value: Tagged, other: Any) -> int:
    left, right = _number(value), _number(other)
    return (left > right) - (left < right)


# formats of texts


def _named_format(name: str) -> Callable[..., str]:
    return lambda *_namespace: name


def _validate(name: str, text: str) -> list[str] | None:
    """None where the text has the format, else what is wrong."""
    return _FORMATS[name](text) or None


def _plain(name: str) -> Callable[[str], list[str]]:
    return lambda text: [] if value_formats.fits(name, text) else [f"invalid {name}"]


def _prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """The form of a generateName: a name with any end."""
    return lambda text: check(f"{text[:-1]}a" if text.endswith("-") else text)


_FORMATS: dict[str, Callable[[str], list[str]]] = {
    "dns1123Label": formats.dns_label,
    "dns1123Subdomain": formats.dns_subdomain,
    "dns1035Label": formats.dns_1035_label,
    "dns1123LabelPrefix": _prefix(formats.dns_label),
    "dns1123SubdomainPrefix": _prefix(formats.dns_subdomain),
    "dns1035LabelPrefix": _prefix(formats.dns_1035_label),
    "qualifiedName": formats.label_key,
    "labelValue": formats.label_value,
    "uri": _plain("uri"),
    "uuid": _plain("uuid"),
    "byte": _plain("byte"),
    "date": _plain("date"),
    "datetime": _plain("datetime"),
}


def _checked(value: Any, noun: str) -> Any:
    if value is None:
        raise ValueError(f"not {noun}")
    return value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size_of": _size,
    "has_value": _present,
    "value_of": _value,
    "or_value": lambda value, other: _value(value) if _present(value) else other,
    "sum": sum,
    "least": min,
    "greatest": max,
    "isSorted": lambda items: all(one <= other for one, other in itertools.pairwise(items)),
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "reverse": _reverse,
    "charAt": lambda text, place: text[place : place + 1],
    "join": lambda items, separator="": separator.join(items),
    "lowerAscii": lambda text: re.sub("[A-Z]+", lambda found: found[0].lower(), text),
    "upperAscii": lambda text: re.sub("[a-z]+", lambda found: found[0].upper(), text),
    "replace": lambda text, old, new, limit=-1: text.replace(old, new, limit),
    "split": _split,
    "substring": lambda text, start, end=None: text[start:end],
    "trim": lambda text: text.strip(),
    "format": _format,
    "isIP": _is_ip,
    "ip": _ip,
    "isCIDR": _is_cidr,
    "cidr": _cidr,
    "family": _family,
    "isUnspecified": lambda value: _address(value).is_unspecified,
    "isLoopback": lambda value: _address(value).is_loopback,
    "isLinkLocalUnicast": lambda value: _address(value).is_link_local,
    "isLinkLocalMulticast": lambda value: (
        "may not be in the link-local multicast range" in str(formats.special_address(value["ip"]))
    ),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "masked": lambda value: {"cidr": str(_range(value))},
    "prefixLength": lambda value: _range(value).prefixlen,
    "isURL": _is_url,
    "url": _url,
    "getScheme": _part(lambda parts: parts.scheme),
    "getHost": _part(_host),
    "getHostname": _part(lambda parts: parts.hostname or ""),
    "getPort": _part(lambda parts: str(parts.port or "")),
    "getEscapedPath": _part(lambda parts: parts.path),
    "getQuery": _part(lambda parts: parse_qs(parts.query, keep_blank_values=True)),
    "isQuantity": _is_quantity,
    "quantity": _quantity,
    "isLessThan": lambda value, other: _compare(value, other) < 0,
    "isGreaterThan": lambda value, other: _compare(value, other) > 0,
    "compareTo": _compare,
    "sign": lambda value: _compare(value, 0),
    "add": lambda value, other: {"quantity": str(_number(value) + _number(other))},
    "sub": lambda value, other: {"quantity": str(_number(value) - _number(other))},
    "isInteger": lambda value: _number(value) == int(_number(value)),
    "asInteger": lambda value: int(_number(value)),
    "asApproximateFloat": lambda value: float(_number(value)),
    "validate": _validate,
    **{name: _named_format(name) for name in _FORMATS},
}
