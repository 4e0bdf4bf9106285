"""The objects that every world starts with: its nodes and its DNS. Pure: a topology in, objects out."""

from __future__ import annotations

import base64
import platform
from collections.abc import Mapping
from typing import Any

from podwire.dns.default_corefile import default_corefile
from podwire.kube import cluster_dns
from podwire.lab.network.topology import NodeAddresses, Topology

DNS_IMAGE = "podwire/dns"
CREDENTIALS = "coredns-credentials"
CREDENTIALS_PATH = "/etc/podwire"
CREDENTIALS_FILES = {"ca.crt": "ca.crt", "tls.crt": "dns.crt", "tls.key": "dns.key"}
"""The keys of the Secret, and the files of the world's keys that they are filled from."""
REGION = "local"
"""The region of all zones of a world."""
DNS_PORT = 53
DNS_REPLICAS = 2
"""As in clusters; the second one costs a world 11 MB."""
READY_PORT = 8181


def node_object(node: NodeAddresses) -> dict[str, Any]:
    """A Node as it is before its runtime reports that it is Ready."""
    labels = {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
    }
    if node.zone:
        labels |= {"topology.kubernetes.io/region": REGION, "topology.kubernetes.io/zone": node.zone}
    pod_cidrs = [str(node.pods4), str(node.pods6)]
    return {
        "metadata": {"name": node.name, "labels": labels},
        "spec": {"podCIDR": pod_cidrs[0], "podCIDRs": pod_cidrs},
    }


def dns_credentials(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The Secret by which the DNS pods prove themselves to the API server: `ca.crt`, `tls.crt` and `tls.key`."""
    data = {key: base64.b64encode(content).decode() for key, content in files.items()}
    return {"metadata": {"name": CREDENTIALS, "namespace": "kube-system"}, "data": data}


def dns_service(topology: Topology) -> dict[str, Any]:
    """The Service `kube-dns` at the address that every pod's resolv.conf names."""
    ports = [
        {"name": "dns", "port": DNS_PORT, "protocol": "UDP", "targetPort": DNS_PORT},
        {"name": "dns-tcp", "port": DNS_PORT, "protocol": "TCP", "targetPort": DNS_PORT},
    ]
    labels = {**cluster_dns.LABELS, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    return {
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": cluster_dns.LABELS,
            "clusterIP": topology.dns_service[0],
            "clusterIPs": list(topology.dns_service),
            "ipFamilies": ["IPv4", "IPv6"],
            "ipFamilyPolicy": "PreferDualStack",
            "ports": ports,
        },
    }


def dns_config_map(topology: Topology) -> dict[str, Any]:
    """The ConfigMap `coredns` with the Corefile, which the DNS pods use again when it changes."""
    corefile = default_corefile(topology.domain, (str(topology.outside4.ip),))
    return {"metadata": {"name": "coredns", "namespace": "kube-system"}, "data": {"Corefile": corefile}}


def dns_deployment(topology: Topology) -> dict[str, Any]:
    """The Deployment `coredns`: podwire's own DNS server under the name that people look for."""
    probe = {"httpGet": {"path": "/ready", "port": READY_PORT}, "periodSeconds": 1, "failureThreshold": 3}
    container = {
        "name": "coredns",
        "image": DNS_IMAGE,
        "args": [
            f"--server=https://{topology.api_service[0]}:443",
            f"--domain={topology.domain}",
            f"--upstream={topology.outside4.ip}",
            f"--cluster-ranges={topology.services4},{topology.services6},{topology.pods4},{topology.pods6}",
        ],
        "ports": [
            {"name": "dns", "containerPort": DNS_PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": DNS_PORT, "protocol": "TCP"},
        ],
        "readinessProbe": probe,
        "volumeMounts": [{"name": "credentials", "mountPath": CREDENTIALS_PATH, "readOnly": True}],
    }
    template = {
        "metadata": {"labels": cluster_dns.LABELS},
        "spec": {
            "dnsPolicy": "Default",
            # It has a certificate; the first token would cost a starting world 0.1 s and the API server 10 MB.
            "automountServiceAccountToken": False,
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "credentials", "secret": {"secretName": CREDENTIALS}}],
        },
    }
    return {
        "metadata": {"name": "coredns", "namespace": "kube-system", "labels": cluster_dns.LABELS},
        "spec": {"replicas": DNS_REPLICAS, "selector": {"matchLabels": cluster_dns.LABELS}, "template": template},
    }
