"""A small client of the Kubernetes API: typed reads, plain bodies for writes, watch streams as lines."""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 TLS looks this codec up by its name, in a container too, where no file of Python is
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import aiohttp
import msgspec

import podwire.kube.resumed_tls  # noqa: F401 credentials import it late, in a container too
from podwire.kube.authentication import Authentication
from podwire.kube.credentials import Credentials
from podwire.kube.deadlines import Deadlines
from podwire.kube.decode import decode
from podwire.kube.first_contact import FirstContact
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.watch import Rejected
from podwire.kube.watch_lines import Lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

    from aiohttp.client import _RequestContextManager

    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)
ValueT = TypeVar("ValueT")

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
PAGE = 500
"""Objects of one page of a list, as client-go's pager requests them: memory does not grow with the collection."""

WEBSOCKET_HEARTBEAT = 30.0
"""Seconds between two pings: a dead peer is noticed, and balancers do not end an idle connection."""
LONGEST_RETRY_AFTER = 60.0
"""Seconds; a proxy before the API server may name any number."""

NAMESPACE_TERMINATING = "NamespaceTerminating"
"""The cause of a refusal to create an object in a namespace that is being deleted: no retry can succeed."""


class ApiError(Exception):
    """The server refused, or its response cannot be decoded (code 502, reason UnreadableResponse).

    `reason` and `causes` are those of its Status object, such as NotFound, Conflict, NamespaceTerminating.
    `retry_after` are the seconds that a server which is busy wants its clients to wait; 0 if it names none.
    """

    def __init__(
        self, code: int, reason: str, message: str, causes: frozenset[str] = frozenset(), retry_after: float = 0.0
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after


class ListMeta(msgspec.Struct, rename="camel"):
    """The version at which a list was read; a `continue` token where it has more pages."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class ServiceAccountToken(msgspec.Struct, rename="camel", frozen=True):
    """A token and its expiration time."""

    token: str
    expiration_timestamp: datetime


class _TokenRequest(msgspec.Struct):
    status: ServiceAccountToken


class ObjectList(msgspec.Struct, Generic[ObjectT]):
    """The response to a list: objects, the version at which they were read, and what could not be decoded."""

    items: list[ObjectT]
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)
    rejected: list[Rejected] = []


class _RawList(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    metadata: ListMeta = msgspec.field(default_factory=ListMeta)


class Client:
    """One connection pool to one API server. Use it as an async context manager.

    `name` is the user agent, which `managedFields` and the audit log show; `role` is the ClusterRole that the program
    needs, which errors name.
    """

    def __init__(
        self, credentials: Credentials, name: str = "podwire", deadlines: Deadlines | None = None, role: str = ""
    ) -> None:
        self.role = role
        self._credentials = credentials
        self._authentication = Authentication(credentials)
        self._name = name
        self._deadlines = deadlines or Deadlines()
        self._session: aiohttp.ClientSession | None = None
        self._contact = FirstContact()

    async def __aenter__(self) -> Client:
        await self._authentication.renew()
        self._authentication.context()
        self._authentication.headers()
        connector = aiohttp.TCPConnector(limit=0, socket_factory=self._deadlines.socket)
        self._session = aiohttp.ClientSession(
            self._credentials.server,
            connector=connector,
            timeout=self._deadlines.of_call,
            headers={"User-Agent": self._name},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def list(self, kind: Kind[ObjectT], namespace: str = "", **parameters: str) -> ObjectList[ObjectT]:
        """All objects of a kind, in one namespace or in all, read page by page; with `limit` the first page only.

        Objects that cannot be decoded are in `rejected`. Raises ApiError with code 410 when the list became too old
        between two pages: start again.
        """
        pages = [page async for page in self.pages(kind, namespace, **parameters)]
        found = pages[0]
        for page in pages[1:]:
            found.items += page.items
            found.rejected += page.rejected
        return found

    async def pages(
        self, kind: Kind[ObjectT], namespace: str = "", **parameters: str
    ) -> AsyncIterator[ObjectList[ObjectT]]:
        """The pages of a list, each requested when the one before has been used. Raises ApiError as `list` does."""
        path = kind.path(namespace)
        token = ""
        while True:
            more = {"limit": str(PAGE), **parameters, **({"continue": token} if token else {})}
            page = _list(path, await self._call("GET", path, parameters=more), kind)
            token = page.metadata.continue_ if "limit" not in parameters else ""
            yield page
            if not token:
                return

    async def get(self, kind: Kind[ObjectT], key: NamespacedName) -> ObjectT:
        """One object; raises ApiError with reason NotFound where there is none."""
        path = kind.path(key.namespace, key.name)
        return read_response(path, await self._call("GET", path), kind.type)

    async def create(self, kind: Kind[ObjectT], body: Mapping[str, Any], namespace: str = "") -> ObjectT:
        """Create an object; return it as the server completed it."""
        whole = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        path = kind.path(namespace)
        return read_response(path, await self._call("POST", path, msgspec.json.encode(whole)), kind.type)

    async def replace(
        self, kind: Kind[ObjectT], key: NamespacedName, body: Mapping[str, Any], subresource: str = ""
    ) -> ObjectT:
        """Replace an object whole; a resourceVersion in the body must still be the current one."""
        whole = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        path = kind.path(key.namespace, key.name, subresource)
        return read_response(path, await self._call("PUT", path, msgspec.json.encode(whole)), kind.type)

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
        path = kind.path(key.namespace, key.name, "token")
        return read_response(path, await self._call("POST", path, msgspec.json.encode(body)), _TokenRequest).status

    async def patch(
        self,
        kind: Kind[ObjectT],
        key: NamespacedName,
        body: Mapping[str, Any],
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> ObjectT:
        """Merge the body into the object (RFC 7386); a strategic merge patch merges lists such as conditions by key."""
        path = kind.path(key.namespace, key.name, subresource)
        answer = await self._call("PATCH", path, msgspec.json.encode(body), content_type=content_type)
        return read_response(path, answer, kind.type)

    async def apply(self, kind: Kind[ObjectT], key: NamespacedName, body: Mapping[str, Any], manager: str) -> ObjectT:
        """Server-side apply: create the object, or give it these fields, as this field manager; conflicts are taken.

        Fields that the manager applied before and that the body lacks are removed.
        """
        whole = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        path, parameters = kind.path(key.namespace, key.name), {"fieldManager": manager, "force": "true"}
        answer = await self._call(
            "PATCH", path, msgspec.json.encode(whole), parameters=parameters, content_type=APPLY_PATCH
        )
        return read_response(path, answer, kind.type)

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

        `propagation` decides about its dependents: Background, Foreground or Orphan.
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
        """The lines of a watch stream, each one JSON event, until the server ends it; first an empty one: it is open.

        Raises ApiError, LineTooLongError, and TimeoutError if nothing arrived for `watch_silence` seconds.
        """
        parameters = {"watch": "true", "timeoutSeconds": str(self._deadlines.watch_seconds()), **parameters}
        lines = Lines()
        await self._authentication.renew()
        timeout = self._deadlines.of_watch
        path = kind.path(namespace)
        async with await self._respond("GET", path, params=parameters, timeout=timeout) as response:
            if response.status == HTTPStatus.UNAUTHORIZED:
                await self._authentication.refused()
            if response.status >= 400:
                raise _error(response.status, await response.read(), response.headers.get("Retry-After", ""))
            yield b""
            async for piece in response.content.iter_any():
                for line in lines.feed(piece):
                    yield line

    async def fetch(self, path: str) -> bytes:
        """The body of any other path of the server, such as a discovery document."""
        return await self._call("GET", path)

    async def stream(self, path: str, **parameters: str) -> AsyncIterator[bytes]:
        """The body of any other path, piece by piece as it arrives, such as a log that is followed. Raises ApiError."""
        timeout = self._deadlines.of_stream
        async with self._request("GET", path, params=parameters, timeout=timeout) as response:
            if response.status >= 400:
                raise _error(response.status, await response.read(), "")
            async for piece in response.content.iter_any():
                yield piece

    @contextlib.asynccontextmanager
    async def websocket(self, path: str, protocol: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket at this path, query included, that speaks this subprotocol.

        Raises ApiError where the server refuses, with its reason.
        """
        options = self._secured()
        try:
            async with self._open().ws_connect(
                path, protocols=(protocol,), heartbeat=WEBSOCKET_HEARTBEAT, max_msg_size=0, **options
            ) as socket:
                yield socket
        except aiohttp.WSServerHandshakeError as error:
            raise await self._refusal(path, error) from error

    async def _refusal(self, path: str, error: aiohttp.WSServerHandshakeError) -> ApiError:
        """Why no WebSocket was opened: the response is lost with its body, so a plain request gets the reason again."""
        try:
            await self._call("GET", path)
        except ApiError as refusal:
            if refusal.code == error.status:
                return refusal
        return ApiError(error.status, "Unknown", f"{path.partition('?')[0]}: no WebSocket: {error.message}")

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        headers = {"Content-Type": content_type} if body is not None else {}
        await self._authentication.renew()
        request = {"data": body, "params": parameters, "headers": headers}
        status, answer, retry_after = await self._once(method, path, request)
        if status == HTTPStatus.UNAUTHORIZED and await self._authentication.refused():
            status, answer, retry_after = await self._once(method, path, request)
        if status >= 400:
            raise _error(status, answer, retry_after)
        return answer

    async def _once(self, method: str, path: str, request: Mapping[str, Any]) -> tuple[int, bytes, str]:
        async with await self._respond(method, path, **request) as response:
            return response.status, await response.read(), response.headers.get("Retry-After", "")

    async def _respond(self, method: str, path: str, **options: Any) -> aiohttp.ClientResponse:
        """The response to a request that the server answers soon."""
        return await self._contact.request(lambda: self._request(method, path, **options))

    def _request(self, method: str, path: str, **options: Any) -> _RequestContextManager:
        """A request with the credentials as their files are now."""
        secured = self._secured(options.pop("headers", {}))
        return self._open().request(method, path, **secured, **options)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Client is used outside its 'async with' block")
        return self._session

    def _secured(self, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The options of a request that authenticate both ends."""
        return {
            "headers": {**(headers or {}), **self._authentication.headers()},
            "ssl": self._authentication.context(),
            "server_hostname": self._credentials.server_name or None,
        }


def read_response(path: str, body: bytes, kind: type[ValueT]) -> ValueT:
    """Decode the response to a call. Raises ApiError with reason UnreadableResponse."""
    try:
        return decode(body, kind)
    except msgspec.MsgspecError as error:
        raise ApiError(
            502, "UnreadableResponse", f"{path}: the server's response cannot be decoded: {error}"
        ) from error


def _list(path: str, body: bytes, kind: Kind[ObjectT]) -> ObjectList[ObjectT]:
    """One page: in one go, or where an object has another form than its kind, object by object."""
    try:
        return msgspec.json.decode(body, type=ObjectList[kind.type])  # type: ignore[name-defined]
    except msgspec.MsgspecError:
        raw = read_response(path, body, _RawList)
    page = ObjectList[ObjectT]([], raw.metadata)
    for item in raw.items or ():
        try:
            page.items.append(decode(item, kind.type))
        except msgspec.MsgspecError as error:
            named = read_response(path, item, Object)
            page.rejected.append(Rejected(named.key, named.metadata.resource_version, str(error)))
    return page


class _Cause(msgspec.Struct):
    reason: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] = []


class _Status(msgspec.Struct):
    reason: str = ""
    message: str = ""
    details: _Details | None = None


def _error(code: int, body: bytes, retry_after: str) -> ApiError:
    """The server's Status as an exception; of any other body its first 500 characters."""
    seconds = min(float(retry_after), LONGEST_RETRY_AFTER) if retry_after.isdecimal() else 0.0
    try:
        status = msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        return ApiError(code, "Unknown", body.decode("utf-8", "replace")[:500], retry_after=seconds)
    causes = frozenset(cause.reason for cause in status.details.causes) if status.details else frozenset()
    return ApiError(code, status.reason, status.message, causes, seconds)
