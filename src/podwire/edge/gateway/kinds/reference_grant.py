"""ReferenceGrant. Source: gateway-api v1.6.3 `apis/v1/referencegrant_types.go`."""

from __future__ import annotations

import msgspec

from podwire.kube.gateway_api import GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct


class ReferenceGrantFrom(Struct, frozen=True):
    """Objects that may refer."""

    group: str = ""
    kind: str = ""
    namespace: str = ""


class ReferenceGrantTo(Struct, frozen=True):
    """Objects of the grant's namespace that may be referred to. No name: all of the kind."""

    group: str = ""
    kind: str = ""
    name: str | None = None


class ReferenceGrantSpec(Struct, frozen=True):
    """Each `from` may refer to each `to`."""

    from_: tuple[ReferenceGrantFrom, ...] = msgspec.field(default=(), name="from")
    to: tuple[ReferenceGrantTo, ...] = ()


class ReferenceGrant(Object, frozen=True):
    """References from other namespaces that its namespace permits."""

    spec: ReferenceGrantSpec = ReferenceGrantSpec()


REFERENCE_GRANTS = Kind(f"{GROUP}/v1", "ReferenceGrant", "referencegrants", ReferenceGrant)
