"""Requests of every sort: right ones with something wrong in them, and rubbish."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from podwire.apiserver.bodies.protobuf.envelope import PREFIX
from podwire.apiserver.kinds.resources import Resource
from tests.apiserver.bodies.protobuf import encoder
from tests.apiserver.fuzz import objects
from tests.apiserver.fuzz.objects import Object, Seed, one_in

USUAL_METHODS: tuple[str, ...] = ("GET", "POST", "POST", "POST", "PUT", "PUT", "PATCH", "PATCH", "PATCH", "DELETE")
METHODS: tuple[str, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "get", "")

PARTS: tuple[str, ...] = (
    "status",
    "scale",
    "binding",
    "eviction",
    "finalize",
    "token",
    "log",
    "exec",
    "attach",
    "portforward",
)
PARTS += ("ephemeralcontainers", "proxy", "approval", "nothing", "..", "")

PATHS: tuple[str, ...] = (
    "/",
    "/api",
    "/api/v1",
    "/apis",
    "/apis/apps/v1",
    "/openapi/v3",
    "/openapi/v3/api/v1",
    "/openapi/v2",
    "/healthz",
)
PATHS += ("/readyz/ping", "/version", "/.well-known/openid-configuration", "/openid/v1/jwks", "/metrics", "/logs", "//")
PATHS += ("/api/v1/namespaces//pods", "/api/v1/%2e%2e/pods", "/apis/%00/v1/x", "/api/v2/pods", "", "*", "/" * 3000)

NAMES: tuple[str, ...] = (
    "a",
    "a",
    "a",
    "default",
    "",
    "b" * 260,
    "%00",
    "%2F",
    "..",
    "%ff",
    "é",
    "a%20b",
    "A",
    "%25",
    "%",
    "%zz",
    "a b",
)

ACCEPTS: tuple[str, ...] = (
    "application/json",
    "*/*",
    "",
    "application/yaml",
    "text/html",
    "application/vnd.kubernetes.protobuf",
)
ACCEPTS += (
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
)
ACCEPTS += ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", ";;;", "application/json;as", ",,", "\x7f")
ACCEPTS += ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "application/json;q=nan")

PATCHES: tuple[str, ...] = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
PATCHES += ("application/apply-patch+yaml", "application/apply-patch+cbor")
TYPES: tuple[str, ...] = (
    "application/json",
    "",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "a/b;c",
    "\0",
)

NUMBERS: tuple[str, ...] = (
    "²",
    "",
    "0",
    "1",
    "-1",
    "18446744073709551616",
    "9" * 30,
    "1e3",
    "٣",
    "NaN",
    "0x1",
    " 1",
    "00",
    "x",
    "\0",
)
SELECTORS: tuple[str, ...] = (
    "a=b",
    "a in (b,c),!d",
    "a in (",
    "!",
    ",,,",
    "=",
    "a==",
    "a notin ()",
    "a>1",
    "a<x",
    "é=é",
    "a=b" * 999,
)
SELECTORS += (
    "metadata.name=a",
    "spec.nodeName=",
    "status.phase!=Running",
    "nothing=1",
    "metadata.name=a\\,b",
    "a\\",
    "\0",
)
AUTHORIZATIONS: tuple[str, ...] = (
    "Bearer x",
    "Bearer a.b.c",
    "Basic eDp5",
    "Bearer \ud800",
    "B",
    "Bearer " + "." * 9999,
)
TOKENS: tuple[str, ...] = (
    "x",
    "e30",
    "bnVsbA",
    "W10",
    "eyJ2IjoicG9kd2lyZS8xIiwicnYiOjk5OSwiYWZ0ZXIiOlsiIiwiYSJdfQ",
    "=",
    "_-",
    "\ud800",
)

DELETE_OPTIONS: tuple[dict[str, Any], ...] = (
    {"kind": "DeleteOptions", "preconditions": {"uid": "x", "resourceVersion": "1"}, "dryRun": []},
    {"gracePeriodSeconds": 10**18, "propagationPolicy": "Foreground"},
    {"gracePeriodSeconds": 0, "orphanDependents": True, "dryRun": ["All"]},
)

QUERIES: dict[str, tuple[str, ...]] = {
    "watch": ("true", "1", "false", "x"),
    "allowWatchBookmarks": ("true", ""),
    "sendInitialEvents": ("true", "false", "x"),
    "resourceVersion": NUMBERS,
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x"),
    "limit": NUMBERS,
    "timeoutSeconds": ("1", *NUMBERS),
    "continue": TOKENS,
    "labelSelector": SELECTORS,
    "fieldSelector": SELECTORS,
    "dryRun": ("All", "All", "x", ""),
    "fieldManager": ("me", "x" * 200, "\0", ""),
    "fieldValidation": ("Strict", "Warn", "Ignore", "x"),
    "force": ("true", "x", ""),
    "gracePeriodSeconds": NUMBERS,
    "propagationPolicy": ("Foreground", "Orphan", "Background", "x"),
    "orphanDependents": ("true", "false", "x"),
    "includeObject": ("Object", "None", "Metadata", "x"),
    "pretty": ("true",),
    "container": ("a", "", "\0", "../.."),
    "command": ("sh", "\0"),
    "ports": ("80", "x", "99999"),
    "tailLines": NUMBERS,
    "sinceTime": ("2024", "x"),
    "x\0": ("",),
}


@dataclass(frozen=True)
class Asked:
    """One request as a test sends it. `path` is escaped, the query is not yet."""

    method: str
    path: str
    query: dict[str, tuple[str, ...]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Any request."""
    seed = draw(st.sampled_from(objects.seeds()))
    method = draw(st.sampled_from(METHODS if one_in(draw, 12) else USUAL_METHODS))
    content_type, body = _body(draw, method, seed)
    accept = draw(st.sampled_from(ACCEPTS)) if one_in(draw, 4) else "application/json"
    headers = {"accept": accept, "content-type": content_type}
    if one_in(draw, 20):
        headers["content-encoding"], body = "gzip", gzip.compress(body)
    if one_in(draw, 20):
        headers["authorization"] = draw(st.sampled_from(AUTHORIZATIONS))
    return Asked(method, _path(draw, method, seed.resource), draw(_queries(4 if method == "GET" else 1)), headers, body)


def _path(draw: st.DrawFn, method: str, resource: Resource) -> str:
    if one_in(draw, 20):
        return draw(st.sampled_from(PATHS) | st.text(max_size=30).map(lambda text: f"/{quote(text, errors='replace')}"))
    parts = [resource.group_version]
    if resource.namespaced and not one_in(draw, 20):
        parts += ["namespaces", draw(st.sampled_from(NAMES)) if one_in(draw, 12) else "default"]
    parts.append(resource.plural)
    if method == "POST" and not one_in(draw, 8):
        return "/" + "/".join(parts)
    if method in {"PUT", "PATCH"} or draw(st.booleans()):
        parts.append(draw(st.sampled_from(NAMES)) if one_in(draw, 12) else "a")
        if one_in(draw, 3):
            parts.append(draw(st.sampled_from((*resource.subresources, *PARTS[: 4 * one_in(draw, 3)], "status"))))
    return "/" + "/".join(parts)


@st.composite
def _queries(draw: st.DrawFn, most: int) -> dict[str, tuple[str, ...]]:
    names = draw(st.lists(st.sampled_from(tuple(QUERIES)), max_size=most))
    if most > 1 and one_in(draw, 4):
        names.append("watch")
    return {name: (draw(st.sampled_from(QUERIES[name]) | st.text(max_size=10)),) for name in names}


def _body(draw: st.DrawFn, method: str, seed: Seed) -> tuple[str, bytes]:
    """A body and its type, which need not fit each other."""
    if method == "GET" or one_in(draw, 30):
        return "", b""
    content_type = draw(st.sampled_from(PATCHES if method == "PATCH" else TYPES[:4]))
    if one_in(draw, 15):
        content_type = draw(st.sampled_from(PATCHES + TYPES))
    if method == "PATCH" and "json-patch" in content_type:
        value: Any = draw(json_patches(json.loads(seed.small)))
    elif method == "DELETE":
        value = objects.mutated(draw, draw(st.sampled_from(DELETE_OPTIONS)))
    else:
        value = objects.written(draw, seed)
    body = encoded(value, content_type)
    return content_type, broken(draw, body) if one_in(draw, 10) else body


def encoded(value: Any, content_type: str) -> bytes:
    """The value in the form that its media type says, as far as it has one."""
    if content_type == "application/vnd.kubernetes.protobuf":
        try:
            return encoder.body(value)
        except (LookupError, TypeError, ValueError, AttributeError):
            return PREFIX + b"\x0a\x02"
    if content_type == "application/apply-patch+cbor":
        return b"\xd9\xd9\xf7\xa0"
    return json.dumps(value).encode()


@st.composite
def json_patches(draw: st.DrawFn, obj: Object) -> Any:
    """A list of operations on places that are there, or nearly."""
    found = objects.places(obj)
    pointers = ["/" + "/".join(str(part).replace("/", "~1") for part in place) for place in found]
    pointers += ["", "/", "/-", "/metadata/labels/-1", "/spec/00", "x", "/~2", "/metadata/name/x", "/a" * 200]
    operation = st.fixed_dictionaries(
        {
            "op": st.sampled_from(("add", "remove", "replace", "move", "copy", "test", "x")),
            "path": st.sampled_from(pointers),
        },
        optional={"from": st.sampled_from(pointers), "value": objects.STRANGE_VALUES},
    )
    return draw(st.lists(operation | objects.STRANGE_VALUES, max_size=5) | objects.STRANGE_VALUES)


def broken(draw: st.DrawFn, body: bytes) -> bytes:
    """The bytes with a wound."""
    at = draw(st.integers(0, max(0, len(body) - 1)))
    match draw(st.integers(0, 5)):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + draw(st.binary(min_size=1, max_size=4)) + body[at + 1 :]
        case 2:
            return body + body
        case 3:
            return draw(st.sampled_from(RUBBISH))
        case 4:
            return body.replace(b'"metadata"', b'"metadata": {"name": "twice"}, "metadata"', 1)
        case _:
            return body.replace(b"1", draw(st.sampled_from((b"1e999", b"NaN", b"-", b"1" * 5000, b"Infinity", b"01"))))


RUBBISH = (
    *(
        b"",
        b"\0",
        b"null",
        b"[]",
        b'"a"',
        b"1",
        b"{",
        b"{}}",
        b'{"a":1,}',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"k8s\0",
        b"---",
    ),
    *(
        b"[" * 200_000,
        b'{"a":' * 5000,
        b'{"a":' * 99 + b"1" + b"}" * 99,
        b'{"metadata":{"name":"\\ud800"}}',
        b"9" * 100_000,
    ),
    b"a: &a [x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c]\n",
    b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d,*a%d]\n" % (n + 1, n + 1, n, n) for n in range(60)),
    *(
        b"&a [*a]",
        b"a: &a {b: *a}",
        b"? {a: b}\n: c",
        b"!!python/object:os.system {}",
        b"{1: 2, true: 3, 2024-01-01: 4}",
    ),
    *(
        b"a: .inf\nb: .nan\nc: 2024-01-01\nd: !!binary aGk=\ne: !!set {x}\n",
        b"%YAML 9.9\n---\na",
        b"a: b\n---\nc: d\n",
        b"<<: *x",
    ),
)
