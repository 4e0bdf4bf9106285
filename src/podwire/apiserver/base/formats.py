"""The formats of texts and numbers that many kinds share. Each check answers what is wrong, in upstream's words.

Source: k8s.io/apimachinery `api/validate/content`, `util/validation`, RFC 1035, RFC 1123, RFC 6335.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IMMUTABLE = "field is immutable"

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_SEARCH_LABEL = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH_PATH = rf"{_SEARCH_LABEL}(\.{_SEARCH_LABEL})*"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_KEY = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = rf"({_KEY})?"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_SEARCH_PATH_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    "start and end with an alphanumeric character"
)
_KEY_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)
_CONFIG_KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_VARIABLE_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"

_NOT_AN_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NOT_A_RANGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_LINK_LOCAL_MULTICAST = IPv4Network("224.0.0.0/24")


def dns_label(value: str) -> list[str]:
    """One label of a DNS name (RFC 1123)."""
    wrong = _too_long(value, 63)
    if not re.fullmatch(_LABEL, value):
        dotted = re.fullmatch(_SUBDOMAIN, value)
        wrong.append("must not contain dots" if dotted else _form(_LABEL_TEXT, _LABEL, "my-name", "123-abc"))
    return wrong


def dns_subdomain(value: str) -> list[str]:
    """A DNS name (RFC 1123)."""
    wrong = _too_long(value, 253)
    if not re.fullmatch(_SUBDOMAIN, value):
        wrong.append(_form(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return wrong


def dns_1035_label(value: str) -> list[str]:
    """One label of a DNS name that starts with a letter (RFC 1035): names of Services."""
    wrong = _too_long(value, 63)
    if not re.fullmatch(_LABEL_1035, value):
        wrong.append(_form(_LABEL_1035_TEXT, _LABEL_1035, "my-name", "abc-123"))
    return wrong


def wildcard_subdomain(value: str) -> list[str]:
    """A DNS name whose first label is `*` (RFC 1034, 4.3.3)."""
    wrong = _too_long(value, 253)
    if not re.fullmatch(_WILDCARD, value):
        wrong.append(_form(_WILDCARD_TEXT, _WILDCARD, "*.example.com"))
    return wrong


def path_segment(value: str) -> list[str]:
    """A name that only has to fit into a path: names of RBAC's kinds."""
    wrong = [f"may not be '{value}'"] if value in {".", ".."} else []
    return wrong + [f"may not contain '{mark}'" for mark in "/%" if mark in value]


def domain_prefixed_path(value: str) -> list[str]:
    """A name such as `example.com/name`, whose second part may have more slashes."""
    domain, _, path = value.partition("/")
    if not domain or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    return dns_subdomain(domain)


