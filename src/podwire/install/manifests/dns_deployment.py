"""The cluster's DNS: Deployment `podwire-dns`, its PodDisruptionBudget, and the Service `kube-dns`."""

from __future__ import annotations

import ipaddress
from typing import Any

from podwire.install.manifests import capabilities
from podwire.install.manifests.manifest import Manifest, common_labels, manifest, selecting_labels
from podwire.install.settings import Settings
from podwire.kube.kinds import DEPLOYMENTS, POD_DISRUPTION_BUDGETS, SERVICES

NAME = "podwire-dns"
COMPONENT = "dns"
CONTAINER = "dns"
SERVICE_NAME = "kube-dns"
K8S_APP = {"k8s-app": SERVICE_NAME}
"""The label by which the Service and NetworkPolicies select the cluster's DNS, whichever program serves it."""

DNS_PORT = 53
METRICS_PORT = 9153
HEALTH_PORT, READY_PORT = 8080, 8181
USER = 65532
"""A number that no user of a node has; the image needs no user of that name."""
LINGER_SECONDS = 5
"""Nodes learn of a pod's end later than the pod itself."""


def deployment(settings: Settings) -> Manifest:
    """The Deployment."""
    labels = {**K8S_APP, **common_labels(settings, COMPONENT)}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "serviceAccountName": NAME,
            "dnsPolicy": "Default",
            "enableServiceLinks": False,
            "priorityClassName": "system-cluster-critical",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [
                {"key": "CriticalAddonsOnly", "operator": "Exists"},
                {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
            ],
            "topologySpreadConstraints": [_spread()],
            "terminationGracePeriodSeconds": LINGER_SECONDS + 10,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
                "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": str(DNS_PORT)}],
            },
            "containers": [_container(settings)],
        },
    }
    spec = {
        "replicas": settings.dns_replicas,
        "selector": {"matchLabels": selecting_labels(COMPONENT)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    return manifest(DEPLOYMENTS, NAME, labels, spec=spec)


def _spread() -> dict[str, Any]:
    """On different nodes, where there are as many; during a rollout the new pods among themselves."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selecting_labels(COMPONENT)},
        "matchLabelKeys": ["pod-template-hash"],
    }


def _container(settings: Settings) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["dns", *dns_flags(settings)],
        "ports": [
            _port("dns", DNS_PORT, "UDP"),
            _port("dns-tcp", DNS_PORT, "TCP"),
            _port("metrics", METRICS_PORT, "TCP"),
        ],
        "livenessProbe": _probe("/health", HEALTH_PORT, period=10, failures=3, delay=5),
        "readinessProbe": _probe("/ready", READY_PORT, period=2, failures=3, delay=0),
        "securityContext": capabilities.security_context(),
        "resources": {"requests": {"cpu": "50m", "memory": "70Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def dns_flags(settings: Settings) -> list[str]:
    """The flags of `podwire dns`."""
    return [
        f"--server={settings.server}",
        f"--domain={settings.domain}",
        f"--cluster-cidrs={','.join((*settings.service_cidrs, *settings.pod_cidrs))}",
        f"--upstreams={','.join(settings.upstreams)}",
        f"--linger={LINGER_SECONDS}",
    ]


def disruption_budget(settings: Settings) -> Manifest:
    """Draining nodes ends one DNS pod at a time."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selecting_labels(COMPONENT)}}
    return manifest(POD_DISRUPTION_BUDGETS, NAME, common_labels(settings, COMPONENT), spec=spec)


def service(settings: Settings) -> Manifest:
    """The Service at the addresses that every pod's resolv.conf names; its labels are those of other DNS servers."""
    families = [f"IPv{ipaddress.ip_address(address).version}" for address in settings.dns_addresses]
    spec = {
        "selector": K8S_APP,
        "clusterIP": settings.dns_addresses[0],
        "clusterIPs": list(settings.dns_addresses),
        "ipFamilies": families,
        "ipFamilyPolicy": "SingleStack" if len(families) == 1 else "RequireDualStack",
        "ports": [
            _service_port("dns", DNS_PORT, "UDP"),
            _service_port("dns-tcp", DNS_PORT, "TCP"),
            _service_port("metrics", METRICS_PORT, "TCP"),
        ],
    }
    named = {"kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    labels = {**K8S_APP, **named, **common_labels(settings, COMPONENT)}
    return manifest(SERVICES, SERVICE_NAME, labels, spec=spec)


def _port(name: str, number: int, protocol: str) -> dict[str, Any]:
    return {"name": name, "containerPort": number, "protocol": protocol}


def _service_port(name: str, number: int, protocol: str) -> dict[str, Any]:
    return {"name": name, "port": number, "protocol": protocol, "targetPort": number}


def _probe(path: str, port: int, *, period: int, failures: int, delay: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": port},
        "initialDelaySeconds": delay,
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }
