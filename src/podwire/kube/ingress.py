"""Names of Ingress that several parts of podwire share."""

from __future__ import annotations

CONTROLLER_NAME = "podwire.io/ingress-controller"
"""`spec.controller` of the IngressClasses that podwire acts on."""

NGINX_CONTROLLER_NAME = "k8s.io/ingress-nginx"
"""That of ingress-nginx, whose classes podwire serves where it is configured to."""

CLASSES = (("podwire", CONTROLLER_NAME), ("nginx", NGINX_CONTROLLER_NAME))
"""IngressClasses of a new world and their controllers; the second so that manifests for ingress-nginx run unchanged."""
