"""A small client of the Kubernetes API: typed reads, plain bodies for writes, watch streams as lines."""

from __future__ import annotations

import encodings.idna  # noqa: F401 TLS looks this codec up by its name, in a container too, where no file of Python is
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import aiohttp
import msgspec

from podwire.kube.credentials import Credentials
from podwire.kube.meta import NamespacedName, Object

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)

MERGE_PATCH = "application/merge-patch+json"
LARGEST_OBJECT = 16 * 1024 * 1024
"""Bytes of one watch line; upstream stores objects of at most 1.5 MB, their events are a little longer."""


class ApiError(Exception):
    """The server said no. `reason` is the word of its Status object, such as NotFound or Conflict."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class ServiceAccountToken(msgspec.Struct, rename="camel", frozen=True):
    """A token and when it ends (RFC 3339)."""

    token: str
    expiration_timestamp: datetime


class _TokenRequest(msgspec.Struct):
    status: ServiceAccountToken


class ObjectList(msgspec.Struct, Generic[ObjectT]):
    """What a list call answers: the objects and the version at which they were read."""

    items: list[ObjectT]
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class Client:
    """One connection pool to one API server. Use it as an async context manager.

    `name` is what the server calls this client in `managedFields` and in its audit log.
    """

    def __init__(self, credentials: Credentials, name: str = "podwire") -> None:
        self._credentials = credentials
        self._name = name
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        connector = aiohttp.TCPConnector(ssl=self._credentials.ssl_context(), limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._session = aiohttp.ClientSession(
            self._credentials.server,
            connector=connector,
            timeout=timeout,
            read_bufsize=LARGEST_OBJECT,
            headers={"User-Agent": self._name},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def list(self, kind: Kind[ObjectT], namespace: str = "", **parameters: str) -> ObjectList[ObjectT]:
        """All objects of a kind, in one namespace or in all."""
        body = await self._call("GET", kind.path(namespace), parameters=parameters)
        return msgspec.json.decode(body, type=ObjectList[kind.type])  # type: ignore[name-defined]

    async def get(self, kind: Kind[ObjectT], key: NamespacedName) -> ObjectT:
        """One object; raises ApiError with reason NotFound where there is none."""
        return msgspec.json.decode(await self._call("GET", kind.path(key.namespace, key.name)), type=kind.type)

    async def create(self, kind: Kind[ObjectT], body: Mapping[str, Any], namespace: str = "") -> ObjectT:
        """Store a new object and answer it as the server completed it."""
        whole = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        answer = await self._call("POST", kind.path(namespace), msgspec.json.encode(whole))
        return msgspec.json.decode(answer, type=kind.type)

    async def replace(
        self, kind: Kind[ObjectT], key: NamespacedName, body: Mapping[str, Any], subresource: str = ""
    ) -> ObjectT:
        """Replace an object whole; a resourceVersion in the body must still be the current one."""
        whole = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        path = kind.path(key.namespace, key.name, subresource)
        return msgspec.json.decode(await self._call("PUT", path, msgspec.json.encode(whole)), type=kind.type)

    async def create_subresource(
        self, kind: Kind[ObjectT], key: NamespacedName, subresource: str, body: Mapping[str, Any]
    ) -> None:
        """POST to a subresource that takes an action, such as a pod's `binding` or `eviction`."""
        await self._call("POST", kind.path(key.namespace, key.name, subresource), msgspec.json.encode(body))

    async def request_token(
        self, kind: Kind[ObjectT], key: NamespacedName, spec: Mapping[str, Any]
    ) -> ServiceAccountToken:
        """A new token of a ServiceAccount (`authentication.k8s.io/v1` TokenRequest; `spec` is its spec)."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._call("POST", kind.path(key.namespace, key.name, "token"), msgspec.json.encode(body))
        return msgspec.json.decode(answer, type=_TokenRequest).status

    async def patch(
        self, kind: Kind[ObjectT], key: NamespacedName, body: Mapping[str, Any], subresource: str = ""
    ) -> ObjectT:
        """Merge the body into the object (RFC 7386)."""
        path = kind.path(key.namespace, key.name, subresource)
        answer = await self._call("PATCH", path, msgspec.json.encode(body), content_type=MERGE_PATCH)
        return msgspec.json.decode(answer, type=kind.type)

    async def delete(
        self,
        kind: Kind[ObjectT],
        key: NamespacedName,
        *,
        uid: str = "",
        grace_seconds: int | None = None,
        propagation: str = "Background",
    ) -> None:
        """Delete an object, only the one with this uid where one is given.

        `propagation` says what happens to its dependents: Background, Foreground or Orphan.
        """
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        await self._call("DELETE", kind.path(key.namespace, key.name), msgspec.json.encode(options))

    async def delete_all(self, kind: Kind[ObjectT], namespace: str) -> None:
        """Delete every object of a kind in one namespace; pods end with their grace period."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        await self._call("DELETE", kind.path(namespace), msgspec.json.encode(options))

    async def watch(self, kind: Kind[ObjectT], namespace: str = "", **parameters: str) -> AsyncIterator[bytes]:
        """The lines of a watch stream, each one JSON event, until the server ends it."""
        session = self._require_session()
        parameters = {"watch": "true", **parameters}
        async with session.get(kind.path(namespace), params=parameters) as response:
            if response.status >= 400:
                raise _error(response.status, await response.read())
            async for line in response.content:
                yield line

    async def fetch(self, path: str) -> bytes:
        """The body of any other path of the server, such as a discovery document."""
        return await self._call("GET", path)

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        session = self._require_session()
        headers = {"Content-Type": content_type} if body is not None else {}
        async with session.request(method, path, data=body, params=parameters, headers=headers) as response:
            answer = await response.read()
        if response.status >= 400:
            raise _error(response.status, answer)
        return answer

    def _require_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Client is used outside its 'async with' block")
        return self._session


class _Status(msgspec.Struct):
    reason: str = ""
    message: str = ""


def _error(code: int, body: bytes) -> ApiError:
    """The server's Status as an exception; any other body stands as it is."""
    try:
        status = msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        return ApiError(code, "Unknown", body.decode("utf-8", "replace")[:500])
    return ApiError(code, status.reason, status.message)
