"""The fewest labels that select the pods of a workload and no others. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping

_STANDARD = "app.kubernetes.io/"
PREFERRED = (
    f"{_STANDARD}name", "app", "k8s-app", "name", f"{_STANDARD}instance", f"{_STANDARD}component", "component",
)  # fmt: skip
"""Labels that name workloads by convention, the best known first."""
MOST_LABELS = 3
"""Labels of a selector before it takes all that the workload has."""


def fewest_labels(own: Mapping[str, str], others: Collection[Mapping[str, str]]) -> dict[str, str]:
    """Return the fewest of the labels that none of the others has all of; all of them where there are no such ones."""
    rank = {key: number for number, key in enumerate(PREFERRED)}
    keys = sorted(own, key=lambda key: (rank.get(key, len(rank)), key))
    for count in range(1, min(MOST_LABELS, len(keys)) + 1):
        for chosen in itertools.combinations(keys, count):
            found = {key: own[key] for key in chosen}
            if not any(found.items() <= one.items() for one in others):
                return found
    return {key: own[key] for key in keys}
