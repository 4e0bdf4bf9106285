"""`podwire gateway-controller` as processes, with a token that may do no more than its roles."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from podwire.apiserver.definitions import bundle
from podwire.component import permissions
from podwire.edge.controller.xds_service import SERVICE
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.kube.client import ApiError, Client
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import ENDPOINT_SLICES, LEASES, Kind
from podwire.kube.meta import NamespacedName, Object
from tests.agent.test_program import ACCOUNT, Cluster, ended, eventually, page, program
from tests.sandbox import sandboxed

RBAC = "rbac.authorization.k8s.io/v1"
KINDS = {
    name: Kind(RBAC, name, f"{name.lower()}s", Object, namespaced=name.startswith("Role"))
    for name in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
}
DEFINITIONS: Kind[Object] = Kind(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Object, namespaced=False
)
XDS = NamespacedName(PROXIES, f"{SERVICE}-ipv4")


@contextlib.asynccontextmanager
async def authorised(folder: Path, *, definitions: bool = True) -> AsyncIterator[tuple[Cluster, Client]]:
    """A cluster with a token that has the roles of the table, and with the kinds of the Gateway API."""
    cluster = Cluster(folder, permissions.GATEWAY)
    async with cluster.on() as client:
        for body in permissions.objects({permissions.GATEWAY: permissions.account(ACCOUNT.namespace, ACCOUNT.name)}):
            kind, namespace = KINDS[body["kind"]], body["metadata"].get("namespace", "")
            with contextlib.suppress(ApiError):  # the server's own, which is bound to another subject
                await client.delete(kind, NamespacedName(namespace, body["metadata"]["name"]))
            await client.create(kind, body, namespace)
        await cluster.new_token(client)
        for body in bundle.definitions("standard") if definitions else ():
            await client.create(DEFINITIONS, body)
        yield cluster, client


def controller(cluster: Cluster, number: int) -> Any:
    """A replica that listens on 127.0.0.NUMBER, and whose pod has the address 10.0.0.NUMBER."""
    address = f"127.0.0.{number}"
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--log-format", "json", "--envoy-image", "envoys:1")
    listening = ("--bind-address", f"127.0.0.1:{18000 + number}", "--xds-bind", address)
    return program(
        "gateway-controller", *arguments, *listening, POD_NAME=f"controller-{number}", POD_IPS=f"10.0.0.{number}"
    )


async def until(call: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Return when the call returns this."""
    found: object = None
    try:
        async with asyncio.timeout(60):
            while found != wanted:
                try:
                    found = await call()
                except ApiError as error:
                    found = error
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{found} in place of {wanted}") from None


@sandboxed
async def test_the_leader_is_the_endpoint_of_xds_and_another_takes_over(tmp_path: Path) -> None:
    """Also where nobody has installed the kinds of the Gateway API yet."""
    async with authorised(tmp_path, definitions=False) as (cluster, client):

        async def endpoint() -> object:
            return [one for end in (await client.get(ENDPOINT_SLICES, XDS)).endpoints for one in end.addresses]

        async with controller(cluster, 2) as first:
            await until(endpoint, ["10.0.0.2"])
            await eventually("18002/metrics", 200, "podwire_gateway_leading 1")
            async with controller(cluster, 3) as second:
                await eventually("18003/readyz", 200)
                assert "podwire_gateway_leading 0" in (await page("18003/metrics"))[1]
                assert not await listens("127.0.0.3"), "an Envoy connects only to the leader"
                assert await listens("127.0.0.2")
                assert await endpoint() == ["10.0.0.2"]
                status, log = await ended(first)
                assert (status, [line for line in log if line["level"] == "error"]) == (0, [])
                await until(endpoint, ["10.0.0.3"])
                assert await listens("127.0.0.3")
                lease = await client.get(LEASES, NamespacedName(PROXIES, SERVICE))
                assert lease.spec.holder_identity == "controller-3"
                status, log = await ended(second)
    assert (status, [line for line in log if line["level"] == "error"]) == (0, [])


@sandboxed
async def test_a_class_is_created_and_accepted_where_there_is_none_of_its_own(tmp_path: Path) -> None:
    async with authorised(tmp_path) as (cluster, client):
        other = {"metadata": {"name": "other"}, "spec": {"controllerName": "example.org/other"}}
        await client.create(GATEWAY_CLASSES, other)

        async def accepted() -> object:
            found = await client.get(GATEWAY_CLASSES, NamespacedName("", "podwire"))
            return [one.status for one in found.status.conditions if one.type == "Accepted"]

        async with controller(cluster, 2) as process:
            await until(accepted, ["True"])
            found = await client.get(GATEWAY_CLASSES, NamespacedName("", "other"))
            assert all(one.status == "Unknown" for one in found.status.conditions), "it is another controller's"
            assert (await ended(process))[0] == 0


async def listens(address: str) -> bool:
    """Whether an xDS server accepts connections there."""
    try:
        _, writer = await asyncio.open_connection(address, 18000)
    except OSError:
        return False
    writer.close()
    return True
