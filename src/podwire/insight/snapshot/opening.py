"""Open a snapshot as the flags of a command name it: files, folders, revisions, kustomizations, or a live cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources import reading
from podwire.insight.sources.manifests import Manifest, ManifestError
from podwire.policy.model import IPNetwork

if TYPE_CHECKING:
    from podwire.insight.target import Choice

LIVE = "live"


class Sources(msgspec.Struct, frozen=True):
    """What a command reads.

    Attributes:
        names: files, folders, `-`, revisions of git, or `live`; none with no kustomization means `live`.
        kustomizations: folders that `kubectl kustomize` renders.
        is_recursive: whether folders in folders are read.
        namespace: of objects that name none.
        pod_ranges: where pods without an address will be; of the nodes, or usual ones, where none is given.
        under: objects that are there too; those of the other names take their place.

    """

    names: tuple[str, ...] = ()
    kustomizations: tuple[str, ...] = ()
    is_recursive: bool = False
    namespace: str = "default"
    pod_ranges: tuple[IPNetwork, ...] = ()
    under: Sources | None = None

    @property
    def is_live(self) -> bool:
        """Whether an API server is read."""
        return self.names == (LIVE,) or not (self.names or self.kustomizations)


def open_snapshot(
    sources: Sources, choice: Choice | None = None, *, with_requests: bool = False, with_routes: bool = False
) -> Snapshot:
    """Read the objects. Raises ManifestError, for a live cluster UnreachableError and what `target.choose` raises.

    `with_requests`: Ingresses and Gateway API of a live cluster too, `with_routes`: the routes of a mesh; both always
    of files.
    """
    if sources.is_live and sources.under is None:
        from podwire.insight import target
        from podwire.insight.snapshot import live

        reader = live.read_with_routes if with_routes else live.read
        reader = live.read_with_requests if with_requests else reader
        chosen = target.choose(choice or target.Choice())
        found = chosen.read(reader)
        is_world = chosen.world is not None
        is_closed = chosen.world is not None and chosen.world.default_deny
        return msgspec.structs.replace(found, default_deny=is_closed, serves_nginx=is_world)
    if LIVE in sources.names:
        raise ManifestError(f"{LIVE}: cannot be joined with files: give either")
    return snapshot_of(_written(sources), sources.namespace, sources.pod_ranges)


def _written(sources: Sources) -> tuple[Manifest, ...]:
    own = reading.read(sources.names, sources.kustomizations, is_recursive=sources.is_recursive)
    return own if sources.under is None else (*_written(sources.under), *own)
