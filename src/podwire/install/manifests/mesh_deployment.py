"""The mesh controller: its Deployment and PodDisruptionBudget, and the Service by which nodes find its signer.

The mesh's pods on nodes are the controller's own: it creates them when something is enrolled.
"""

from __future__ import annotations

from typing import Any

from podwire.install.manifests import gateway_deployment
from podwire.install.manifests.manifest import POD_MONITORS, Manifest, common_labels, manifest, selecting_labels
from podwire.install.settings import Settings
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import DEPLOYMENTS, POD_DISRUPTION_BUDGETS, SERVICES
from podwire.mesh.controller import daemon_set
from podwire.mesh.controller.signer_endpoint import PORT_NAME, PROBE_PORT, SERVICE
from podwire.mesh.identity.exchange import NODE_ACCOUNT, PORT
from podwire.mesh.model.node_pod import NODE_PROBE_PORT

NAME = SERVICE
COMPONENT, NODE_COMPONENT = "mesh-controller", "mesh-node"
NODE_NAME = NODE_ACCOUNT.name
NODE_MONITOR = "podwire-mesh-nodes"
NODE_BIND_ADDRESS = f"0.0.0.0:{NODE_PROBE_PORT},[::]:{NODE_PROBE_PORT}"


def deployment(settings: Settings) -> Manifest:
    """The Deployment: as that of the gateway controller, with a network of its own, where nodes reach it."""
    labels = {"k8s-app": NAME, **common_labels(settings, COMPONENT)}
    pod = gateway_deployment.controller_pod(NAME, COMPONENT, _container(settings))
    spec = {
        "replicas": settings.controller_replicas,
        "selector": {"matchLabels": selecting_labels(COMPONENT)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return manifest(DEPLOYMENTS, NAME, labels, spec=spec)


def service(settings: Settings) -> Manifest:
    """The Service of the signer. It has no selector: the controller that leads writes its endpoint."""
    spec = {
        "ipFamilyPolicy": "PreferDualStack",
        "ports": [{"name": PORT_NAME, "port": PORT, "protocol": "TCP", "targetPort": PORT}],
    }
    return manifest(SERVICES, SERVICE, common_labels(settings, COMPONENT), namespace=PROXIES, spec=spec)


def disruption_budget(settings: Settings) -> Manifest:
    """The PodDisruptionBudget: at most one controller is drained at a time."""
    spec: dict[str, Any] = {"maxUnavailable": 1, "selector": {"matchLabels": selecting_labels(COMPONENT)}}
    return manifest(POD_DISRUPTION_BUDGETS, NAME, common_labels(settings, COMPONENT), spec=spec)


def mesh_flags(settings: Settings) -> list[str]:
    """The flags of `podwire mesh-controller`."""
    return [
        f"--server={settings.server}",
        f"--mesh-image={settings.envoy_image}",
        f"--trust-domain={settings.domain}",
        *([f"--node-bind-address={NODE_BIND_ADDRESS}"] if settings.pod_monitors else []),
    ]


def node_monitor(settings: Settings) -> Manifest:
    """A PodMonitor of the mesh's pods on nodes: the golden metrics; series have the name of the node."""
    node = {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node", "action": "replace"}
    spec = {
        "selector": {"matchLabels": {"app.kubernetes.io/name": daemon_set.LABELS["app.kubernetes.io/name"]}},
        "podMetricsEndpoints": [{"port": daemon_set.METRICS_PORT, "path": "/metrics", "relabelings": [node]}],
    }
    labels = common_labels(settings, COMPONENT)
    return manifest(POD_MONITORS, NODE_MONITOR, labels, namespace=PROXIES, spec=spec)


def _container(settings: Settings) -> dict[str, Any]:
    return gateway_deployment.controller_container(
        settings, COMPONENT, [COMPONENT, *mesh_flags(settings)], PROBE_PORT, (PORT_NAME, PORT)
    )
