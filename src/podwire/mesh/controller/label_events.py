"""Events about labels that are meant to enrol a namespace, a Service or a pod, and do not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from podwire.kube import mesh_labels
from podwire.kube.informer import Informer
from podwire.kube.kinds import NAMESPACES, PODS, SERVICES

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import Object
    from podwire.kube.recorder import Recorder
    from podwire.kube.watch import Change

REASON = "UnknownMeshLabel"
_UNKNOWN = f"{mesh_labels.LABEL},{mesh_labels.LABEL} notin ({mesh_labels.ENABLED},{mesh_labels.DISABLED})"
_KINDS: tuple[Kind[Any], ...] = (NAMESPACES, SERVICES, PODS)


class LabelEvents:
    """`lead` must run in the leader alone. The API server selects the objects: right ones cost nothing here."""

    def __init__(self, client: Client, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder

    async def lead(self) -> None:
        """Record events until cancelled. Raises ListenerError."""
        async with asyncio.TaskGroup() as tasks:
            for kind in _KINDS:
                tasks.create_task(self._follow(kind))

    async def _follow(self, kind: Kind[Any]) -> None:
        def changed(change: Change[Object]) -> None:
            new, old = change.new, change.old
            if new is None or (old is not None and old.metadata.labels == new.metadata.labels):
                return
            if found := mesh_labels.ignored(new.metadata.labels):
                self._recorder.event(kind, new, REASON, found, warning=True)

        informer: Informer[Object] = Informer(self._client, kind, label_selector=_UNKNOWN)
        informer.subscribe(changed)
        await informer.run()
