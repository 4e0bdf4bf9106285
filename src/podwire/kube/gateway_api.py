"""Names of the Gateway API that several parts of podwire share.

Source: github.com/kubernetes-sigs/gateway-api v1.6.3.
"""

from __future__ import annotations

GROUP = "gateway.networking.k8s.io"
EXPERIMENTAL_GROUP = "gateway.networking.x-k8s.io"
GROUPS = frozenset({GROUP, EXPERIMENTAL_GROUP})

CONTROLLER_NAME = "podwire.io/gateway-controller"
"""`spec.controllerName` of the GatewayClasses that podwire's gateway controller acts on."""

MESH_CONTROLLER_NAME = "podwire.io/mesh-controller"
"""`controllerName` of the entries that the mesh writes into the status of routes on Services."""

CLASSES = ("podwire", "contour")
"""The GatewayClasses of a new world; the second so that manifests that name it apply unchanged."""

PROXIES = "podwire-system"
"""The namespace of the Envoys that serve Gateways, and of what they need."""
