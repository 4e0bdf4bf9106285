"""What all pods of one node share: its name and folders, clients of the API and of other processes, and objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from podwire.kube.client import Client
from podwire.kube.core import ConfigMap, Pod, Secret
from podwire.kube.informer import Informer
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.recorder import Recorder
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.lab.images.environment import Sources
from podwire.lab.kubelet.cni_client import Network
from podwire.lab.kubelet.node_files import NodeFiles
from podwire.lab.kubelet.node_object import resources
from podwire.lab.kubelet.pod_plan import Machine, Resolver
from podwire.lab.kubelet.resolv_conf import Resolver as NameResolver
from podwire.lab.kubelet.resolv_conf import hosts_file, pod_resolver
from podwire.lab.kubelet.service_links import service_links
from podwire.lab.shim.client import Spawner

ObjectT = TypeVar("ObjectT", bound=Object)


class InNamespace(Mapping[str, ObjectT], Generic[ObjectT]):
    """The objects of one namespace by name, as a view on all."""

    def __init__(self, objects: Mapping[NamespacedName, ObjectT], namespace: str) -> None:
        self._objects = objects
        self._namespace = namespace

    def __getitem__(self, name: str) -> ObjectT:
        return self._objects[NamespacedName(self._namespace, name)]

    def __iter__(self) -> Iterator[str]:
        return (key.name for key in self._objects if key.namespace == self._namespace)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class NameResolution(msgspec.Struct, frozen=True):
    """Name resolution of the node's pods: the node's own resolver, the cluster's DNS addresses and domain."""

    node: NameResolver
    cluster: tuple[str, ...]
    domain: str

    def files(self, pod: Pod, addresses: tuple[str, ...]) -> dict[str, str]:
        """The files of a pod's /etc by name."""
        return {
            "resolv.conf": str(pod_resolver(pod, self.node, self.cluster, self.domain)),
            "hosts": hosts_file(pod, addresses, self.domain),
        }


class Objects:
    """The objects that pods refer to. Services are indexed by namespace and name."""

    def __init__(
        self, config_maps: Informer[ConfigMap], secrets: Informer[Secret], services: Informer[Service]
    ) -> None:
        self.config_maps = config_maps
        self.secrets = secrets
        self.services = services
        self.by_namespace: dict[str, dict[str, Service]] = {}
        self._links: dict[str, dict[str, str]] = {}
        services.subscribe(self._index)

    def links(self, namespace: str) -> Mapping[str, str]:
        """Return the variables that name the Services of a namespace; made once after each change of one."""
        if namespace not in self._links:
            self._links[namespace] = service_links(self.by_namespace.get(namespace, {}).values())
        return self._links[namespace]

    def _index(self, change: Change[Service]) -> None:
        for item in (change.old, change.new):
            if item is not None:
                self._links.pop(item.metadata.namespace, None)
        if change.new is not None:
            self.by_namespace.setdefault(change.new.metadata.namespace, {})[change.new.metadata.name] = change.new
        elif change.old is not None:
            found = self.by_namespace.get(change.old.metadata.namespace, {})
            found.pop(change.old.metadata.name, None)
            if not found:
                self.by_namespace.pop(change.old.metadata.namespace, None)


class Node(msgspec.Struct, frozen=True):
    """One node as its pods see it.

    `folder` has its state; `ephemeral`, a file system of bounded size, what pods write; `pins` their pinned networks.
    """

    name: str
    addresses: tuple[str, ...]
    folder: Path
    ephemeral: Path
    network: Path
    pins: Path
    machine: Machine
    names: NameResolution
    client: Client
    cni: Network
    spawner: Spawner
    recorder: Recorder
    resolver: Resolver
    objects: Objects

    def sources(self, pod: Pod, pod_addresses: tuple[str, ...]) -> Sources:
        """What the pod may refer to."""
        namespace = pod.metadata.namespace
        return Sources(
            InNamespace(self.objects.config_maps.objects, namespace),
            InNamespace(self.objects.secrets.objects, namespace),
            pod_addresses,
            self.addresses,
            allocatable=resources(),
        )

    def services(self, namespace: str) -> list[Service]:
        """The Services of a namespace."""
        return list(self.objects.by_namespace.get(namespace, {}).values())

    @property
    def files(self) -> NodeFiles:
        """What hostPath volumes show."""
        return NodeFiles(self.folder, self.ephemeral / "host", self.name, str(self.names.node))

    def pod_folder(self, uid: str) -> Path:
        """The folder of a pod's state."""
        return self.folder / "pods" / uid

    @property
    def last_group(self) -> int:
        """The highest group id that exists in this world."""
        return max(int(line.split()[0]) + int(line.split()[2]) - 1 for line in self.machine.group_map.splitlines())
