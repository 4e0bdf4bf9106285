"""Status of the Node object, from the machine and the node's addresses."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from podwire import __version__
from podwire.lab.base import paths
from podwire.lab.network.topology import NodeAddresses

KUBELET_PORT = 10250
"""Where clients of the API server expect a kubelet; its paths are served there by the API server's proxy."""


def node_status(node: NodeAddresses, conditions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the status of a node with these conditions."""
    return {
        "addresses": [
            {"type": "InternalIP", "address": str(node.ipv4.ip)},
            {"type": "InternalIP", "address": str(node.ipv6.ip)},
            {"type": "Hostname", "address": node.name},
        ],
        "capacity": resources(),
        "allocatable": resources(),
        "conditions": list(conditions),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
        "nodeInfo": _node_info(node.name),
    }


def resources() -> Mapping[str, str]:
    """Return what the node has and can allocate, by resource: what the machine has, as a node sets no limits."""
    storage = os.statvfs(paths.WORLD if paths.WORLD.exists() else "/")
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": _memory(),
        "ephemeral-storage": f"{storage.f_blocks * storage.f_frsize // 1024}Ki",
        "pods": "250",
    }


def _memory() -> str:
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // 1024}Ki"


def _node_info(name: str) -> dict[str, str]:
    version = f"v1.37.0+podwire-{__version__}"
    return {
        "machineID": name,
        "systemUUID": name,
        "bootID": name,
        "kernelVersion": platform.release(),
        "osImage": "podwire (network namespace)",
        "containerRuntimeVersion": f"podwire://{__version__}",
        "kubeletVersion": version,
        "kubeProxyVersion": version,
        "operatingSystem": "linux",
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
    }
