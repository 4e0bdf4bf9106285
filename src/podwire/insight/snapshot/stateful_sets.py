"""Pods of StatefulSets one by one, with the labels that their controller gives each. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.insight.snapshot.workload import POD_NAME, PodPlace, Workload

POD_INDEX = "apps.kubernetes.io/pod-index"
OWN_LABELS = frozenset((POD_NAME, POD_INDEX))
"""Keys of the labels that each pod has another value of."""
MOST_SPLIT = 1000
"""Pods of a StatefulSet that differ by their own labels."""


def apart(whole: Workload) -> Iterator[Workload]:
    """Yield a value for each pod of a StatefulSet; any other workload as it is."""
    if whole.owner.kind != "StatefulSet" or whole.labels.keys() >= OWN_LABELS:
        yield whole
        return
    there: dict[str, tuple[PodPlace, ...]] = {one.name: (one,) for one in whole.pods}
    for name, places in (there or dict.fromkeys(whole.made_names()[:MOST_SPLIT], ())).items():
        labels = {**whole.labels, POD_NAME: name, POD_INDEX: name.rpartition("-")[2]}
        yield msgspec.structs.replace(whole, labels=labels, replicas=1, pods=places)
