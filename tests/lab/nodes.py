"""A node with a real API server, a real runtime and a small CNI plugin, for tests inside a world's sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from podwire.apiserver.main import ApiServerConfig, running
from podwire.kernel import namespaces
from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import NODES, PODS
from podwire.kube.meta import NamespacedName
from podwire.lab.base import paths
from podwire.lab.images.resolver import InHouse
from podwire.lab.kubelet.kubelet import Kubelet, KubeletConfig
from podwire.lab.kubelet.node_dialer import UnixSocketDialer
from podwire.lab.network.topology import NodeAddresses
from podwire.lab.roles.manifests import node_object
from podwire.pki import certificates
from tests.lab.shims import DEADLINE, ForkSpawner

NODE = NodeAddresses(
    "node-1",
    ipaddress.IPv4Interface("172.18.0.2/16"),
    ipaddress.IPv6Interface("fd00:172:18::2/64"),
    ipaddress.IPv4Network("10.244.1.0/24"),
    ipaddress.IPv6Network("fd00:10:244:1::/64"),
)

PLUGIN = """#!/bin/sh
# Routed veth pairs with addresses counted up: enough of a network for one node.
state=/run/podwire/cni/state
mkdir -p $state
case "$CNI_COMMAND" in
ADD)
  if test -e $state/refuse; then echo '{"code": 11, "msg": "not yet"}'; exit 1; fi
  echo "$CNI_ARGS" > $state/$CNI_CONTAINERID
  number=$(ls $state/count* 2>/dev/null | wc -l); number=$((number + 10)); touch $state/count$number
  ip link add pw$number type veth peer name eth0 netns $CNI_NETNS
  ip link set pw$number up
  ip route add 10.244.1.$number/32 dev pw$number
  ip address add 169.254.1.1/32 dev pw$number
  nsenter --net=$CNI_NETNS sh -c "ip link set eth0 up; ip address add 10.244.1.$number/32 dev eth0
    ip route add 169.254.1.1 dev eth0; ip route add default via 169.254.1.1"
  echo '{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"'$CNI_NETNS'"}],'
  echo '"ips":[{"address":"10.244.1.'$number'/32","interface":0}],"dns":{}}' ;;
DEL) rm -f $state/$CNI_CONTAINERID ;;
GC) cat > $state/gc; while test -e $state/hold; do sleep 0.01; done ;;
esac
"""


class NodeOfTest:
    """The API and one node's runtime; short words for what a user does."""

    def __init__(self, client: Client, config: KubeletConfig) -> None:
        self.client = client
        self.config = config
        self.kubelet = Kubelet(config, client, ForkSpawner())
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self.kubelet.run())

    async def stop(self) -> None:
        """As kill -9: nothing is reported."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, self.kubelet.workers.cancel(), return_exceptions=True)
            self._task = None

    async def restart(self) -> None:
        await self.stop()
        self.kubelet = Kubelet(self.config, self.client, ForkSpawner())
        await self.start()

    async def create(self, name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
        body = {
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"nodeName": NODE.name, "containers": list(containers), **spec},
        }
        await self.client.create(PODS, body, "default")
        return await self.pod(name)

    async def pod(self, name: str) -> dict[str, Any]:
        raw = await self.client.fetch(f"/api/v1/namespaces/default/pods/{name}")
        return json.loads(raw)  # type: ignore[no-any-return]

    async def when(self, name: str, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The pod as soon as it fulfils the condition."""
        pod: dict[str, Any] = {}
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    pod = await self.pod(name)
                    with contextlib.suppress(LookupError):
                        if condition(pod):
                            return pod
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"not in time: {pod.get('status')} {await self.events(name)}") from None

    async def gone(self, name: str) -> None:
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    await self.pod(name)
                except ApiError:
                    return
                await asyncio.sleep(0.01)

    async def events(self, name: str) -> list[tuple[str, str]]:
        raw = json.loads(await self.client.fetch("/api/v1/namespaces/default/events"))
        return [
            (item["reason"], item.get("message", "")) for item in raw["items"] if item["involvedObject"]["name"] == name
        ]

    async def event(self, name: str, reason: str) -> str:
        async with asyncio.timeout(DEADLINE):
            while True:
                for found, message in await self.events(name):
                    if found == reason:
                        return message
                await asyncio.sleep(0.01)

    async def delete(self, name: str, grace_seconds: int | None = None) -> None:
        await self.client.delete(PODS, NamespacedName("default", name), grace_seconds=grace_seconds)


