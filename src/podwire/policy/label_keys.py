"""The keys of labels that policies read of pods: pods that differ in others are of one kind. No I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from podwire.policy.model import Policy
    from podwire.policy.tiers import ClusterPolicy


class LabelKeys:
    """Counts keys by the policies that read them: of pods of a policy's own namespace, or of pods anywhere."""

    def __init__(self, always: Iterable[ClusterPolicy] = ()) -> None:
        """`always`: policies that count whatever objects there are."""
        self._own: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._far: Counter[str] = Counter()
        for each in always:
            self._far.update(each.label_keys)

    def __len__(self) -> int:
        return len(self._far) + len(self._own)

    def of(self, namespace: str) -> Set[str]:
        """Return the keys that policies read of pods of the namespace."""
        return self._own.get(namespace, Counter[str]()).keys() | self._far.keys()

    def policy_changed(self, home: str, old: Policy | None, new: Policy | None) -> Set[str] | None:
        """Count a policy of namespace `home`; return the namespaces whose keys are others now, None for all."""
        own_before, far_before = set(self._own.get(home, ())), set(self._far)
        own = self._own[home]
        if new:
            own.update(new.own_label_keys)
            self._far.update(new.far_label_keys)
        if old:
            _subtract(own, old.own_label_keys)
            _subtract(self._far, old.far_label_keys)
        own_after = set(own)
        if not own:
            del self._own[home]
        if far_before != self._far.keys():
            return None
        return {home} if own_before != own_after else set()

    def cluster_policy_changed(self, old: ClusterPolicy | None, new: ClusterPolicy | None) -> Set[str] | None:
        """Count a ClusterNetworkPolicy; return the namespaces whose keys are others now: none, or None for all."""
        before = set(self._far)
        if new:
            self._far.update(new.label_keys)
        if old:
            _subtract(self._far, old.label_keys)
        return set() if before == self._far.keys() else None


def _subtract(counter: Counter[str], keys: Iterable[str]) -> None:
    for key in keys:
        counter[key] -= 1
        if counter[key] <= 0:
            del counter[key]
