"""Manifests as text: YAML with the reason of each capability, a JSON List, or values for the Helm chart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

from podwire.install.manifests.capabilities import REASONS
from podwire.install.manifests.manifest import Manifest
from podwire.install.settings import Settings
from podwire.kube.yaml_output import Dumper

_CAPABILITY = re.compile(rf"^( *- )({'|'.join(REASONS)})$", re.MULTILINE)


def as_yaml(manifests: Iterable[Manifest]) -> str:
    """One YAML document an object, as `kubectl apply -f -` reads them."""
    return "".join(f"---\n{_explained(dump(one.body))}" for one in manifests)


def as_json(manifests: Iterable[Manifest]) -> str:
    """One object of kind List."""
    items = [one.body for one in manifests]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2) + "\n"


def dump(value: Any) -> str:
    """YAML in block style with the keys in the order in which they were written."""
    return str(yaml.dump(value, Dumper=Dumper, sort_keys=False, width=1000))


def _explained(text: str) -> str:
    return _CAPABILITY.sub(lambda match: f"{match[0]}  # {REASONS[match[2]]}", text)


def chart_values(settings: Settings) -> dict[str, Any]:
    """The values by which the chart in deploy/chart makes the same objects."""
    return {
        "image": settings.image,
        "server": settings.server,
        "podCIDRs": list(settings.pod_cidrs),
        "serviceCIDRs": list(settings.service_cidrs),
        "overlay": settings.overlay,
        "overlayAccept": settings.overlay_accept,
        "mtu": settings.mtu,
        "podAccessCIDRs": list(settings.pod_access_cidrs),
        "replaceKubeProxy": settings.replace_kube_proxy,
        "agentFlags": list(settings.agent_flags),
        "dns": {
            "enabled": settings.dns,
            "addresses": list(settings.dns_addresses),
            "replicas": settings.dns_replicas,
            "domain": settings.domain,
            "upstreams": list(settings.upstreams),
        },
        "controller": {
            "podPools": list(settings.pod_pools),
            "namespacePools": list(settings.namespace_pools),
            "lbPool": list(settings.lb_pool),
            "internalLbPool": list(settings.internal_lb_pool),
            "replicas": settings.controller_replicas,
        },
        "gateway": {
            "enabled": settings.has_gateway,
            "image": settings.gateway_image,
            "envoys": settings.envoys,
        },
        "mesh": {"enabled": settings.mesh},
        "podMonitors": settings.pod_monitors,
    }
