"""Requests to Services, pods and nodes through the API server, passed on by the kubelet of their node."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from podwire.apiserver.base import status
from podwire.apiserver.base.requests import Response
from podwire.apiserver.kinds.builtin import BUILTIN
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.streams import pod_streams, proxy_target
from podwire.apiserver.streams.node_dialer import NodeUnknownError
from podwire.apiserver.streams.proxy_target import SERVICE_LABEL
from podwire.apiserver.streams.relays import Proxied

if TYPE_CHECKING:
    from podwire.apiserver.call import Call
    from podwire.apiserver.reads.reader import Reader
    from podwire.apiserver.streams.node_dialer import NodeDialer
    from podwire.apiserver.streams.proxy_target import Address, Backend
    from podwire.http.reverse_proxy import Hop

Object = dict[str, Any]

SLICES = next(resource for resource in BUILTIN if resource.kind == "EndpointSlice")
KUBELET_PORTS = frozenset({"", "10250"})


class ProxyHandler:
    """The subresource `proxy` of each kind that has it."""

    def __init__(self, reader: Reader, dialer: NodeDialer) -> None:
        self._reader = reader
        self._dialer = dialer

    async def answer(self, call: Call) -> Response | Proxied:
        """Where to pass a request on; raises StatusError 400, 404 or 503."""
        rest, request = call.route.rest, call.request
        query = (
            f"?{urlencode([(n, v) for n, values in request.query.items() for v in values])}" if request.query else ""
        )
        if not rest and request.method in {"GET", "HEAD"}:
            # Relative links of the page must lead back to it (k8s.io/apimachinery `pkg/util/proxy/upgradeaware.go`).
            return Response(b"", 301, "text/plain; charset=utf-8", headers={"Location": f"{request.path}/{query}"})
        meant = proxy_target.address(call.key.name, call.resource.singular)
        hop = self._hop(call, meant, f"{rest or '/'}{query}")
        return Proxied(hop, request.body)

    def _hop(self, call: Call, meant: Address, path: str) -> Hop:
        found = self._reader.stored(call.resource, Key(call.resource.storage, call.key.namespace, meant.name)).object()
        prefix = call.request.path.removesuffix(call.route.rest)
        if call.resource.kind == "Node" and meant.port in KUBELET_PORTS:
            return pod_streams.kubelet_of(self._dialer, meant.name).hop(path, prefix)
        backend = self._backend(call, found, meant)
        try:
            endpoint = self._dialer.backend(backend.node, meant.scheme or "http", backend.address, backend.port)
        except NodeUnknownError as error:
            raise status.bad_request(str(error)) from error
        return endpoint.hop(path, prefix)

    def _backend(self, call: Call, found: Object, meant: Address) -> Backend:
        match call.resource.kind:
            case "Service":
                stored = self._reader.all(SLICES, call.key.namespace)
                slices = [entry.object() for entry in stored if entry.labels.get(SERVICE_LABEL) == meant.name]
                return random.choice(proxy_target.of_service(found, slices, meant.port))  # noqa: S311 - spreads, hides nothing
            case "Pod":
                return proxy_target.of_pod(found, meant.port)
            case _:
                return proxy_target.of_node(found, meant.port)
