"""Which pods and ports accept plain text by TransportPolicies. Pure.

The narrowest policy counts: one that selects pods, else that of the namespace, else that of podwire-system; of several
the oldest one (as Istio's PeerAuthentication, istio.io/docs/reference/config/security/peer_authentication).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property

import msgspec

from podwire.kube.gateway_api import PROXIES
from podwire.kube.selectors import matches
from podwire.mesh.kinds.transport_policy import STRICT, TransportPolicy
from podwire.mesh.model.workload import Workload


class Transport(msgspec.Struct, frozen=True, dict=True):
    """All policies."""

    policies: tuple[TransportPolicy, ...] = ()

    def policy_of(self, one: Workload) -> TransportPolicy | None:
        """Return the policy that counts for a pod; None: plain text is accepted."""
        return min(self._ranked(one), key=lambda pair: (pair[0], _age(pair[1])), default=(0, None))[1]

    def modes(self, one: Workload) -> tuple[bool, dict[int, bool]]:
        """Return whether a pod accepts only TLS, and for ports with a mode of their own whether they do."""
        policy = self.policy_of(one)
        if policy is None:
            return False, {}
        ports = {found.port: found.mode == STRICT for found in policy.spec.ports}
        return policy.spec.mode == STRICT, ports

    def rival_of(self, policy: TransportPolicy) -> TransportPolicy | None:
        """Return the older policy of the same pods that counts in place of this one; None where this one counts."""
        namespace, selector = policy.metadata.namespace, policy.spec.selector
        same = (one for one in self.policies if (one.metadata.namespace, one.spec.selector) == (namespace, selector))
        first = min(same, key=_age, default=policy)
        return None if first.key == policy.key else first

    def _ranked(self, one: Workload) -> Iterator[tuple[int, TransportPolicy]]:
        for policy in self._by_namespace.get(one.namespace, ()):
            if policy.spec.selector is None:
                yield 1, policy
            elif matches(policy.spec.selector, one.labels):
                yield 0, policy
        if one.namespace != PROXIES:
            yield from ((2, policy) for policy in self._by_namespace.get(PROXIES, ()) if policy.spec.selector is None)

    @cached_property
    def _by_namespace(self) -> Mapping[str, list[TransportPolicy]]:
        found: defaultdict[str, list[TransportPolicy]] = defaultdict(list)
        for policy in self.policies:
            found[policy.metadata.namespace].append(policy)
        return found


def _age(policy: TransportPolicy) -> tuple[str, str]:
    return (policy.metadata.creation_timestamp or "", policy.metadata.name)
