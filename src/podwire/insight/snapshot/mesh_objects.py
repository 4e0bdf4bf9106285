"""The policies of the mesh as they are written or live, and what the mesh's own rules make of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from podwire.kube.selectors import label_keys
from podwire.kube.services import Service
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.identity.spiffe import DEFAULT_TRUST_DOMAIN
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES, AuthorizationPolicy
from podwire.mesh.kinds.request_authentication import REQUEST_AUTHENTICATIONS, RequestAuthentication
from podwire.mesh.kinds.transport_policy import TRANSPORT_POLICIES, TransportPolicy

ROUTES = frozenset(("HTTPRoute", "GRPCRoute"))
"""Kinds that Services may be parents of."""
KINDS = (AUTHORIZATION_POLICIES, REQUEST_AUTHENTICATIONS, TRANSPORT_POLICIES)


class MeshObjects(msgspec.Struct, frozen=True):
    """All policies of `mesh.podwire.dev`.

    Attributes:
        authorizations, authentications, transports: the policies.
        unreadable: what this account may not read.
        trust_domain: that of all identities.

    """

    authorizations: tuple[AuthorizationPolicy, ...] = ()
    authentications: tuple[RequestAuthentication, ...] = ()
    transports: tuple[TransportPolicy, ...] = ()
    unreadable: tuple[str, ...] = ()
    trust_domain: str = DEFAULT_TRUST_DOMAIN

    @property
    def is_empty(self) -> bool:
        """Whether it is known that there are none."""
        return not (self.authorizations or self.authentications or self.transports or self.unreadable)

    @property
    def all(self) -> tuple[AuthorizationPolicy | RequestAuthentication | TransportPolicy, ...]:
        """Every policy."""
        return (*self.authorizations, *self.authentications, *self.transports)

    @property
    def names_domains(self) -> bool:
        """Whether a policy may have an identity with its trust domain."""
        return b"spiffe://" in msgspec.json.encode(self.authorizations)

    @property
    def label_keys(self) -> frozenset[str]:
        """The keys of pods' labels that some selector reads."""
        selectors = (
            *(one.spec.selector for one in self.authorizations),
            *(one.spec.selector for one in self.authentications),
            *(one.spec.selector for one in self.transports if one.spec.selector is not None),
        )
        return frozenset().union(*map(label_keys, selectors))

    @property
    def transport(self) -> Transport:
        """Which pods accept plain text."""
        return Transport(self.transports)

    def authorization(self, services: Iterable[Service]) -> Authorization:
        """Return who may connect, in the order of the policies' names; `services` declare which ports speak HTTP."""
        return Authorization(
            tuple(reading.read(one).policy for one in sorted(self.authorizations, key=lambda one: one.key)),
            tuple(reading.read_tokens(one).policy for one in sorted(self.authentications, key=lambda one: one.key)),
            tuple(services),
        )


def of_listed(listed: Iterable[tuple[Any, ...]], unreadable: Iterable[str]) -> MeshObjects:
    """Return the objects of KINDS, in their order; `unreadable`: all resources that this account may not list."""
    authorizations, authentications, transports = listed
    own = {one.resource for one in KINDS}
    return MeshObjects(authorizations, authentications, transports, tuple(one for one in unreadable if one in own))
