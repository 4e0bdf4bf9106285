"""What is served beside objects: discovery, schemas, the version, health."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import status
from podwire.apiserver.base.requests import Response, json_response
from podwire.apiserver.documents import discovery, health
from podwire.apiserver.documents.metrics import ServerMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from podwire.apiserver.base.requests import Request
    from podwire.apiserver.documents import openapi
    from podwire.apiserver.documents.health import Check
    from podwire.apiserver.kinds.resources import Registry

SWAGGER_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""Clients write `@v1.0` in the name, which is no media type (RFC 9110); answers have a dot there, as upstream's."""


class Version(msgspec.Struct, frozen=True):
    """The Kubernetes release whose behaviour is served."""

    git: str

    def json(self) -> dict[str, Any]:
        """The answer of /version (k8s.io/apimachinery `version.Info`)."""
        major, minor = self.git.removeprefix("v").split(".")[:2]
        return {
            "major": major,
            "minor": minor,
            "gitVersion": f"{self.git}+podwire",
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "none",
            "compiler": "cpython",
            "platform": "linux/amd64",
        }


class ServerDocuments:
    """Answers to paths that are no resource."""

    def __init__(
        self,
        registry: Registry,
        schemas: openapi.Documents,
        version: Version,
        server_address: str,
        checks: Mapping[str, Check],
        more: Mapping[str, Callable[[], Response]],
    ) -> None:
        self._registry = registry
        self._schemas = schemas
        self._version = version
        self._server_address = server_address
        self._checks = checks
        self._more = more
        self.metrics = ServerMetrics()
        self._generation = -1
        self._discovered: dict[tuple[str, bool], Response] = {}

    def answer(self, request: Request) -> Response:
        """The document of a path; raises StatusError 404 or 405."""
        found = self._document(request)
        if request.method not in {"GET", "HEAD"}:
            raise status.method_not_allowed()
        return found

    def _document(self, request: Request) -> Response:
        path = request.path.rstrip("/")
        if path == "/version":
            return json_response(self._version.json())
        if health.is_health(path):
            return health.answer(request, path, self._checks)
        if path == "/openapi/v2":
            return self._swagger(request.headers)
        if path == "/metrics":
            return self.metrics.answer()
        if path in self._more:
            return self._more[path]()
        if path.startswith("/openapi/v3"):
            return self._schema(request, path.removeprefix("/openapi/v3").strip("/"))
        headers = request.headers
        return self._discovery(path.strip("/").split("/"), headers.get("accept", ""), headers.get("if-none-match", ""))

    def _schema(self, request: Request, group_version: str) -> Response:
        """A document: with its hash in the URL it may be cached for a year; an old hash redirects to the new one."""
        if not group_version:
            return Response(self._schemas.index())
        etag, requested = self._schemas.etag(group_version), request.parameter("hash")
        if not etag:
            raise status.no_such_path()
        if requested and requested != etag:
            return Response(b"", 301, headers={"Location": f"/openapi/v3/{group_version}?hash={etag}"})
        headers = {"Etag": f'"{etag}"', "Vary": "Accept"}
        if requested:
            headers |= {"Cache-Control": "public, immutable", "Expires": format_datetime(_in_a_year(), usegmt=True)}
        if headers["Etag"] in request.headers.get("if-none-match", ""):
            return Response(b"", 304, headers=headers)
        return Response(self._schemas.document(group_version) or b"", headers=headers)

    def _swagger(self, headers: Mapping[str, str]) -> Response:
        """The document of version 2. It is JSON; in protobuf it is empty but for its version.

        kubectl requests protobuf, when version 3 does not have a kind, for its own error message. Field 1 is the
        version (gnostic `openapiv2/OpenAPIv2.proto`).
        """
        if "openapi.spec.v2" in headers.get("accept", ""):
            return Response(b"\x0a\x032.0", content_type=SWAGGER_PROTOBUF)
        return _conditional(self._schemas.version_2(), headers.get("if-none-match", ""))

    def _discovery(self, parts: list[str], accept: str, etag: str) -> Response:
        """A discovery document, made once for each state of the registry; raises StatusError 404.

        `etag` is that of the client's copy.
        """
        if self._generation != self._registry.generation:
            self._generation = self._registry.generation
            self._discovered.clear()
        key = ("/".join(parts), discovery.wants_aggregated(accept))
        found = self._discovered.get(key)
        if found is None:
            found = self._discovered[key] = self._make_discovery(parts, aggregated=key[1])
        if etag and found.headers.get("Etag") == etag:
            # A client's cache takes the headers of a 304 over: with another type it could not read its own copy.
            return Response(b"", 304, found.content_type, found.headers)
        return found

    def _paths(self) -> list[str]:
        """The paths that GET / lists (k8s.io/apiserver `pkg/server/routes/index.go`)."""
        versions = self._registry.group_versions()
        groups = {path.rpartition("/")[0] for path in versions if path.startswith("apis/")}
        checks = [f"{root}/{name}" for root in health.ROOTS for name in self._checks]
        fixed = ("/api", "/apis", *health.ROOTS, "/metrics", "/openapi/v2", "/openapi/v3", "/version")
        return sorted((*fixed, *checks, *self._more, *(f"/{path}" for path in (*versions, *groups))))

    def _make_discovery(self, parts: list[str], *, aggregated: bool) -> Response:
        found: dict[str, Any] | None
        match parts:
            case ["api"] if aggregated:
                return _aggregated(discovery.aggregated_core(self._registry))
            case ["apis"] if aggregated:
                return _aggregated(discovery.aggregated_groups(self._registry))
            case ["api"]:
                found = discovery.core_versions(self._server_address)
            case ["apis"]:
                found = discovery.groups(self._registry)
            case ["apis", group]:
                found = discovery.group(self._registry, group)
            case ["api", version]:
                found = discovery.resources(self._registry, "", version)
            case ["apis", group, version]:
                found = discovery.resources(self._registry, group, version)
            case [""]:
                found = {"paths": self._paths()}
            case _:
                found = None
        if found is None:
            raise status.no_such_path()
        return json_response(found)


def _in_a_year() -> datetime:
    """The longest lifetime that HTTP advises (RFC 9111); the URL has the hash of its content."""
    return datetime.now(UTC) + timedelta(days=365)


def _conditional(body: bytes, held: str) -> Response:
    """A document with its hash; 304 where the client's copy, whose hash it `held`, is the same."""
    headers = {"Etag": f'"{hashlib.sha512(body).hexdigest().upper()}"', "Vary": "Accept"}
    if headers["Etag"] in held:
        return Response(b"", 304, headers=headers)
    return Response(body, headers=headers)


def _aggregated(document: dict[str, Any]) -> Response:
    """With a hash for conditional requests (k8s.io/apiserver `pkg/endpoints/discovery/aggregated/etag.go`)."""
    body = json_response(document).body
    headers = {
        "Etag": f'"{hashlib.sha512(body).hexdigest().upper()}"',
        "Vary": "Accept",
        "Cache-Control": "public",
    }
    return Response(body, content_type=discovery.AGGREGATED_CONTENT_TYPE, headers=headers)
