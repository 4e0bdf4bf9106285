"""The kubelet of one node: it runs the pods that are bound to the node and writes their status.

It may be killed at any time: shims keep the pods, the pods' folders its state, and the next one adopts them.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping
from pathlib import Path

import msgspec

from podwire.kube import kinds
from podwire.kube.client import Client
from podwire.kube.core import Pod
from podwire.kube.credentials import Credentials
from podwire.kube.informer import Informer
from podwire.kube.meta import ObjectMeta
from podwire.kube.recorder import Recorder
from podwire.kube.watch import Change
from podwire.lab.container import passwd
from podwire.lab.images import resolver
from podwire.lab.images.store import Store
from podwire.lab.kubelet import node_conditions
from podwire.lab.kubelet.cni_client import CniError, Network
from podwire.lab.kubelet.eviction import EvictionMonitor
from podwire.lab.kubelet.http_server import KubeletServer
from podwire.lab.kubelet.node_context import NameResolution, Node, Objects
from podwire.lab.kubelet.node_endpoints import NodeEndpoints
from podwire.lab.kubelet.node_lease import LeaseThread
from podwire.lab.kubelet.node_status import NodeStatusWriter
from podwire.lab.kubelet.pod_plan import Machine
from podwire.lab.kubelet.pod_workers import PodWorkers
from podwire.lab.kubelet.resolv_conf import Resolver as NameResolver
from podwire.lab.kubelet.sandbox import SandboxRecord, read_record
from podwire.lab.network.topology import NodeAddresses
from podwire.lab.shim.client import Spawner

log = logging.getLogger(__name__)

COMPONENT = "kubelet"
IMAGES_SECONDS = 1.0
"""How often the image store is read: a pod that waits for an image starts within this time after it is loaded."""
NO_IMAGES = Path("/nonexistent")


class KubeletConfig(msgspec.Struct, frozen=True):
    """Settings of the kubelet of one node. Its process must be in the node's network namespace.

    `in_house` has podwire's own images by name; `images` is the folder of the user's image store, which need not exist.
    """

    node: NodeAddresses
    credentials: Credentials
    folder: Path
    ephemeral: Path
    network: Path
    pins: Path
    cni_configuration: Path
    cni_plugins: Path
    api_service: str
    dns_service: tuple[str, ...]
    upstream: tuple[str, ...]
    domain: str = "cluster.local"
    in_house: Mapping[str, resolver.InHouse] = msgspec.field(default_factory=dict)
    images: Path = NO_IMAGES


async def run(config: KubeletConfig, spawner: Spawner) -> None:
    """Run the kubelet until cancelled."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    lease = LeaseThread(Client(config.credentials, COMPONENT), config.node.name)
    async with Client(config.credentials, COMPONENT) as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(lease.run())
        tasks.create_task(Kubelet(config, client, spawner).run())


