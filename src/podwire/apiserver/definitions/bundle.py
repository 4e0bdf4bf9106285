"""The CustomResourceDefinitions that ship with the server: Gateway API, a release in two channels, as package data.

Source: data/README.md; gateway-api.sigs.k8s.io "Versioning": release channels.
"""

from __future__ import annotations

import zipfile
from importlib import resources
from typing import Any

import msgspec

from podwire.apiserver.custom.definition import Definition

Object = dict[str, Any]

CHANNELS = ("standard", "experimental")


def names(channel: str) -> list[Definition]:
    """The definitions of a channel without schemas and columns: what discovery needs."""
    return msgspec.json.decode(_member(channel, "names"), type=list[Definition])


def definitions(channel: str) -> list[Object]:
    """The definitions of a channel as they were published."""
    return msgspec.json.decode(_member(channel, "definitions"), type=list[Object])


def _member(channel: str, name: str) -> bytes:
    archive = resources.files("podwire.apiserver").joinpath("data/gateway_api/definitions.zip")
    with archive.open("rb") as file, zipfile.ZipFile(file) as opened:
        return opened.read(f"{channel}/{name}.json")
