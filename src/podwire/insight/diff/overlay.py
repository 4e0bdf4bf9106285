"""Written objects as they would be in a live cluster. Pure."""

from __future__ import annotations

import msgspec

from podwire.insight.snapshot.snapshot import Snapshot


def applied(written: Snapshot, live: Snapshot) -> Snapshot:
    """Return the cluster with these objects in place of all that their namespaces have."""
    own = {
        *(one.namespace for one in written.workloads),
        *(one.metadata.namespace for one in (*written.policies, *written.services, *written.slices)),
        *(one.value["metadata"].get("namespace", "") for one in written.others),
    }
    kept = tuple(one for one in live.others if one.value["metadata"].get("namespace", "") not in own)
    return msgspec.structs.replace(
        live,
        namespaces={**written.namespaces, **live.namespaces, **_labelled(written)},
        workloads=(*written.workloads, *(one for one in live.workloads if one.namespace not in own)),
        policies=(*written.policies, *(one for one in live.policies if one.metadata.namespace not in own)),
        services=(*written.services, *(one for one in live.services if one.metadata.namespace not in own)),
        slices=(*written.slices, *(one for one in live.slices if one.metadata.namespace not in own)),
        others=(*written.others, *kept),
        notes=written.notes,
        cluster_policies=written.cluster_policies or live.cluster_policies,
        is_planned=True,
        manifests=written.manifests,
    )


def _labelled(written: Snapshot) -> dict[str, dict[str, str]]:
    """Return the namespaces that are written themselves."""
    keys = {key.name for kind, key in written.manifests if kind == "Namespace"}
    return {name: dict(labels) for name, labels in written.namespaces.items() if name in keys}
