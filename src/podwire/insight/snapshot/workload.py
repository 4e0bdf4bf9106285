"""Workloads with the pods that they have or would make. Pods that are the same to all selectors are one value."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.kube.core import FINISHED, ContainerPort, Pod, PodSpec
from podwire.kube.meta import NamespacedName

POD_NAME = "statefulset.kubernetes.io/pod-name"
VOLATILE = frozenset(
    (
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        POD_NAME,
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/controller-uid",
        "controller-uid",
    )
)
"""Labels that controllers give to pods of one workload, each another value: selectors seldom have them."""


class Owner(msgspec.Struct, frozen=True, order=True):
    """The object that a user writes to get pods: the Deployment behind a ReplicaSet, the CronJob behind a Job."""

    kind: str
    key: NamespacedName

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class PodPlace(msgspec.Struct, frozen=True):
    """A pod that exists or is written; addresses are empty before it is started."""

    name: str
    addresses: tuple[str, ...] = ()
    node: str = ""
    is_ready: bool = True
    is_finished: bool = False


class Workload(msgspec.Struct, frozen=True):
    """Pods of one owner with the same labels and ports.

    Attributes:
        owner: a bare pod owns itself.
        labels: those of the pods, without VOLATILE ones that no selector reads.
        spec: that of one of the pods.
        replicas: how many pods it has or will have.
        pods: those that exist; empty for pods that the owner will make.
        first: the ordinal of a StatefulSet's first pod.

    """

    owner: Owner
    labels: Mapping[str, str]
    spec: PodSpec
    replicas: int = 1
    pods: tuple[PodPlace, ...] = ()
    first: int = 0

    @property
    def namespace(self) -> str:
        """The namespace of owner and pods."""
        return self.owner.key.namespace

    @property
    def name(self) -> str:
        """The owner's name."""
        return self.owner.key.name

    @property
    def ports(self) -> tuple[ContainerPort, ...]:
        """The ports that its containers declare, sidecars' too."""
        sidecars = (one for one in self.spec.init_containers if one.restart_policy == "Always")
        return tuple(port for one in (*self.spec.containers, *sidecars) for port in one.ports)

    def number(self, name: str, protocol: str) -> int | None:
        """Return the number of a named port; None where no container has it."""
        return next((one.container_port for one in self.ports if (one.name, one.protocol) == (name, protocol)), None)

    def made_names(self) -> tuple[str, ...]:
        """Return the names that pods of a StatefulSet will have; none for other kinds, whose names are drawn."""
        if self.owner.kind != "StatefulSet":
            return ()
        own = self.labels.get(POD_NAME)
        return (own,) if own else tuple(f"{self.name}-{self.first + number}" for number in range(self.replicas))

    def __str__(self) -> str:
        return str(self.owner.key)


def owner_of(pod: Pod) -> Owner:
    """Return the owner of a pod that a user knows."""
    namespace = pod.metadata.namespace
    found = next((one for one in pod.metadata.owner_references if one.controller), None)
    found = found or next(iter(pod.metadata.owner_references), None)
    if found is None or found.kind == "Node":  # a static pod
        return Owner("Pod", pod.key)
    if found.kind == "ReplicaSet" and found.name.endswith(f"-{pod.metadata.labels.get('pod-template-hash')}"):
        return Owner("Deployment", NamespacedName(namespace, found.name.rpartition("-")[0]))
    if found.kind == "Job" and found.name.rpartition("-")[2].isdigit():
        return Owner("CronJob", NamespacedName(namespace, found.name.rpartition("-")[0]))
    return Owner(found.kind, NamespacedName(namespace, found.name))


def place_of(pod: Pod) -> PodPlace:
    """Return where a pod is. One that is written without conditions is taken to be ready."""
    finished, ready = pod.status.phase in FINISHED, pod.ready or not pod.status.conditions
    return PodPlace(pod.metadata.name, pod.addresses, pod.spec.node_name, ready, finished)
