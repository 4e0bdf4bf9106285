"""Whether a reference into another namespace is permitted. Source: gateway-api v1.6.3 `referencegrant_types.go`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.kube.gateway_api import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.edge.gateway.kinds.reference_grant import ReferenceGrant
    from podwire.kube.meta import NamespacedName


class Referrer(msgspec.Struct, frozen=True):
    """The object that refers: its kind and namespace.

    Attributes:
        needs_grant: whether its references into other namespaces need one; those of a route on a Service do not: its
            clients reach all Services without the route too (GEP-1294).

    """

    kind: str
    namespace: str
    group: str = GROUP
    needs_grant: bool = True


def permits(
    grants: Iterable[ReferenceGrant], referrer: Referrer, kind: str, key: NamespacedName, group: str = ""
) -> bool:
    """Whether the object of this kind may be referred to: its own namespace always, another by a grant of that one."""
    if key.namespace == referrer.namespace or not referrer.needs_grant:
        return True
    return any(
        grant.metadata.namespace == key.namespace
        and any((one.group, one.kind, one.namespace) == _of(referrer) for one in grant.spec.from_)
        and any((one.group, one.kind) == (group, kind) and one.name in (None, "", key.name) for one in grant.spec.to)
        for grant in grants
    )


def remedy(referrer: Referrer, kind: str, key: NamespacedName, group: str = "") -> str:
    """Return what permits the reference, for messages."""
    to = f"{group or 'core'}/{kind}"
    return (
        f"create a ReferenceGrant in namespace {key.namespace} from {referrer.group}/{referrer.kind} of namespace "
        f"{referrer.namespace} to {to} {key.name}"
    )


def _of(referrer: Referrer) -> tuple[str, str, str]:
    return referrer.group, referrer.kind, referrer.namespace
