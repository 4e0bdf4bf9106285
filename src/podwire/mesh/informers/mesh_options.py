"""The options of the mesh, kept by an informer. What cannot be read changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from podwire.edge.gateway.parameters import ParameterError
from podwire.edge.model.tracing import Tracing
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS
from podwire.mesh.routes.options import OPTIONS, tracing

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.core import ConfigMap

log = logging.getLogger(__name__)


class MeshOptions:
    """`run` must run once; `changed` is called after each change. Until the ConfigMap is known nothing is traced."""

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        maps = msgspec.structs.replace(CONFIG_MAPS, within=OPTIONS.namespace)
        self.informer: Informer[ConfigMap] = Informer(
            client, maps, field_selector=f"metadata.name={OPTIONS.name}", name="options of the mesh"
        )
        self._changed = changed
        self.informer.subscribe(lambda _: self._read())
        self.tracing: Tracing | None = None
        self.problem = ""
        """What of the ConfigMap cannot be read, with the remedy."""

    def _read(self) -> None:
        found = self.informer.objects.get(OPTIONS)
        try:
            self.tracing = tracing({} if found is None else found.data)
            self.problem = ""
        except ParameterError as error:
            self.problem = f"ConfigMap {OPTIONS}: {error}"
            log.warning("%s; what it was before remains", self.problem)
        self._changed()

    async def run(self) -> None:
        """Follow the API server until cancelled."""
        await self.informer.run()
