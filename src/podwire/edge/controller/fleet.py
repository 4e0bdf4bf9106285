"""The objects of a proxy: a Deployment of Envoys and the Secret by which they prove who they are. Pure."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import msgspec

from podwire.edge.gateway.parameters import Parameters
from podwire.kube import quantities
from podwire.kube.gateway_api import PROXIES
from podwire.kube.meta import NamespacedName

PROXY_LABEL = "gateway.podwire.io/proxy"
"""On Envoys' pods: the proxy that they are of."""
CREDENTIALS_PATH, FILES_PATH = "/etc/envoy/credentials", "/run/envoy"
PROBE_PORT = 19001
HEAP_SHARE = Decimal("0.9")
"""Of the limit of memory: above it an Envoy takes no further requests, so that the kernel does not end it."""
USER = 65532
"""No user of any image."""


class FleetSettings(msgspec.Struct, frozen=True):
    """What all Envoys of this controller have in common.

    Attributes:
        image: of Envoy's container.
        server, port: where Envoys find the xDS server.
        server_name: DNS name in its certificate.
        replicas: Envoys of a proxy.
        drain_seconds: longest time for which an Envoy that ends serves its connections.
        cpu, memory: requested, and the limit of memory, both as quantities.
        connections: of clients to one Envoy at the same time; further ones are closed.
        command: words before the flags of the container.

    """

    image: str
    server: str
    port: int
    server_name: str
    replicas: int = 1
    drain_seconds: int = 30
    workers: int = 2
    cpu: str = "100m"
    memory: str = "128Mi"
    memory_limit: str = "1Gi"
    connections: int = 10_000
    command: tuple[str, ...] = ()


def settings_of(settings: FleetSettings, parameters: Parameters) -> FleetSettings:
    """Return the settings of one proxy: what its parameters have, and the controller's for the rest."""
    given = {name: getattr(parameters, name) for name in ("replicas", "cpu", "memory", "memory_limit", "connections")}
    made = msgspec.structs.replace(settings, **{name: value for name, value in given.items() if value})
    least, limit = quantities.number(made.memory), quantities.number(made.memory_limit)
    if least <= limit:
        return made
    # Only one of the two is given: the other follows.
    larger = made.memory if parameters.memory else made.memory_limit
    return msgspec.structs.replace(made, memory=larger, memory_limit=larger)


def name_of(proxy: str) -> NamespacedName:
    """Return the name of the proxy's Deployment and Secret."""
    return NamespacedName(PROXIES, f"envoy-{proxy}")


def labels(proxy: str) -> dict[str, str]:
    """Return the labels of its pods."""
    return {"app.kubernetes.io/name": "envoy", "app.kubernetes.io/managed-by": "podwire", PROXY_LABEL: proxy}


def secret(proxy: str, files: dict[str, bytes]) -> dict[str, Any]:
    """Return the Secret with its certificate, its key and the authority of the xDS server."""
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    return {"metadata": {"name": name_of(proxy).name, "labels": labels(proxy)}, "data": data}


def deployment(proxy: str, settings: FleetSettings) -> dict[str, Any]:
    """Return the Deployment. An Envoy that ends is replaced first, and drains then."""
    selector = {PROXY_LABEL: proxy}
    template = {"metadata": {"labels": labels(proxy)}, "spec": _pod(proxy, settings, selector)}
    return {
        "metadata": {"name": name_of(proxy).name, "labels": labels(proxy)},
        "spec": {
            "replicas": settings.replicas,
            "selector": {"matchLabels": selector},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template,
        },
    }


def _pod(proxy: str, settings: FleetSettings, selector: dict[str, str]) -> dict[str, Any]:
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector},
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": settings.drain_seconds + 5,
        "topologySpreadConstraints": [spread],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(proxy, settings)],
        "volumes": [
            {"name": "credentials", "secret": {"secretName": name_of(proxy).name, "defaultMode": 0o440}},
            {"name": "files", "emptyDir": {}},
        ],
    }


def _container(proxy: str, settings: FleetSettings) -> dict[str, Any]:
    arguments = {
        "node": "$(POD_NAME)",
        "proxy": proxy,
        "server": settings.server,
        "port": settings.port,
        "server-name": settings.server_name,
        "credentials": CREDENTIALS_PATH,
        "folder": FILES_PATH,
        "probe-port": PROBE_PORT,
        "workers": settings.workers,
        "connections": settings.connections,
        "heap-bytes": int(quantities.number(settings.memory_limit) * HEAP_SHARE),
        "drain-seconds": settings.drain_seconds,
    }
    probe = {"httpGet": {"path": "/ready", "port": PROBE_PORT}, "periodSeconds": 1, "failureThreshold": 2}
    return {
        "name": "envoy",
        "image": settings.image,
        "args": [*settings.command, *(f"--{name}={value}" for name, value in arguments.items())],
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"name": "probes", "containerPort": PROBE_PORT, "protocol": "TCP"}],
        "readinessProbe": probe,
        "resources": {
            "requests": {"cpu": settings.cpu, "memory": settings.memory},
            "limits": {"memory": settings.memory_limit},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "credentials", "mountPath": CREDENTIALS_PATH, "readOnly": True},
            {"name": "files", "mountPath": FILES_PATH},
        ],
    }
