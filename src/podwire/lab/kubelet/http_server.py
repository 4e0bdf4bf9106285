"""The kubelet's HTTP server on a unix socket: logs, exec, attach, port-forward, and endpoints about the node.

Only the world's API server can reach the socket; it has authorized the request.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Set
from pathlib import Path

import aiohttp
from aiohttp import web

from podwire.http.limits import LARGEST_BODY
from podwire.http.reverse_proxy import MESSAGE_BYTES, Hop, pass_on, unreachable
from podwire.kube.core import Container
from podwire.kube.meta import NamespacedName
from podwire.kube.numbers import read_port
from podwire.lab.kubelet import pod_plan
from podwire.lab.kubelet.node_endpoints import NodeEndpoints
from podwire.lab.kubelet.pod_worker import PodWorker
from podwire.lab.shim.lifecycle import Record, Running, Waiting
from podwire.lab.shim.log_file import log_path
from podwire.lab.streams.attach import Attachment, attachable
from podwire.lab.streams.channels import PROTOCOLS, opened
from podwire.lab.streams.exec import Request, execute
from podwire.lab.streams.log_cursors import Position, Readings
from podwire.lab.streams.log_reader import LogOptionError, LogOptions, chunks, options

FindWorker = Callable[[NamespacedName], PodWorker | None]


class KubeletServer:
    """Serves until cancelled.

    `find` returns the worker of a pod on this node, `addresses` those of the node and its pods, to which requests are
    passed on; `endpoints` are about the node.
    """

    def __init__(
        self, path: Path, find: FindWorker, addresses: Callable[[], Set[str]], endpoints: NodeEndpoints
    ) -> None:
        self._path = path
        self._endpoints = endpoints
        self._find = find
        self._addresses = addresses
        self._read = Readings()

    async def run(self) -> None:
        """Serve until cancelled."""
        application = web.Application(client_max_size=LARGEST_BODY + 1)
        pod = "/{namespace}/{pod}/{container}"
        application.router.add_get("/containerLogs" + pod, self._logs)
        application.router.add_get("/exec" + pod, self._exec)
        application.router.add_get("/attach" + pod, self._attach)
        application.router.add_get("/portForward/{namespace}/{pod}", self._forward)
        self._endpoints.register(application.router)
        application.router.add_route("*", "/proxy/{scheme}/{address}/{port}/{rest:.*}", self._proxy)
        # Streams may never end by themselves: a server that stops does not wait for them.
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await runner.setup()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        try:
            await web.UnixSite(runner, str(self._path)).start()
            self._path.chmod(0o600)
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    def _pod(self, request: web.Request) -> PodWorker:
        """The pod that a request names. Raises HTTPNotFound."""
        names = request.match_info
        worker = self._find(NamespacedName(names["namespace"], names["pod"]))
        if worker is None:
            raise web.HTTPNotFound(text=f'pod "{names["pod"]}" is not on this node')
        return worker

    def _target(self, request: web.Request) -> tuple[PodWorker, Container]:
        """The pod and container that a request names. Raises HTTPNotFound."""
        worker, names = self._pod(request), request.match_info
        for container in pod_plan.ordered(worker.pod):
            if container.name == names["container"]:
                return worker, container
        raise web.HTTPNotFound(text=f'container "{names["container"]}" is not in pod "{names["pod"]}"')

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._target(request)
        try:
            requested = options(request.query, time.time())
        except LogOptionError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        path, run = _log(worker, container, requested)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)

        def alive() -> bool:
            record = worker.records.get(container.name)
            return record is not None and isinstance(record.state, Running) and record.starts == run + 1

        def seen(end: Position) -> None:
            self._read.remember(request.query.get("reader", ""), path, end)

        with contextlib.suppress(ConnectionError):
            async for data in chunks(path, requested, alive, seen):
                await response.write(data)
            await response.write_eof()
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._running(request)
        requested = Request.read(request.query)
        if not requested.command:
            raise web.HTTPBadRequest(text="command: must be given at least once")
        socket = await _upgrade(request)
        await _greet(socket, requested)
        await execute(socket, worker.shim, container, requested)
        return socket

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._target(request)
        requested = Request.read(request.query)
        if not attachable(worker.records.get(container.name), requested):
            self._running(request)
        socket = await _upgrade(request)
        await _greet(socket, requested)
        await Attachment(socket, worker, container, requested, self._read).run()
        return socket

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        worker = self._pod(request)
        if not worker.sandbox.ready:
            raise web.HTTPConflict(text=f'pod "{worker.pod.key}" is not running')
        _check_upgrade(request)
        # Eight modules that a world needs with its first port-forward: the zygote starts sooner without them.
        from podwire.lab.streams.forwarding.forwarder import Forwarder
        from podwire.lab.streams.forwarding.protocols import negotiate

        tunnel, protocols = negotiate(request)
        socket = await _upgrade(request, protocols)
        await Forwarder(socket, tunnel, worker.sandbox.network, str(worker.pod.key)).run()
        return socket

    async def _proxy(self, request: web.Request) -> web.StreamResponse:
        """Pass a request of the API server's client on to a pod of this node, or to the node itself."""
        names = request.match_info
        address, port = names["address"], names["port"]
        if address not in self._addresses() or names["scheme"] not in {"http", "https"} or not read_port(port):
            raise web.HTTPNotFound(text=f"{address} is no address of this node or of a pod on it")
        host = f"[{address}]" if ":" in address else address
        rest = request.raw_path.split("/", 5)[5]
        hop = Hop(f"{names['scheme']}://{host}:{port}/{rest}")
        try:
            return await pass_on(request, hop, await request.read())
        except (OSError, aiohttp.ClientError) as error:
            return _service_unavailable(unreachable(error))

    def _running(self, request: web.Request) -> tuple[PodWorker, Container]:
        worker, container = self._target(request)
        record = worker.records.get(container.name)
        if record is None or not isinstance(record.state, Running):
            raise web.HTTPConflict(text=f'container "{container.name}" of pod "{worker.pod.key}" is not running')
        return worker, container


