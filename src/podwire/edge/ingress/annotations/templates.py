"""Texts with variables of nginx, and URLs whose path has some: all with bounds. Pure.

Source: nginx, `ngx_http_core_module` (embedded variables); kubernetes/ingress-nginx v1.15.1 `parser/validators.go`.
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from podwire.edge.ingress.annotations import grammar
from podwire.edge.ingress.annotations.grammar import LONGEST, InvalidValueError, hostname
from podwire.edge.model.script import Part, Template
from podwire.kube.meta import NamespacedName

MOST_PARTS = 32
_VARIABLE = re.compile(r"\$(?:([a-z_0-9]+)|\{([a-z_0-9]+)\})")
_PLAIN = re.compile(r"[^\s\x00-\x20\x7f\"'<>\\`{}|]*")
_SERVICE = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.[a-z0-9.-]+)?")
_REDIRECT = re.compile(r"(https?|\$scheme|\$pass_access_scheme)://[A-Za-z0-9$_{}.:\[\]-]+([/?#]|$)")
_URL = re.compile(
    r"(https?)://(\$[a-z_]+|\[[0-9a-fA-F:]+\]|[^/:?#\[\]$]+)(?::([0-9]{1,5}))?([/?].*|\$\{?(?:request_uri|uri|document_uri)\b.*)?"
)
OF_REQUEST = {
    **{name: name for name in ("host", "http_host", "scheme", "request_uri", "escaped_request_uri", "uri", "args")},
    "best_http_host": "http_host",
    "server_name": "host",
    "pass_access_scheme": "scheme",
    "document_uri": "uri",
    "query_string": "args",
    "request_method": "request_method",
    "request_id": "request_id",
    "req_id": "request_id",
    "remote_addr": "remote_addr",
    "binary_remote_addr": "remote_addr",
    "the_real_ip": "remote_addr",
}
"""Variables of nginx, and what they are here."""
OF_LOCATION = frozenset(("namespace", "ingress_name", "service_name", "service_port", "location_path"))
_FAMILIES = ("http", "arg", "cookie")
_OWN_HOST = frozenset(("$host", "$http_host", "$best_http_host"))
KNOWN = "known are $host, $request_uri, $escaped_request_uri, $uri, $args, $remote_addr, $http_NAME, $arg_NAME, ..."


class Url(msgspec.Struct, frozen=True):
    """A URL that requests are sent to.

    Attributes:
        host: empty: that of the request.
        port: that of the scheme where none is given.
        path: with its query; it begins with a slash.

    """

    scheme: str
    host: str
    port: int
    path: Template

    @property
    def is_encrypted(self) -> bool:
        """Whether it is of https."""
        return self.scheme == "https"

    @property
    def fixed_path(self) -> str:
        """The path before its query and its first variable."""
        first = self.path[0].text if self.path else "/"
        return first.partition("?")[0] or "/"


def template(text: str) -> Template:
    """Return a text with variables: no spaces, quotes, braces or control characters."""
    found = _split(text)
    if not all(_PLAIN.fullmatch(one.text) for one in found):
        raise InvalidValueError("a text without spaces, quotes and braces is expected")
    return found


def redirect_url(text: str) -> Template:
    """Return a URL of http or https with variables, to which clients are redirected."""
    if not _REDIRECT.match(text):
        raise InvalidValueError("a URL that begins with http:// or https:// and a host is expected")
    return template(text)


def location(found: Template) -> grammar.Location | None:
    """Return a redirect without variables but `$request_uri` at its end; None for others."""
    *first, last = found
    keeps = last == Part(variable="request_uri")
    fixed = first if keeps else found
    if any(one.variable for one in fixed):
        return None
    try:
        return grammar.location("".join(one.text for one in fixed) + (grammar.REQUEST_URI if keeps else ""))
    except InvalidValueError:
        return None


def url(text: str) -> Url:
    """Return a URL of a service: its host has no variable, or is `$host`."""
    found = _URL.fullmatch(text)
    if found is None:
        raise InvalidValueError("a URL such as http://auth.default.svc.cluster.local/verify is expected")
    scheme, host, port, rest = found.groups()
    number = int(port) if port else 443 if scheme == "https" else 80
    if not 0 < number < 65536:
        raise InvalidValueError("a port from 1 to 65535 is expected")
    path = template(rest or "/")
    if path and path[0].text and not path[0].text.startswith("/"):
        path = (Part("/"), *path)
    return Url(scheme, "" if host in _OWN_HOST else _host(host), number, path)


def service_of(url: Url) -> NamespacedName | None:
    """Return the Service whose name of cluster DNS the host is; None for another host."""
    found = _SERVICE.fullmatch(url.host)
    return NamespacedName(found[2], found[1]) if found else None


def hash_key(text: str) -> Template:
    """Return the variables of a text; what is between them has no effect on a hash."""
    found = tuple(one for one in _split(text) if one.variable)
    if not found:
        raise InvalidValueError(f"a text with a variable such as $request_uri is expected; {KNOWN}")
    return found


def _host(text: str) -> str:
    """Return a host that is no address of the proxy itself or of its node's services."""
    plain = text.strip("[]")
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        if hostname(text) == "localhost" or text.lower().endswith(".localhost"):
            raise InvalidValueError("a host other than the proxy itself is expected") from None
        return hostname(text)
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        raise InvalidValueError("an address of a service is expected, not a loopback or link-local one")
    return str(address)


def _split(text: str) -> Template:
    if len(text) > LONGEST or not text:
        raise InvalidValueError(f"a text of 1 to {LONGEST} characters is expected")
    parts: list[Part] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        parts.append(Part(_without_dollar(text[end : found.start()])))
        parts.append(_variable(found[1] or found[2]))
        end = found.end()
    parts.append(Part(_without_dollar(text[end:])))
    if len(parts) > MOST_PARTS:
        raise InvalidValueError(f"at most {MOST_PARTS // 2} variables are expected")
    return tuple(one for one in parts if one != Part())


def _without_dollar(text: str) -> str:
    if "$" in text:
        raise InvalidValueError(f"a variable is expected after $; {KNOWN}")
    return text


def _variable(name: str) -> Part:
    if name in OF_REQUEST:
        return Part(variable=OF_REQUEST[name])
    if name in OF_LOCATION:
        return Part(variable=name)
    family, _, rest = name.partition("_")
    if family in _FAMILIES and rest:
        return Part(variable=family, name=rest.replace("_", "-") if family == "http" else rest)
    raise InvalidValueError(f"${name} is not known; {KNOWN}")
