"""ListenerSet: more listeners of a Gateway. Source: gateway-api v1.6.3 `apis/v1/listenerset_types.go`."""

from __future__ import annotations

from podwire.edge.gateway.kinds.gateway import Listener, ListenerStatus
from podwire.edge.gateway.kinds.references import ParentReference
from podwire.kube.gateway_api import GROUP
from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, Object, Struct


class ListenerSetSpec(Struct, frozen=True):
    """The Gateway and the listeners that it gets."""

    parent_ref: ParentReference = ParentReference()
    listeners: tuple[Listener, ...] = ()


class ListenerSetStatus(Struct, frozen=True):
    """What the controller wrote."""

    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class ListenerSet(Object, frozen=True):
    """More listeners of a Gateway, in use if the Gateway's allowedListeners admits them."""

    spec: ListenerSetSpec = ListenerSetSpec()
    status: ListenerSetStatus = ListenerSetStatus()


LISTENER_SETS = Kind(f"{GROUP}/v1", "ListenerSet", "listenersets", ListenerSet)
