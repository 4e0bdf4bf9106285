"""Requests to repeat, from YAML, HAR or an access log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

MOST = 100_000
_OWN = frozenset(("host", "connection", "content-length", "transfer-encoding", "upgrade", "keep-alive", "te"))
"""Headers that a client makes itself."""
_LOG = re.compile(
    r'(?P<client>\S+) \S+ \S+ \[[^\]]*\] "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[0-9.]+" \d{3} \S+'
    r'(?: "(?P<referer>[^"]*)" "(?P<agent>[^"]*)")?'
)
"""nginx's formats `combined` and `common`."""
_NO_REQUEST = re.compile(r'\S+ \S+ \S+ \[[^\]]*\] "[^"]*" \d{3} ')
_ESCAPED = re.compile(r"\\x([0-9A-Fa-f]{2})")
_ASCII = 0x80


class RequestsError(Exception):
    """A file that has no requests. The text names the file, the place and what is expected."""


class ReplayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request. An empty host is that of the server's URL."""

    path: str = "/"
    host: str = ""
    method: str = "GET"
    headers: dict[str, str] = {}
    body: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path}"


def read(name: str, host: str = "") -> tuple[ReplayRequest, ...]:
    """Return the requests of a file; `host` is that of requests which name none. Raises RequestsError."""
    try:
        text = Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestsError(f"{name}: {error}") from None
    if name.endswith((".har", ".json")):
        found = tuple(_of_har(name, text))
    elif name.endswith((".yaml", ".yml")):
        found = _of_yaml(name, text)
    else:
        found = tuple(_of_log(name, text))
    if not found or len(found) > MOST:
        raise RequestsError(f"{name}: 1 to {MOST} requests are expected, and there are {len(found)}")
    return tuple(one if one.host else msgspec.structs.replace(one, host=host) for one in found)


def _of_yaml(name: str, text: str) -> tuple[ReplayRequest, ...]:
    """Return the requests of a list, or of a ConfigMap that has such a list in its data.

    So a file with requests may lie among manifests: kubectl reads every file of a folder as objects.
    """
    try:
        found = yaml.safe_load(text)
        if isinstance(found, dict) and found.get("kind") == "ConfigMap":
            lists = [yaml.safe_load(value) for value in (found.get("data") or {}).values()]
            found = [one for each in lists for one in each]
        return msgspec.convert(found, tuple[ReplayRequest, ...])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise RequestsError(f"{name}:{mark.line + 1 if mark else 1}: no YAML") from None
    except (msgspec.ValidationError, TypeError) as error:
        raise RequestsError(f"{name}: a list of requests with path, host, method, headers, body: {error}") from None


def _of_har(name: str, text: str) -> Iterator[ReplayRequest]:
    """Yield the requests of an HTTP Archive 1.2, as browsers save it."""
    try:
        entries: list[dict[str, Any]] = json.loads(text)["log"]["entries"]
        for entry in entries:
            request = entry["request"]
            url = urlsplit(request["url"])
            headers = {one["name"]: one["value"] for one in request.get("headers", ())}
            kept = {key: value for key, value in headers.items() if key.lower() not in _OWN and key[:1] != ":"}
            path = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
            body = request.get("postData", {}).get("text", "")
            yield ReplayRequest(path, url.netloc, request["method"], kept, body)
    except (ValueError, LookupError, TypeError) as error:
        raise RequestsError(f"{name}: no HTTP Archive: {error}") from None


def _of_log(name: str, text: str) -> Iterator[ReplayRequest]:
    """Yield the requests of an access log; such with a body are left out, as a log has none.

    What was no request is left out too: ports of the Internet get TLS in plain text, and worse.
    """
    for number, line in enumerate(text.splitlines(), 1):
        found = _LOG.match(line)
        if found is None and _NO_REQUEST.match(line):
            continue
        if found is None:
            raise RequestsError(f"{name}:{number}: a line of nginx's format combined or common is expected")
        if found["method"] not in {"POST", "PUT", "PATCH"}:
            agent = {"User-Agent": found["agent"]} if found["agent"] else {}
            yield ReplayRequest(_unescaped(found["path"]), "", found["method"], agent)


def _unescaped(path: str) -> str:
    r"""Return a path without the escapes `\xXX` that nginx writes; what is no ASCII is percent-encoded."""

    def character(one: re.Match[str]) -> str:
        code = int(one[1], 16)
        return chr(code) if code < _ASCII else f"%{code:02X}"

    return _ESCAPED.sub(character, path)
