"""What the Envoy of one node serves: the pods of the node and those of other nodes that it sends TLS to. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.kube.addresses import IPAddress
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.identity.spiffe import Spiffe
from podwire.mesh.model.workload import Workload


class NodeWorkloads(msgspec.Struct, frozen=True):
    """All that a node's Envoy is configured from.

    Attributes:
        trust_domain: of all identities.
        pods: all pods of the node, enrolled or not: each is a client whose identity is known by its address.
        peers: pods of other nodes whose connections pass an Envoy.
        authorization: the policies of the cluster.
        transport: which pods accept no plain text.
        doubtful: addresses that several pods of the node have, of which none has it here: an address that was freed and
            given out again before its old pod is gone. Connections from and to them are refused.

    """

    trust_domain: str
    pods: tuple[Workload, ...] = ()
    peers: tuple[Workload, ...] = ()
    authorization: Authorization = Authorization()
    transport: Transport = Transport()
    doubtful: frozenset[IPAddress] = frozenset()

    def identity(self, workload: Workload) -> Spiffe:
        """Return the identity of a pod."""
        return Spiffe(self.trust_domain, workload.namespace, workload.service_account)

    def addresses(self, workloads: tuple[Workload, ...]) -> Iterator[tuple[IPAddress, Spiffe]]:
        """Yield each address with its identity, in the order of addresses."""
        found = {address: self.identity(one) for one in workloads for address in one.addresses}
        yield from sorted(found.items(), key=lambda pair: (pair[0].version, int(pair[0])))

    @property
    def enrolled(self) -> tuple[Workload, ...]:
        """The pods of the node that are enrolled."""
        return tuple(one for one in self.pods if one.enrolled)

    @property
    def identities(self) -> frozenset[Spiffe]:
        """Those that the node needs certificates of."""
        return frozenset(map(self.identity, self.enrolled))

    @property
    def clients(self) -> dict[str, list[IPAddress]]:
        """Addresses of the enrolled pods of the node by namespace: requests of others are not routed."""
        found: dict[str, list[IPAddress]] = {}
        for one in self.enrolled:
            found.setdefault(one.namespace, []).extend(one.addresses)
        return found
