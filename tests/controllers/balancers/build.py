"""Services of type LoadBalancer for tables of tests."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.kube.services import Service


def balanced(name: str = "web", *ips: str, **changes: Any) -> Service:
    """A Service of type LoadBalancer with these addresses in its status; further arguments are fields of its spec."""
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "creationTimestamp": changes.pop("created", "2026-01-01T00:00:00Z"),
        "annotations": changes.pop("annotations", {}),
        **changes.pop("metadata", {}),
    }
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "ipFamilies": ["IPv4"], **changes}
    status = {"loadBalancer": {"ingress": [{"ip": ip} for ip in ips]}}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, Service)
