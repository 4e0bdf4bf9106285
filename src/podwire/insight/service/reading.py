"""Read the objects of an explanation from an API server."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TypeVar

from podwire.insight.pod_reading import PODS
from podwire.insight.service.objects import EVENTS, ServiceObjects
from podwire.kube.client import ApiError, Client
from podwire.kube.discovery import SERVICE_NAME_LABEL
from podwire.kube.kinds import ENDPOINT_SLICES, NETWORK_POLICIES, NODES, SERVICES, Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.services import Service

ObjectT = TypeVar("ObjectT", bound=Object)


class ServiceMissingError(Exception):
    """There is no Service of this name. The text names those that exist."""


async def read(client: Client, key: NamespacedName) -> ServiceObjects:
    """Read everything from the API server. Raises ServiceMissingError, ApiError and aiohttp's ClientError."""
    service = await _service(client, key)
    about = f"involvedObject.kind=Service,involvedObject.name={key.name}"
    slices, pods, nodes, services, policies, events = await asyncio.gather(
        _all(client, ENDPOINT_SLICES, key.namespace, labelSelector=f"{SERVICE_NAME_LABEL}={key.name}"),
        _all(client, PODS, key.namespace),
        _all(client, NODES),
        _all(client, SERVICES),
        _all(client, NETWORK_POLICIES, key.namespace),
        _all(client, EVENTS, key.namespace, fieldSelector=about),
    )
    found = {
        "endpointslices": slices, "pods": pods, "nodes": nodes, "services of all namespaces": services,
        "networkpolicies": policies, "events": events,
    }  # fmt: skip
    own = tuple(event for event in events or () if event.metadata.namespace == key.namespace)
    return ServiceObjects(
        service,
        tuple(slices or ()),
        tuple(pods or ()),
        tuple(nodes or ()),
        tuple(services or ()),
        tuple(policies or ()),
        own,
        tuple(name for name, items in found.items() if items is None),
    )


async def _service(client: Client, key: NamespacedName) -> Service:
    try:
        return await client.get(SERVICES, key)
    except ApiError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
    others = await _all(client, SERVICES) or await _all(client, SERVICES, key.namespace) or []
    raise ServiceMissingError(missing(key, [one.key for one in others]))


def missing(key: NamespacedName, others: list[NamespacedName]) -> str:
    """Return the error for a name that no Service has: one of the same name elsewhere, else those of its namespace."""
    elsewhere = [str(one) for one in others if one.name == key.name]
    here = [one.name for one in others if one.namespace == key.namespace]
    if elsewhere:
        return f"Service {key} does not exist; there is {', '.join(elsewhere)}"
    if here:
        return f"Service {key} does not exist; namespace {key.namespace} has {', '.join(here)}"
    return f"Service {key} does not exist; namespace {key.namespace} has none"


async def _all(client: Client, kind: Kind[ObjectT], namespace: str = "", **selectors: str) -> list[ObjectT] | None:
    """List objects; None where this account may not."""
    try:
        return (await client.list(kind, namespace, **selectors)).items
    except ApiError as error:
        if error.code != HTTPStatus.FORBIDDEN:
            raise
        return None
