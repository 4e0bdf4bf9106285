"""Which policies select the pods of each identity of this node: found once, then kept up to date policy by policy."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from podwire.policy.model import Identity, Policy


class Selections:
    """The names of the policies that select an identity, by namespace."""

    def __init__(self) -> None:
        self._names: defaultdict[str, dict[Identity, set[str]]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._names)

    def of(self, identity: Identity, policies: Mapping[str, Policy], *, keep: bool) -> Set[str]:
        """Return the names among these, the policies of its namespace. `keep` it until it is removed."""
        known = self._names.get(identity.namespace, {}).get(identity)
        if known is not None:
            return known
        found = {name for name, policy in policies.items() if policy.selects(identity)}
        if keep:
            self._names[identity.namespace][identity] = found
        return found

    def policy_changed(self, namespace: str, name: str, new: Policy | None) -> None:
        """A policy of the namespace is new or changed, or is gone (None)."""
        for identity, names in self._names.get(namespace, {}).items():
            if new is not None and new.selects(identity):
                names.add(name)
            else:
                names.discard(name)

    def remove(self, identity: Identity) -> None:
        """No pod of this node has the identity any more."""
        found = self._names.get(identity.namespace, {})
        found.pop(identity, None)
        if not found:
            self._names.pop(identity.namespace, None)