def _service_unavailable(message: str) -> web.Response:
    """An answer 503 as an API server gives it (k8s.io/apimachinery `api/errors` NewServiceUnavailable)."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "ServiceUnavailable",
        "code": 503,
    }
    return web.json_response(body, status=503)


def _check_upgrade(request: web.Request) -> None:
    """Raises HTTPBadRequest. kubectl tries SPDY where its WebSocket was refused, and shows this message alone."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise web.HTTPBadRequest(
            text="SPDY streams are not served: use a client that speaks WebSocket (kubectl 1.31 and later)"
        )


async def _upgrade(request: web.Request, protocols: tuple[str, ...] = PROTOCOLS) -> web.WebSocketResponse:
    _check_upgrade(request)
    socket = web.WebSocketResponse(protocols=protocols, max_msg_size=MESSAGE_BYTES)
    if not socket.can_prepare(request).ok:
        raise web.HTTPBadRequest(text=f"the WebSocket upgrade is not whole; protocols are {', '.join(protocols)}")
    await socket.prepare(request)
    return socket


async def _greet(socket: web.WebSocketResponse, requested: Request) -> None:
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(opened(stdout=requested.stdout or requested.tty, stderr=requested.stderr))


def _log(worker: PodWorker, container: Container, requested: LogOptions) -> tuple[Path, int]:
    """The log file of a container's current or previous run and the number of the run. Raises HTTPBadRequest."""
    record = worker.records.get(container.name, Record(name=container.name))
    name, pod = container.name, worker.pod.metadata.name
    waits = isinstance(record.state, Waiting)
    run = record.starts - 1
    if requested.previous:
        if record.last is None:
            raise web.HTTPBadRequest(text=f'previous terminated container "{name}" in pod "{pod}" not found')
        run = run if waits else run - 1
    path = log_path(worker.sandbox.folder, name, run)
    if run < 0 or not path.exists():
        reason = record.state.reason if isinstance(record.state, Waiting) else "its log is gone"
        raise web.HTTPBadRequest(text=f'container "{name}" in pod "{pod}" is waiting to start: {reason}')
    return path, run
