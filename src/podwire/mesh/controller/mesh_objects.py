"""What the controller knows of the cluster: pods by what they may prove, and whether anything is enrolled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.kube.informer import Informer
from podwire.kube.kinds import DAEMON_SETS, NAMESPACES, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.mesh.controller.daemon_set import KEY
from podwire.mesh.identity.admission import Running, RunningPod, running_pod
from podwire.mesh.identity.exchange import NODE_ACCOUNT
from podwire.redirection import enrolment

if TYPE_CHECKING:
    from podwire.kube.apps import DaemonSet
    from podwire.kube.client import Client
    from podwire.kube.core import Namespace, Pod
    from podwire.kube.services import Service
    from podwire.kube.watch import Change


class Enrolled(msgspec.Struct, frozen=True, gc=False):
    """A namespace, a Service or a pod whose own labels enrol it."""

    key: NamespacedName


class MeshObjects:
    """Informers; `run` must run once. `changed` is called when something is enrolled or no longer."""

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self.running = Running()
        self._changed = changed
        pods: Informer[RunningPod] = Informer(client, PODS, keep=running_pod)
        pods.subscribe(self._pod)
        sets = msgspec.structs.replace(DAEMON_SETS, within=KEY.namespace)
        self._sets: Informer[DaemonSet] = Informer(client, sets, field_selector=f"metadata.name={KEY.name}")
        self._sets.subscribe(lambda _: changed())
        self._enrolled: tuple[Informer[Enrolled], ...] = (
            Informer(client, NAMESPACES, keep=_enrolled),
            Informer(client, SERVICES, keep=_enrolled),
        )
        for informer in self._enrolled:
            informer.subscribe(lambda _: changed())
        self._enrolled_pods: set[NamespacedName] = set()
        self.informers: tuple[Informer[Any], ...] = (pods, self._sets, *self._enrolled)

    @property
    def is_needed(self) -> bool:
        """Whether any namespace, Service or pod is enrolled."""
        return any(one.objects for one in self._enrolled) or bool(self._enrolled_pods)

    @property
    def daemon_set(self) -> DaemonSet | None:
        """The DaemonSet, if it exists and is not being deleted."""
        found = self._sets.objects.get(KEY)
        return found if found is not None and not found.metadata.deletion_timestamp else None

    def nodes(self) -> frozenset[str]:
        """Return the nodes that have pods of the mesh."""
        return self.running.nodes_of(NODE_ACCOUNT)

    @property
    def is_synced(self) -> bool:
        """Whether every kind is known."""
        return all(one.synced.is_set() for one in self.informers)

    async def synced(self) -> None:
        """Return when every kind is known."""
        for informer in self.informers:
            await informer.synced.wait()

    async def run(self) -> None:
        """Follow the API until cancelled. Raises ListenerError."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self.informers:
                tasks.create_task(informer.run())

    def _pod(self, change: Change[RunningPod]) -> None:
        for key in (one.key for one in (change.old, change.new) if one is not None):
            self.running.replace(key, change.new)
            before = len(self._enrolled_pods)
            if change.new is not None and change.new.is_enrolled:
                self._enrolled_pods.add(key)
            else:
                self._enrolled_pods.discard(key)
            if bool(before) != bool(self._enrolled_pods):
                self._changed()


def _enrolled(item: Namespace | Service | Pod) -> Enrolled | None:
    return Enrolled(item.key) if enrolment.enrolled(item.metadata.labels) else None