Pod = dict[str, Any]
PODS_FOLDER = paths.node(NODE.name) / "pods"


def state_of(pod: Pod, name: str = "main", key: str = "state") -> Pod:
    entries = pod["status"].get("containerStatuses", []) + pod["status"].get("initContainerStatuses", [])
    found: Pod = {entry["name"]: entry for entry in entries}.get(name, {})
    state: Pod = found.get(key, {})
    return state


def log_of(pod: Pod, name: str = "main", run: int = 0) -> str:
    path = PODS_FOLDER / pod["metadata"]["uid"] / "logs" / name / f"{run}.log"
    return path.read_text() if path.exists() else ""


def is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def shell(script: str, **settings: Any) -> dict[str, Any]:
    return {"name": "main", "image": "busybox", "command": ["/bin/sh", "-c", script], **settings}


def _keys() -> tuple[ApiServerConfig, Callable[[int], Credentials]]:
    authority = certificates.Authority.create()
    certificates.write(paths.PKI, "ca", authority.pair)
    certificates.write(paths.PKI, "server", authority.server())
    certificates.write(paths.PKI, "admin", authority.client("kubernetes-admin", ["system:masters"]))
    folder = str(paths.PKI)
    config = ApiServerConfig(
        store=":memory:",
        authority_file=f"{folder}/ca.crt",
        certificate_file=f"{folder}/server.crt",
        key_file=f"{folder}/server.key",
        listen=(("127.0.0.1", 6443),),
        service_ranges=("10.96.0.0/16", "fd00:10:96::/112"),
        cluster_addresses=("10.96.0.1", "fd00:10:96::1"),
        endpoint_addresses=("172.18.0.1", "fd00:172:18::1"),
        dial_nodes=lambda _: UnixSocketDialer(paths.NODES),
    )
    return config, lambda port: Credentials(
        f"https://127.0.0.1:{port}", f"{folder}/ca.crt", f"{folder}/admin.crt", f"{folder}/admin.key"
    )


def _plugin() -> None:
    paths.CNI_PLUGINS.mkdir(parents=True)
    paths.CNI_NETWORKS.mkdir(parents=True)
    plugin = paths.CNI_PLUGINS / "test"
    plugin.write_text(PLUGIN)
    plugin.chmod(0o755)
    (paths.CNI_NETWORKS / "10.conflist").write_text(
        '{"cniVersion": "1.1.0", "name": "test", "plugins": [{"type": "test"}]}'
    )


@contextlib.asynccontextmanager
async def node(**in_house: InHouse) -> AsyncIterator[NodeOfTest]:
    """Everything started; call it inside a test that is `in_world`."""
    server, credentials = _keys()
    _plugin()
    namespaces.pin("/proc/self/ns/net", paths.network(NODE.name))
    async with running(server), Client(credentials(6443)) as client:
        await client.create(NODES, node_object(NODE))
        config = KubeletConfig(
            node=NODE,
            credentials=credentials(6443),
            folder=paths.node(NODE.name),
            ephemeral=paths.ephemeral(NODE.name),
            network=paths.network(NODE.name),
            pins=paths.NETWORKS / "pods",
            cni_configuration=paths.CNI_NETWORKS / "10.conflist",
            cni_plugins=paths.CNI_PLUGINS,
            api_service="10.96.0.1",
            dns_service=("10.96.0.10",),
            upstream=("172.18.255.1",),
            in_house=in_house,
        )
        subject = NodeOfTest(client, config)
        await subject.start()
        try:
            yield subject
        finally:
            await subject.stop()
