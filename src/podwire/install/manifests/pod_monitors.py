"""PodMonitors of the Prometheus operator. Source: its API reference, `monitoring.coreos.com/v1` PodMonitor."""

from __future__ import annotations

from podwire.install.manifests.manifest import POD_MONITORS, Manifest, common_labels, manifest, selecting_labels
from podwire.install.settings import Settings


def pod_monitor(settings: Settings, name: str, component: str) -> Manifest:
    """A PodMonitor that reads /metrics of a component's pods; series have the node's name."""
    node = {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node", "action": "replace"}
    spec = {
        "selector": {"matchLabels": selecting_labels(component)},
        "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "relabelings": [node]}],
    }
    return manifest(POD_MONITORS, name, common_labels(settings, component), spec=spec)
