"""A gateway loop at work on an API server in memory, with an Envoy that acknowledges all that it gets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from podwire.edge.controller import identity
from podwire.edge.controller.fleet import PROXY_LABEL, FleetSettings
from podwire.edge.controller.gateway_loop import GatewayLoop
from podwire.edge.controller.release import DEFINITION
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.edge.xds.proxy import Proxies, Report
from podwire.kube.client import ApiError
from podwire.kube.gateway_api import CONTROLLER_NAME, EXPERIMENTAL_GROUP, PROXIES
from podwire.kube.kinds import CONFIG_MAPS, PODS, SERVICES, Kind
from podwire.kube.meta import NamespacedName
from tests.edge.xds.fake_envoy import FakeEnvoy
from tests.kube.fake_api import FakeApi, parse

CLASS, NAMESPACE, NODE = "edge", "shop", "envoy-1"
OF_KIND = {one.kind: one for one in (*KINDS, SERVICES, CONFIG_MAPS)}


class GatewayApi(FakeApi):
    """The kinds of the Gateway API too, and server-side apply of objects that have one owner."""

    experimental = False
    release = "v1.6.3"

    def user(self, kind: str, name: str, **fields: Any) -> None:
        """Make an object, or change its spec, as a user does."""
        generation = self.found(kind, name).get("metadata", {}).get("generation", 0) + 1
        self.put(OF_KIND[kind], name, NAMESPACE, metadata={"generation": generation}, **fields)

    def found(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object."""
        return self.objects.get(OF_KIND[kind].resource, {}).get(NamespacedName(NAMESPACE, name), {})

    def conditions(self, kind: str, name: str) -> dict[str, str]:
        """Return status and reason of each condition of an object's newest generation."""
        item = self.found(kind, name)
        found = item.get("status", {}).get("conditions", [])
        generation = item.get("metadata", {}).get("generation")
        return {
            one["type"]: f"{one['status']} {one['reason']}" for one in found if one["observedGeneration"] == generation
        }

    def balance(self, name: str, *addresses: str) -> None:
        """Give addresses to a Service, as a provider of load balancers does."""
        status = {"loadBalancer": {"ingress": [{"ip": one} for one in addresses]}}
        self.put(SERVICES, name, NAMESPACE, status=status)

    async def watch(self, kind: Kind[Any], namespace: str = "", **parameters: str) -> AsyncIterator[bytes]:
        async for line in super().watch(kind, "", **parameters):
            if not line or not namespace or msgspec.json.decode(line)["object"]["metadata"]["namespace"] == namespace:
                yield line

    async def fetch(self, path: str) -> bytes:
        if path == f"/apis/{EXPERIMENTAL_GROUP}" and not self.experimental:
            raise ApiError(404, "NotFound", path)
        if path == DEFINITION:
            annotations = {"gateway.networking.k8s.io/bundle-version": self.release}
            return msgspec.json.encode({"metadata": {"annotations": annotations}})
        return b"{}"

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        if content_type.startswith("application/apply-patch") and body is not None:
            address = parse(path)
            if address.key not in self.objects.get(address.resource, {}):
                return msgspec.json.encode(self._create(address.resource, address.key, msgspec.json.decode(body)))
        return await super()._call(method, path, body, parameters=parameters, content_type=content_type)


@contextlib.asynccontextmanager
async def at_work(api: GatewayApi) -> AsyncIterator[GatewayLoop]:
    """Run a loop that leads."""

    def reported(report: Report) -> None:
        loop.reported(report)

    proxies = Proxies(reported)
    loop = GatewayLoop(api, proxies, FleetSettings("podwire/envoy", "127.0.0.1", 18000, "xds"))
    api.put(GATEWAY_CLASSES, CLASS, spec={"controllerName": CONTROLLER_NAME})
    tasks = [asyncio.create_task(loop.live.run())]
    try:
        async with asyncio.timeout(30):
            await loop.live.synced()
            established = await identity.establish(api, "xds")
        tasks += [asyncio.create_task(loop.follow()), asyncio.create_task(loop.lead(established))]
        tasks.append(asyncio.create_task(_envoy(api, proxies)))
        yield loop
    finally:
        for task in tasks:
            task.cancel()
        for failure in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(failure, Exception):
                raise failure


def add_envoy(api: GatewayApi, *, ready: bool = True) -> None:
    """Make the pod of the Envoy that acknowledges."""
    status = {
        "phase": "Running",
        "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }
    metadata = {"labels": {PROXY_LABEL: CLASS}}
    api.put(PODS, NODE, PROXIES, metadata=metadata, spec={"nodeName": "node-1"}, status=status)


async def _envoy(api: GatewayApi, proxies: Proxies) -> None:
    await api.until(lambda: proxies.get(CLASS) is not None, None)
    proxy = proxies.get(CLASS)
    assert proxy is not None
    awake, envoy = asyncio.Event(), FakeEnvoy()
    connection = proxy.connect(NODE, awake.set)
    awake.set()
    while True:
        await awake.wait()
        awake.clear()
        while envoy.requests:
            connection.receive(envoy.requests.pop(0))
        for response in connection.responses():
            envoy.wanted = {one.key for one in proxy.snapshot}
            envoy.receive(response, frozenset())
            awake.set()
