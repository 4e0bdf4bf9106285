"""The kinds of the Gateway API that belong to no route."""

from __future__ import annotations

from podwire.edge.gateway.kinds.gateway import GATEWAYS
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.edge.gateway.kinds.listener_set import LISTENER_SETS
from podwire.edge.gateway.kinds.reference_grant import REFERENCE_GRANTS

INFRASTRUCTURE = (GATEWAY_CLASSES, GATEWAYS, LISTENER_SETS, REFERENCE_GRANTS)
