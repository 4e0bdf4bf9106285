"""Admission: checks and completions that need other objects, called in order inside the write.

Each one may change the object, and raises StatusError to refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import status
from podwire.apiserver.base.field_errors import Cause
from podwire.apiserver.storage.revisions import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.storage.transaction import Transaction
    from podwire.apiserver.writes.service_allocator import ServiceAddresses

    Admission = Callable[["Write"], None]

    Judge = Callable[["Write", str], tuple[str, ...]]
    """Returns warnings about a write, or raises StatusError, by its operation: CREATE, UPDATE, DELETE or CONNECT.

    Of a DELETE, `obj` and `old` are both the object that is to be deleted; of a CONNECT, `obj` is its options.
    """

    Removal = Callable[[Transaction, Resource, "Object"], None]
    """What is removed in the same write as an object."""

Object = dict[str, Any]

_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


class Write(msgspec.Struct, frozen=True, gc=False):
    """A create (`old` None) or an update on its way to the store."""

    resource: Resource
    obj: Object
    old: Object | None
    transaction: Transaction
    user: User | None = None
    """The user of the request; None is the server itself."""
    subresource: str = ""
    dry_run: bool = False
    connected: Key | None = None
    """The object that a CONNECT is about."""


def living_namespace(write: Write) -> None:
    """Refuse a new object in a namespace that does not exist or is being deleted (plugin NamespaceLifecycle)."""
    if not write.resource.namespaced or write.old is not None:
        return
    metadata = write.obj["metadata"]
    name = metadata["namespace"]
    namespace = write.transaction.get(Key("namespaces", "", name))
    if namespace is None:
        details = status.Details(name, "", "namespaces")
        raise status.StatusError(404, "NotFound", f'namespaces "{name}" not found', details)
    if namespace.fields.get("status.phase") == "Terminating":
        cause = Cause("metadata.namespace", "NamespaceTerminating", f"namespace {name} is being terminated")
        why = f"unable to create new content in namespace {name} because it is being terminated"
        raise status.forbidden(write.resource, metadata["name"], why, [cause])


def default_ingress_class(store: Store) -> Admission:
    """Give a new Ingress without a class the default one (k8s.io/kubernetes admission plugin DefaultIngressClass).

    Of several default classes it is the newest, of those made in the same second the first by name.
    """

    def admit(write: Write) -> None:
        if write.resource.storage != "ingresses.networking.k8s.io" or write.old is not None:
            return
        annotations = write.obj["metadata"].get("annotations") or {}
        spec = write.obj.setdefault("spec", {})  # one without a spec is refused later, by validation
        if _CLASS_ANNOTATION in annotations or "ingressClassName" in spec:
            return
        classes = [stored.object()["metadata"] for stored in store.objects("ingressclasses.networking.k8s.io")]
        marked = [one for one in classes if (one.get("annotations") or {}).get(_DEFAULT_CLASS_ANNOTATION) == "true"]
        newest = max((one["creationTimestamp"] for one in marked), default="")
        for name in sorted(one["name"] for one in marked if one["creationTimestamp"] == newest)[:1]:
            spec["ingressClassName"] = name

    return admit


def service_addresses(addresses: ServiceAddresses, usable: Callable[[Transaction], Callable[[str], bool]]) -> Admission:
    """Give Services their addresses and node ports; what a refused write took is released.

    `usable` returns, for a transaction, whether a range gives addresses by its name.
    """

    def admit(write: Write) -> None:
        if write.resource.storage != "services":
            return
        reservation = addresses.reserve(write.obj, write.old, usable(write.transaction))
        refusal = reservation.refusal
        if refusal is not None and refusal.internal:
            raise status.internal(refusal.internal)
        if refusal is not None:
            raise status.invalid(write.resource, write.obj["metadata"]["name"], refusal.causes)
        write.transaction.when_done(reservation.confirm, reservation.cancel)

    return admit


def external_addresses(*, allowed: bool) -> Admission:
    """Refuse new externalIPs of Services unless allowed; existing ones may stay or become fewer.

    A user who may write Services could otherwise receive the traffic to any address (CVE-2020-8554; k8s.io/kubernetes
    admission plugin DenyServiceExternalIPs).
    """

    def admit(write: Write) -> None:
        if allowed or write.resource.storage != "services":
            return
        held = () if write.old is None else write.old["spec"].get("externalIPs") or ()
        if not set(write.obj["spec"].get("externalIPs") or ()) <= set(held):
            why = "Use of external IPs is denied by admission control"
            raise status.forbidden(write.resource, write.obj["metadata"]["name"], why)

    return admit
