"""The identities that pods of the cluster have, with the number of pods of each, found by their labels. No I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from podwire.kube.meta import LabelSelector
    from podwire.policy.model import Identity

Label = tuple[str, str]


class Kinds:
    """Identities by namespace. A policy names few of them: those with its labels are found without a look at others."""

    def __init__(self) -> None:
        self._pods: defaultdict[str, Counter[Identity]] = defaultdict(Counter)
        self._labelled: defaultdict[str, defaultdict[Label, dict[Identity, None]]] = defaultdict(
            lambda: defaultdict(dict)
        )

    def __len__(self) -> int:
        """Namespaces that are kept."""
        return len(self._pods.keys() | self._labelled.keys())

    def __contains__(self, identity: Identity) -> bool:
        return identity in self._pods.get(identity.namespace, {})

    @property
    def namespaces(self) -> Set[str]:
        """The namespaces with pods."""
        return self._pods.keys()

    def selected(self, namespace: str, selector: LabelSelector) -> Iterable[Identity]:
        """Return the identities of a namespace that the selector selects."""
        labels = selector.match_labels.items()
        if not labels:
            return [one for one in self._pods.get(namespace, ()) if one.selected_by(selector)]
        labelled = self._labelled.get(namespace)
        if labelled is None:
            return []
        found = min((labelled.get(label, {}) for label in labels), key=len)
        if len(labels) == 1 and not selector.match_expressions:
            return list(found)
        return [one for one in found if one.selected_by(selector)]

    def count(self, identity: Identity, difference: int) -> int:
        """Count so many pods more; return how many there are now. The last one takes its identity with it."""
        pods = self._pods[identity.namespace]
        known = identity in pods
        pods[identity] += difference
        now = pods[identity]
        if now and not known:
            self._index(identity)
        elif not now:
            self._remove(identity)
        return now

    def _index(self, identity: Identity) -> None:
        labelled = self._labelled[identity.namespace]
        for label in identity.labels:
            labelled[label][identity] = None

    def _remove(self, identity: Identity) -> None:
        namespace = identity.namespace
        del self._pods[namespace][identity]
        if not self._pods[namespace]:
            del self._pods[namespace]
            self._labelled.pop(namespace, None)
            return
        labelled = self._labelled[namespace]
        for label in identity.labels:
            labelled[label].pop(identity, None)
            if not labelled[label]:
                del labelled[label]
