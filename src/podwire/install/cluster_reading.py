"""Read what `detection` needs from a cluster. What does not exist or may not be read counts as empty."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from podwire.install.detection import Cluster, controller_manager_flags
from podwire.install.manifests.dns_deployment import SERVICE_NAME
from podwire.install.settings import NAMESPACE
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import CONFIG_MAPS, DAEMON_SETS, ENDPOINT_SLICES, NODES, PODS, SERVICE_CIDRS, SERVICES, Kind
from podwire.kube.meta import NamespacedName, Object

ObjectT = TypeVar("ObjectT", bound=Object)

ABSENT = frozenset({403, 404})


async def read_cluster(client: Client, kubeconfig_server: str) -> Cluster:
    """Read it. Raises ApiError, aiohttp.ClientError and OSError where the server does not answer."""
    manager = {"labelSelector": "component=kube-controller-manager"}
    own_slices = {"labelSelector": "kubernetes.io/service-name=kubernetes"}
    nodes, ranges, daemon_sets, managers, slices = await asyncio.gather(
        _list(client, NODES),
        _list(client, SERVICE_CIDRS),
        _list(client, DAEMON_SETS),
        _list(client, PODS, NAMESPACE, **manager),
        _list(client, ENDPOINT_SLICES, "default", **own_slices),
    )
    kubeadm, info, dns = await asyncio.gather(
        _document(client, NamespacedName(NAMESPACE, "kubeadm-config"), "ClusterConfiguration"),
        _document(client, NamespacedName("kube-public", "cluster-info"), "kubeconfig"),
        _get(client, SERVICES, NamespacedName(NAMESPACE, SERVICE_NAME)),
    )
    return Cluster(
        nodes=nodes,
        service_cidrs=ranges,
        daemon_sets=daemon_sets,
        controller_manager=controller_manager_flags(managers),
        api_servers=slices,
        kubeadm=kubeadm,
        cluster_info=_server(info),
        dns_service=dns,
        kubeconfig=kubeconfig_server,
    )


async def _list(client: Client, kind: Kind[ObjectT], namespace: str = "", **parameters: str) -> tuple[ObjectT, ...]:
    try:
        return tuple((await client.list(kind, namespace, **parameters)).items)
    except ApiError as error:
        if error.code in ABSENT:
            return ()
        raise


async def _get(client: Client, kind: Kind[ObjectT], key: NamespacedName) -> ObjectT | None:
    try:
        return await client.get(kind, key)
    except ApiError as error:
        if error.code in ABSENT:
            return None
        raise


async def _document(client: Client, key: NamespacedName, field: str) -> Mapping[str, Any]:
    """A YAML document in a ConfigMap."""
    import yaml

    found = await _get(client, CONFIG_MAPS, key)
    try:
        document = yaml.safe_load(found.data.get(field, "")) if found is not None else None
    except yaml.YAMLError:
        return {}
    return document if isinstance(document, dict) else {}


def _server(kubeconfig: Mapping[str, Any]) -> str:
    """The server of a kubeconfig's only cluster."""
    clusters = kubeconfig.get("clusters") or [{}]
    return str((clusters[0].get("cluster") or {}).get("server") or "")
