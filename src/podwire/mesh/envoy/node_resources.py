"""All resources of a node's Envoy, from the workloads that it serves. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from podwire.edge.xds.resource import Resource
from podwire.mesh.envoy import inside, listeners, opened, pods, secrets, tokens
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.identity.certificate import Leaf, TrustBundle
from podwire.mesh.identity.spiffe import Spiffe
from podwire.pki.certificates import KeyPair


class Credentials(msgspec.Struct, frozen=True):
    """The certificates that a node has, and what it verifies those of others with.

    Attributes:
        bundle: verifies peers.
        opened: a certificate that is not verified (`opened.certificate`).
        leaves: by identity.

    """

    bundle: TrustBundle
    opened: KeyPair
    leaves: dict[Spiffe, Leaf] = {}


def resources(
    node: NodeWorkloads, credentials: Credentials, versions: Sequence[int] = (4, 6), keys_socket: str = ""
) -> Iterator[Resource]:
    """Return all resources.

    `versions` are the IP versions that the node has; key sets are served on the unix socket `keys_socket`.
    """
    yield from pods.clusters(node.trust_domain)
    yield from inside.clusters(inside.INSIDE, inside.INSIDE_TLS, inside.SELF, opened.OPENED, opened.OPENED_TLS)
    if node.authorization.tokens:
        yield tokens.keys_cluster(keys_socket)
    yield from listeners.listeners(node, versions)
    yield from certificates(node, credentials)


def certificates(node: NodeWorkloads, credentials: Credentials) -> Iterator[Resource]:
    """Return the certificates of the node's enrolled pods.

    That of an identity is for connections to its pods. Connections from a pod find it by the pod's address.
    """
    yield secrets.trust_bundle(credentials.bundle)
    yield secrets.pair(opened.SECRET_NAME, credentials.opened)
    for leaf in credentials.leaves.values():
        yield secrets.leaf(leaf)
    for address, identity in node.addresses(node.enrolled):
        if identity in credentials.leaves:
            yield secrets.leaf(credentials.leaves[identity], str(address))