@functools.lru_cache(maxsize=1024)
def _label_key(value: str) -> tuple[str, ...]:
    wrong: list[str] = []
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        rule = _form(_KEY_TEXT, _KEY, "MyName", "my.name", "123-abc")
        return (f"a valid label key {rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    if slash and not prefix:
        wrong.append("prefix part must be non-empty")
    elif slash:
        wrong += [f"prefix part {text}" for text in dns_subdomain(prefix)]
    if not name:
        wrong.append("name part must be non-empty")
    wrong += [f"name part {text}" for text in _too_long(name, 63)]
    if not re.fullmatch(_KEY, name):
        wrong.append(f"name part {_form(_KEY_TEXT, _KEY, 'MyName', 'my.name', '123-abc')}")
    return tuple(wrong)


def label_key(value: str) -> list[str]:
    """A label's key, also called a qualified name: `name` or `example.com/name`."""
    return list(_label_key(value))


def label_value(value: str) -> list[str]:
    """A label's value."""
    wrong = _too_long(value, 63)
    if not re.fullmatch(_VALUE, value):
        wrong.append(_form(_VALUE_TEXT, _VALUE, "MyValue", "my_value", "12345"))
    return wrong


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret: it can become the name of a file."""
    wrong = _too_long(value, 253)
    if not re.fullmatch(_CONFIG_KEY, value):
        wrong.append(_form(_CONFIG_KEY_TEXT, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value in {".", ".."}:
        wrong.append(f"must not be '{value}'")
    elif value.startswith(".."):
        wrong.append("must not start with '..'")
    return wrong


def variable_name(value: str) -> list[str]:
    """The name of an environment variable."""
    if not value:
        return ["environment variable name must be non-empty"]
    printable = all(" " <= character <= "~" and character != "=" for character in value)
    return [] if printable else [_VARIABLE_TEXT]


def port_number(value: int) -> list[str]:
    """A port from 1 to 65535."""
    return in_range(value, 1, 65535)


def port_name(value: str) -> list[str]:
    """A port's name (RFC 6335 service name, lower case)."""
    wrong = _too_long(value, 15)
    if not re.fullmatch(r"[-a-z0-9]+", value):
        wrong.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in value:
        wrong.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        wrong.append("must not begin or end with a hyphen")
    return wrong


def port(value: int | str) -> list[str]:
    """A port's number or name."""
    return port_name(value) if isinstance(value, str) else port_number(value)


def search_path(value: str) -> list[str]:
    """A domain to search in: the root, or a DNS name in which underscores are allowed."""
    if value == ".":
        return []
    name = value.removesuffix(".")
    wrong = _too_long(name, 253)
    if not re.fullmatch(_SEARCH_PATH, name):
        wrong.append(_form(_SEARCH_PATH_TEXT, _SEARCH_PATH, "example.com"))
    return wrong


def no_backsteps(value: str) -> list[str]:
    """A path that does not lead upwards."""
    return ["must not contain '..'"] if ".." in value.split("/") else []


def descending_path(value: str) -> list[str]:
    """A relative path that does not lead upwards."""
    return [*(["must be a relative path"] if value.startswith("/") else []), *no_backsteps(value)]


def file_path(value: str) -> list[str]:
    """A relative path for a file of a volume; names that begin with `..` are the kubelet's own."""
    reserved = value.startswith("..") and not value.startswith("../")
    return [*descending_path(value), *(["must not start with '..'"] if reserved and value != ".." else [])]


def in_range(value: int, low: int, high: int) -> list[str]:
    """A number within both bounds."""
    return [] if low <= value <= high else [f"must be between {low} and {high}, inclusive"]


def address(value: str) -> list[str]:
    """An IP address. Leading zeros and IPv4-mapped IPv6 are refused: programs read them differently."""
    parsed = parse_address(value)
    if parsed is None:
        return ["must not have leading 0s"] if parse_address(_without_zeros(value)) else [_NOT_AN_ADDRESS]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return ["must not be an IPv4-mapped IPv6 address"]
    return []


def canonical_address(value: str) -> list[str]:
    """An IP address in the one form in which it names an object."""
    wrong, parsed = address(value), parse_address(value)
    if not wrong and str(parsed) != value:
        return [f'must be in canonical form ("{parsed}")']
    return wrong


def canonical_network(value: str) -> list[str]:
    """A range of addresses in its canonical form."""
    wrong, parsed = network(value), parse_network(value)
    if not wrong and str(parsed) != value:
        return [f'must be in canonical form ("{parsed}")']
    return wrong


def special_address(value: str) -> list[str]:
    """An address that other hosts can reach: neither unspecified, loopback, link-local nor link-local multicast."""
    parsed = parse_address(value)
    if parsed is None:
        return ["must be a valid IP address"]
    wrong = []
    if parsed.is_unspecified:
        wrong.append(f"may not be unspecified ({value})")
    if parsed.is_loopback:
        wrong.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if parsed.is_link_local:
        wrong.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if _link_local_multicast(parsed):
        wrong.append("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    return wrong


def network(value: str) -> list[str]:
    """A range of addresses (CIDR). Host bits, leading zeros and IPv4-mapped IPv6 are refused."""
    if parse_network(value) is None:
        sloppy = parse_network(_without_zeros(value))
        return [_NOT_A_RANGE] if sloppy is None else ["must not have leading 0s in IP or prefix length"]
    written = ipaddress.ip_address(value.partition("/")[0])
    if isinstance(written, IPv6Address) and written.ipv4_mapped is not None:
        return ["must not have an IPv4-mapped IPv6 address"]
    parsed = ipaddress.ip_network(value, strict=False)
    return [] if written == parsed.network_address else ["must not have bits set beyond the prefix length"]


def parse_address(value: str) -> IPv4Address | IPv6Address | None:
    """The address of a text, None where it is none. Zones (`%eth0`) are none."""
    try:
        return None if "%" in value else ipaddress.ip_address(value)
    except ValueError:
        return None


def parse_network(value: str) -> IPv4Network | IPv6Network | None:
    """The range of a text `address/length`, host bits cut off; None where it is none."""
    host, slash, length = value.partition("/")
    if not slash or "%" in host or not re.fullmatch(r"0|[1-9][0-9]*", length):
        return None
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None


def _link_local_multicast(parsed: IPv4Address | IPv6Address) -> bool:
    if isinstance(parsed, IPv4Address):
        return parsed in _LINK_LOCAL_MULTICAST
    return parsed.is_multicast and parsed.packed[1] & 0x0F == 0x02


def _without_zeros(value: str) -> str:
    """The text with leading zeros of decimal numbers taken away, as sloppy parsers read it."""
    return re.sub(r"(?<![0-9a-fA-F:])0+(?=[0-9])", "", value)


def _too_long(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} bytes"] if len(value.encode()) > limit else []


def _form(text: str, expression: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{expression}')"
