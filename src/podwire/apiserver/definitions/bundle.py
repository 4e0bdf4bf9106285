"""The CustomResourceDefinitions that ship with the server, as package data.

Those of Gateway API, network-policy-api and podwire itself, each in one or two channels. Source: data/README.md;
gateway-api.sigs.k8s.io "Versioning": release channels.
"""

from __future__ import annotations

import zipfile
from importlib import resources
from typing import Any

import msgspec

from podwire.apiserver.custom.definition import Definition, Spec
from podwire.kube import gateway_api, network_policy_api

Object = dict[str, Any]

CHANNELS = ("standard", "experimental")


class Bundle(msgspec.Struct, frozen=True):
    """Definitions that are stored together, with the first objects of their kinds.

    `folder` is that of the archive in the package data; `groups` are the API groups of the kinds.
    """

    folder: str
    channel: str
    groups: frozenset[str]
    objects: tuple[Object, ...] = ()


class _Published(msgspec.Struct, frozen=True):
    """A definition as it was published: its status has no meaning."""

    spec: Spec = Spec()


def of_gateways(channel: str) -> Bundle:
    """The kinds of Gateway API, and the GatewayClasses of a new cluster."""
    classes = tuple(
        {
            "apiVersion": f"{gateway_api.GROUP}/v1",
            "kind": "GatewayClass",
            "metadata": {"name": name},
            "spec": {"controllerName": gateway_api.CONTROLLER_NAME},
        }
        for name in gateway_api.CLASSES
    )
    return Bundle("gateway_api", channel, gateway_api.GROUPS, classes)


def of_policies() -> Bundle:
    """ClusterNetworkPolicy with all peers that the agents honour."""
    return Bundle("network_policy_api", "experimental", frozenset({network_policy_api.GROUP}))


def of_podwire() -> Bundle:
    """The kinds of podwire's own."""
    groups = frozenset(one.spec.group for one in names("standard", "podwire"))
    return Bundle("podwire", "standard", groups)


def names(channel: str, folder: str = "gateway_api") -> list[Definition]:
    """The definitions of a channel without schemas and columns: what discovery needs."""
    return msgspec.json.decode(_member(folder, channel, "names"), type=list[Definition])


def definitions(channel: str, folder: str = "gateway_api") -> list[Object]:
    """The definitions of a channel as they were published."""
    return msgspec.json.decode(_member(folder, channel, "definitions"), type=list[Object])


def specs(channel: str, folder: str = "gateway_api") -> list[Spec]:
    """The specs of a channel's definitions, with their schemas, which are not decoded."""
    found = msgspec.json.decode(_member(folder, channel, "definitions"), type=list[_Published])
    return [one.spec for one in found]


def _member(folder: str, channel: str, name: str) -> bytes:
    archive = resources.files("podwire.apiserver").joinpath(f"data/{folder}/definitions.zip")
    with archive.open("rb") as file, zipfile.ZipFile(file) as opened:
        return opened.read(f"{channel}/{name}.json")
