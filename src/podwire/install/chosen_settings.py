"""Settings from what a user gave and what a cluster has. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from podwire.install import detection
from podwire.install.detection import Cluster
from podwire.install.settings import Settings, SettingsError, default_image, dns_addresses, own_version
from podwire.kube.pod_pools import added_ranges, namespace_pool, pool

NEEDED = ("server", "pod_cidrs", "service_cidrs")
"""Settings that are read from the cluster where they are not given."""


class Choice(msgspec.Struct, frozen=True):
    """Settings, and in words where those that were not given come from and what there is to know about them."""

    settings: Settings
    sources: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


def is_complete(given: Mapping[str, Any]) -> bool:
    """Whether nothing has to be read from a cluster."""
    return all(given.get(name) for name in NEEDED)


def choose(given: Mapping[str, Any], cluster: Cluster | None) -> Choice:
    """The settings; without a cluster all NEEDED ones must be given. Raises SettingsError."""
    values = {name: value for name, value in given.items() if value is not None}
    sources = []
    if values.get("pod_pools") and not values.get("pod_cidrs"):
        values["pod_cidrs"] = pool_ranges(values["pod_pools"])
    if cluster is not None:
        for name, found in _detected(values, cluster):
            values[name] = found.value
            shown = ",".join(found.value) if isinstance(found.value, tuple) else found.value
            sources.append(f"--{name.replace('_', '-')} {shown}: from {found.source}")
        values.setdefault("domain", detection.domain(cluster))
        if len(cluster.nodes) == 1:
            values.setdefault("controller_replicas", 1)
            values.setdefault("envoys", 1)
    values["pod_cidrs"] = with_namespace_pools(values.get("pod_cidrs", ()), values.get("namespace_pools", ()))
    version = own_version()
    values.setdefault("image", default_image(version))
    if values.get("dns", True):
        values["dns_addresses"] = _dns_addresses(values["service_cidrs"], cluster)
    settings = Settings(version=version, **values)
    if settings.has_gateway or settings.mesh:
        _ = settings.envoy_image
    found_hints = tuple(detection.hints(cluster, dns=settings.dns)) if cluster is not None else ()
    if cluster is not None:
        _refuse_beside_kube_proxy(settings, cluster)
    return Choice(settings, tuple(sources), found_hints)


def kept(settings: Settings, cluster: Cluster) -> Choice:
    """The settings of an installation that is there already. Raises SettingsError beside a kube-proxy."""
    _refuse_beside_kube_proxy(settings, cluster)
    if settings.dns and not settings.dns_addresses:  # DNS was not desired before, or the Service was another's
        settings = msgspec.structs.replace(settings, dns_addresses=_dns_addresses(settings.service_cidrs, cluster))
    source = "podwire is installed here: settings that are not given stay as they are"
    return Choice(settings, (source,), tuple(detection.hints(cluster, dns=settings.dns)))


def pool_ranges(pools: Iterable[str]) -> tuple[str, ...]:
    """The ranges of pods of these pools of nodes. Raises PoolError."""
    return tuple(str(one.network) for text in pools for one in pool(text).ranges)


def with_namespace_pools(pod_cidrs: tuple[str, ...], pools: Iterable[str]) -> tuple[str, ...]:
    """The ranges of all pods, with those of pools of namespaces that none of them has. Raises PoolError."""
    known = [ipaddress.ip_network(text) for text in pod_cidrs]
    return (*pod_cidrs, *map(str, added_ranges(known, map(namespace_pool, pools))))


def _detected(values: Mapping[str, Any], cluster: Cluster) -> Iterator[tuple[str, detection.Found]]:
    if not values.get("service_cidrs"):
        yield "service_cidrs", detection.service_cidrs(cluster)
    if not values.get("pod_cidrs"):
        yield "pod_cidrs", detection.pod_cidrs(cluster)
    if not values.get("server"):
        yield "server", detection.server(cluster, values["service_cidrs"])


def _dns_addresses(service_cidrs: tuple[str, ...], cluster: Cluster | None) -> tuple[str, ...]:
    """Those that the Service has already where it is podwire's; none where it is another's."""
    if cluster is None or cluster.dns_service is None:
        return dns_addresses(service_cidrs)
    if detection.foreign_dns(cluster):
        return ()
    spec = cluster.dns_service.spec
    return spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())


def _refuse_beside_kube_proxy(settings: Settings, cluster: Cluster) -> None:
    proxies = detection.kube_proxies(cluster)
    if proxies and not settings.replace_kube_proxy:
        raise SettingsError(
            f"DaemonSet {proxies[0].key} runs: kube-proxy and podwire would both translate Services. Give "
            "--replace-kube-proxy: kube-proxy's pods end (its DaemonSet remains), and the agents remove its rules when "
            "their own are complete"
        )
