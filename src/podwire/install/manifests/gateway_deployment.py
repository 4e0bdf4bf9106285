"""The gateway controller: its Deployment and PodDisruptionBudget, and the Service by which Envoys find the leader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.controller.xds_service import PORT_NAME, PROBE_PORT, SERVICE, XDS_PORT
from podwire.install.manifests import capabilities
from podwire.install.manifests.manifest import (
    POD_MONITORS,
    Manifest,
    common_labels,
    manifest,
    selecting_labels,
)
from podwire.install.settings import Settings
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import DEPLOYMENTS, POD_DISRUPTION_BUDGETS, SERVICES

NAME = SERVICE
COMPONENT = "gateway-controller"
CONTAINER = "gateway-controller"
USER = 65532
ENVOYS = "podwire-envoys"
OF_PROXIES = {"key": PROXY_LABEL, "operator": "Exists"}


def deployment(settings: Settings) -> Manifest:
    """The Deployment: its pods have a network of their own, where Envoys reach them."""
    labels = {"k8s-app": NAME, **common_labels(settings, COMPONENT)}
    args = ["gateway-controller", *gateway_flags(settings)]
    container = controller_container(settings, CONTAINER, args, PROBE_PORT, (PORT_NAME, XDS_PORT))
    spec = {
        "replicas": settings.controller_replicas,
        "selector": {"matchLabels": selecting_labels(COMPONENT)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": labels}, "spec": controller_pod(NAME, COMPONENT, container)},
    }
    return manifest(DEPLOYMENTS, NAME, labels, spec=spec)


def controller_pod(account: str, component: str, container: dict[str, Any]) -> dict[str, Any]:
    """The spec of a controller's pod, of which one leads: on different nodes, without rights on them."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selecting_labels(component)},
        "matchLabelKeys": ["pod-template-hash"],
    }
    return {
        "serviceAccountName": account,
        "dnsPolicy": "Default",
        "enableServiceLinks": False,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
        ],
        "topologySpreadConstraints": [spread],
        "terminationGracePeriodSeconds": 15,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }


def service(settings: Settings) -> Manifest:
    """The Service of the xDS server. It has no selector: the controller that leads writes its endpoint."""
    spec = {
        "ipFamilyPolicy": "PreferDualStack",
        "ports": [{"name": PORT_NAME, "port": XDS_PORT, "protocol": "TCP", "targetPort": XDS_PORT}],
    }
    return manifest(SERVICES, SERVICE, common_labels(settings, COMPONENT), namespace=PROXIES, spec=spec)


def disruption_budgets(settings: Settings) -> Iterator[Manifest]:
    """The PodDisruptionBudgets: at most one controller, and one Envoy of all proxies, is drained at a time."""
    labels = common_labels(settings, COMPONENT)
    spec: dict[str, Any] = {"maxUnavailable": 1, "selector": {"matchLabels": selecting_labels(COMPONENT)}}
    yield manifest(POD_DISRUPTION_BUDGETS, NAME, labels, spec=spec)
    spec = {"maxUnavailable": 1, "selector": {"matchExpressions": [OF_PROXIES]}}
    yield manifest(POD_DISRUPTION_BUDGETS, ENVOYS, labels, namespace=PROXIES, spec=spec)


def envoy_monitor(settings: Settings) -> Manifest:
    """A PodMonitor of all Envoys; series have the names of the node and of the proxy."""
    own = PROXY_LABEL.replace(".", "_").replace("/", "_")
    relabelings = [
        {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node", "action": "replace"},
        {"sourceLabels": [f"__meta_kubernetes_pod_label_{own}"], "targetLabel": "proxy", "action": "replace"},
    ]
    spec = {
        "selector": {"matchExpressions": [OF_PROXIES]},
        "podMetricsEndpoints": [{"port": "probes", "path": "/metrics", "relabelings": relabelings}],
    }
    return manifest(POD_MONITORS, ENVOYS, common_labels(settings, COMPONENT), namespace=PROXIES, spec=spec)


def controller_container(
    settings: Settings, name: str, args: list[str], probe_port: int, served: tuple[str, int]
) -> dict[str, Any]:
    """The container of a controller that serves others on a port of this name and number while it leads."""
    port_name, port = served
    return {
        "name": name,
        "image": settings.envoy_image,
        "imagePullPolicy": "IfNotPresent",
        "args": args,
        "env": [_of_pod("POD_NAME", "metadata.name"), _of_pod("POD_IPS", "status.podIPs")],
        "ports": [
            {"name": "metrics", "containerPort": probe_port, "protocol": "TCP"},
            {"name": port_name, "containerPort": port, "protocol": "TCP"},
        ],
        "livenessProbe": _probe("/healthz", probe_port, period=10, delay=10),
        "readinessProbe": _probe("/readyz", probe_port, period=2, delay=0),
        "securityContext": capabilities.security_context(),
        "resources": {"requests": {"cpu": "50m", "memory": "120Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def gateway_flags(settings: Settings) -> list[str]:
    """The flags of `podwire gateway-controller`."""
    return [
        f"--server={settings.server}",
        f"--envoy-image={settings.envoy_image}",
        f"--envoys={settings.envoys}",
    ]


def _of_pod(name: str, field: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": field}}}


def _probe(path: str, port: int, *, period: int, delay: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": port},
        "initialDelaySeconds": delay,
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": 3,
    }
