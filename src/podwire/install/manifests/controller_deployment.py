"""The Deployment `podwire-controller`: ranges of nodes and addresses of load balancers, where a cluster lacks them."""

from __future__ import annotations

from typing import Any

from podwire.install.manifests import capabilities
from podwire.install.manifests.manifest import Manifest, common_labels, manifest, selecting_labels
from podwire.install.settings import Settings
from podwire.kube.kinds import DEPLOYMENTS

NAME = "podwire-controller"
COMPONENT = "controller"
CONTAINER = "controller"
PORT = 10246
USER = 65532


def deployment(settings: Settings) -> Manifest:
    """The Deployment. It runs in the networks of nodes: no pod has a network before its node has ranges."""
    labels = {"k8s-app": NAME, **common_labels(settings, COMPONENT)}
    pod = {
        "serviceAccountName": NAME,
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "enableServiceLinks": False,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 15,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(settings)],
    }
    spec = {
        "replicas": settings.controller_replicas,
        "selector": {"matchLabels": selecting_labels(COMPONENT)},
        # Its port is a port of the node, so an old and a new pod cannot be on the same one.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return manifest(DEPLOYMENTS, NAME, labels, spec=spec)


def _container(settings: Settings) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["controller", *controller_flags(settings)],
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
        "ports": [{"name": "health", "containerPort": PORT, "hostPort": PORT, "protocol": "TCP"}],
        "livenessProbe": _probe("/healthz", period=10, delay=10),
        "readinessProbe": _probe("/readyz", period=2, delay=0),
        "securityContext": capabilities.security_context(),
        "resources": {"requests": {"cpu": "10m", "memory": "60Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def controller_flags(settings: Settings) -> list[str]:
    """The flags of `podwire controller`."""
    return [
        f"--server={settings.server}",
        *(f"--pod-pool={pool}" for pool in settings.pod_pools),
        *(f"--namespace-pool={pool}" for pool in settings.namespace_pools),
        *([f"--lb-pool={','.join(settings.lb_pool)}"] if settings.lb_pool else []),
        *([f"--internal-lb-pool={','.join(settings.internal_lb_pool)}"] if settings.internal_lb_pool else []),
    ]


def _probe(path: str, *, period: int, delay: int) -> dict[str, Any]:
    """It listens on loopback only; the kubelet is on the same node."""
    return {
        "httpGet": {"host": "127.0.0.1", "path": path, "port": PORT},
        "initialDelaySeconds": delay,
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": 3,
    }
