"""The fewest labels that select the pods of a workload and of no other in its namespace. Pure."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podwire.insight.suggest.observed import Peer

PREFERRED = ("app.kubernetes.io/name", "app", "k8s-app", "app.kubernetes.io/component", "component", "name")
"""Labels that name workloads by convention, the best known first."""
MOST_LABELS = 3
"""Labels of a selector before it takes all that the workload has."""


class Selectors:
    """Selectors of workloads, from the labels that all pods of each have."""

    def __init__(self, labels: Mapping[Peer, Mapping[str, str]]) -> None:
        self._labels = labels

    def of(self, workload: Peer) -> dict[str, str]:
        """The labels; empty where its pods have none in common."""
        own = self._labels.get(workload, {})
        keys = sorted(own, key=lambda key: (PREFERRED.index(key) if key in PREFERRED else len(PREFERRED), key))
        for size in range(1, min(MOST_LABELS, len(keys)) + 1):
            for chosen in itertools.combinations(keys, size):
                found = {key: own[key] for key in chosen}
                if not self._others(workload, found):
                    return found
        return {key: own[key] for key in keys}

    def also_selected(self, workload: Peer) -> list[Peer]:
        """Other workloads of the namespace that the selector cannot tell apart."""
        return self._others(workload, self.of(workload))

    def _others(self, workload: Peer, chosen: Mapping[str, str]) -> list[Peer]:
        return sorted(
            other
            for other, labels in self._labels.items()
            if other.namespace == workload.namespace and other != workload and _matches(chosen.items(), labels)
        )


def _matches(chosen: Iterable[tuple[str, str]], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in chosen)
