"""The fewest labels that select the pods of a workload and of no other in its namespace. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.insight.snapshot.fewest_labels import fewest_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwire.insight.suggest.observed import Peer


class Selectors:
    """Selectors of workloads, from the labels that all pods of each have."""

    def __init__(self, labels: Mapping[Peer, Mapping[str, str]]) -> None:
        self._labels = labels

    def of(self, workload: Peer) -> dict[str, str]:
        """The labels; empty where its pods have none in common."""
        others = [
            labels
            for other, labels in self._labels.items()
            if other.namespace == workload.namespace and other != workload
        ]
        return fewest_labels(self._labels.get(workload, {}), others)

    def also_selected(self, workload: Peer) -> list[Peer]:
        """Other workloads of the namespace that the selector cannot tell apart."""
        return self._others(workload, self.of(workload))

    def _others(self, workload: Peer, chosen: Mapping[str, str]) -> list[Peer]:
        return sorted(
            other
            for other, labels in self._labels.items()
            if other.namespace == workload.namespace and other != workload and chosen.items() <= labels.items()
        )