class Kubelet:
    """All pods of one node."""

    def __init__(self, config: KubeletConfig, client: Client, spawner: Spawner) -> None:
        self._recorder = Recorder(client, COMPONENT)
        self._pods: Informer[Pod] = Informer(client, kinds.PODS, field_selector=f"spec.nodeName={config.node.name}")
        self._objects = Objects(
            Informer(client, kinds.CONFIG_MAPS), Informer(client, kinds.SECRETS), Informer(client, kinds.SERVICES)
        )
        self.node = _node(config, client, spawner, (self._recorder, self._objects))
        self._status_writer = NodeStatusWriter(client, config.node, self.node.cni, config.ephemeral)
        self._images = config.images
        self.workers = PodWorkers(self.node)
        self._evictions = EvictionMonitor(self.workers.values, lambda: node_conditions.read(config.ephemeral))
        endpoints = NodeEndpoints(self.node, lambda: self.workers)
        self._server = KubeletServer(config.folder / "runtime.sock", self.workers.find, self._addresses, endpoints)

    async def run(self) -> None:
        """Follow the API and run its pods until cancelled."""
        for folder in (self.node.folder, self.node.ephemeral):
            (folder / "pods").mkdir(parents=True, exist_ok=True, mode=0o700)
        async with asyncio.TaskGroup() as group:
            informers = (self._pods, self._objects.config_maps, self._objects.secrets, self._objects.services)
            for informer in informers:
                group.create_task(informer.run())
            group.create_task(self._recorder.run())
            group.create_task(self._server.run())
            group.create_task(self._status_writer.run())
            group.create_task(self._follow_images())
            group.create_task(self._evictions.run())
            for informer in informers:
                await informer.synced.wait()
            await self._clear_up()
            self._pods.subscribe(self._pod_changed)
            await self._remove_orphans()  # those that were deleted meanwhile: no change is delivered for them
            self._objects.config_maps.subscribe(self.workers.config_map_changed)
            self._objects.secrets.subscribe(self.workers.secret_changed)
            self._objects.services.subscribe(self.workers.service_changed)

    async def _follow_images(self) -> None:
        """Wake every pod when the image store has changed."""
        store = Store(self._images)
        known = store.stamp
        while True:
            await asyncio.sleep(IMAGES_SECONDS)
            if store.stamp != known:
                known = store.stamp
                self.workers.poke_all()

    async def _clear_up(self) -> None:
        """Remove what is left of pods that the API does not have any more, from this node and from its network."""
        kept = await self._remove_orphans()
        valid = [record.uid for record in kept if not (record.retired or record.host_network)]
        try:
            await self.node.cni.collect(valid)
        except CniError as error:
            log.warning("collecting what dead pods left in the network: %s", error)

    async def _remove_orphans(self) -> list[SandboxRecord]:
        """End all pods that have a folder but neither an object nor a worker; return the records of the others."""
        desired = {pod.metadata.uid for pod in self._pods.objects.values()} | self.workers.keys()
        folders = [(folder, read_record(folder)) for folder in (self.node.folder / "pods").iterdir()]
        kept = [record for folder, record in folders if record is not None and folder.name in desired]
        await asyncio.gather(*(self._remove(folder, record) for folder, record in folders if record not in kept))
        return kept

    async def _remove(self, folder: Path, record: SandboxRecord | None) -> None:
        """End a pod of which only the folder is left."""
        uid = folder.name
        namespace, name = (record.namespace, record.name) if record is not None else ("", uid)
        log.info("pod %s/%s is gone from the API: removing it", namespace, name)
        await self.workers.remove(Pod(metadata=ObjectMeta(name=name, namespace=namespace, uid=uid)))

    def _pod_changed(self, change: Change[Pod]) -> None:
        if change.old is not None and (change.new is None or change.new.metadata.uid != change.old.metadata.uid):
            self.workers.deleted(change.old.metadata.uid)
        if change.new is not None:
            self.workers.update(change.new)

    def _addresses(self) -> set[str]:
        """The node's own addresses and those of its pods."""
        of_pods = (worker.sandbox.record.addresses for worker in self.workers.values())
        return {*self.node.addresses, *(address for addresses in of_pods for address in addresses)}


def _node(config: KubeletConfig, client: Client, spawner: Spawner, shared: tuple[Recorder, Objects]) -> Node:
    recorder, objects = shared
    machine = Machine(
        passwd=passwd.etc_passwd(),
        user_map=Path("/proc/self/uid_map").read_text(),
        group_map=Path("/proc/self/gid_map").read_text(),
        api_host=config.api_service,
    )
    return Node(
        name=config.node.name,
        addresses=(str(config.node.ipv4.ip), str(config.node.ipv6.ip)),
        folder=config.folder,
        ephemeral=config.ephemeral,
        network=config.network,
        pins=config.pins,
        machine=machine,
        names=NameResolution(NameResolver(config.upstream), config.dns_service, config.domain),
        client=client,
        cni=Network(config.cni_configuration, config.cni_plugins),
        spawner=spawner,
        recorder=recorder,
        resolver=_catalog(config),
        objects=objects,
    )


def _catalog(config: KubeletConfig) -> resolver.Catalog:
    machine, links = resolver.this_machine(), config.folder / "busybox"
    resolver.provide_applets(machine, links)
    return resolver.Catalog(machine, config.in_house, Store(config.images), str(links))
