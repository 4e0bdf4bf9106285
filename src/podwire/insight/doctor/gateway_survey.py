"""Read what the check `gateways` needs. What an account may not read, or a server does not have, counts as none."""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, TypeVar

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.gateway.kinds.all_kinds import ROUTES
from podwire.edge.gateway.kinds.gateway import GATEWAYS, Gateway
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.insight.doctor.gateway_facts import (
    ClassFact,
    EnvoyFact,
    GatewayFact,
    GatewayFacts,
    RouteFact,
    RouteReading,
)
from podwire.insight.doctor.node_facts import Expiry
from podwire.insight.pod_reading import PODS, cause
from podwire.kube.client import ApiError, Client
from podwire.kube.gateway_api import CONTROLLER_NAME, GROUPS, PROXIES
from podwire.kube.kinds import SECRETS, Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.pki.validity import valid_until

ObjectT = TypeVar("ObjectT", bound=Object)

DEFINITIONS: Kind[Object] = Kind(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Object, namespaced=False
)
READ_ROUTES = tuple(Kind(one.api_version, one.kind, one.resource, RouteReading) for one in ROUTES)
VERSION, CHANNEL = "gateway.networking.k8s.io/bundle-version", "gateway.networking.k8s.io/channel"
ABSENT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


async def read(client: Client, *, is_installed: bool) -> GatewayFacts:
    """Return it. Raises ApiError."""
    releases = await _releases(client)
    if not releases:
        return GatewayFacts(is_installed=is_installed)
    classes, gateways, envoys = await asyncio.gather(
        _list(client, GATEWAY_CLASSES),
        _list(client, GATEWAYS),
        _list(client, PODS, PROXIES, labelSelector=PROXY_LABEL),
    )
    routes = await asyncio.gather(*(_list(client, kind) for kind in READ_ROUTES))
    own = [one for one in classes if one.spec.controller_name == CONTROLLER_NAME]
    names = {one.metadata.name for one in own}
    served = [one for one in gateways if one.spec.gateway_class_name in names]
    certificates, unread = await _certificates(client, served)
    return GatewayFacts(
        releases,
        is_installed,
        tuple(ClassFact(one.metadata.name, one.status.conditions) for one in own),
        tuple(_gateway(one) for one in served),
        tuple(_routes(routes)),
        tuple(EnvoyFact(one.key, "" if one.ready else cause(one)) for one in envoys if not one.finished),
        certificates,
        unread,
    )


async def _releases(client: Client) -> dict[str, tuple[str, ...]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for one in await _list(client, DEFINITIONS):
        name, annotations = one.metadata.name, one.metadata.annotations
        if name.partition(".")[2] in GROUPS:
            release = " ".join(filter(None, (annotations.get(VERSION, "no release"), annotations.get(CHANNEL, ""))))
            found[release].append(name)
    return {release: tuple(names) for release, names in found.items()}


def _gateway(one: Gateway) -> GatewayFact:
    listeners = tuple((each.name, each.conditions) for each in one.status.listeners)
    return GatewayFact(one.key, one.status.conditions, listeners)


def _routes(lists: Iterable[list[RouteReading]]) -> Iterable[RouteFact]:
    for kind, found in zip(READ_ROUTES, lists, strict=True):
        for one in found:
            parents = tuple(each for each in one.status.parents if each.controller_name == CONTROLLER_NAME)
            if parents:
                yield RouteFact(kind.kind, one.key, parents)


async def _certificates(
    client: Client, gateways: Iterable[Gateway]
) -> tuple[tuple[tuple[str, Expiry], ...], dict[str, str]]:
    """The ends of the certificates of all listeners, and which are not known."""
    keys = {
        NamespacedName(one.namespace or gateway.metadata.namespace, one.name)
        for gateway in gateways
        for listener in gateway.spec.listeners
        for one in (listener.tls.certificate_refs if listener.tls is not None else ())
        if (one.kind or "Secret") == "Secret"
    }
    found: list[tuple[str, Expiry]] = []
    unread: dict[str, str] = {}
    for key in sorted(keys):
        try:
            secret = await client.get(SECRETS, key)
            text = base64.b64decode(secret.data.get("tls.crt", "")).decode("utf-8", "replace")
            found.append((f"Secret {key}", Expiry("certificate", valid_until(text))))
        except (ApiError, ValueError) as error:
            unread[f"Secret {key}"] = str(error)
    return tuple(found), unread


async def _list(client: Client, kind: Kind[ObjectT], namespace: str = "", **parameters: Any) -> list[ObjectT]:
    try:
        return (await client.list(kind, namespace, **parameters)).items
    except ApiError as error:
        if error.code not in ABSENT:
            raise
        return []
