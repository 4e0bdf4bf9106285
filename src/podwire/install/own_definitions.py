"""The CustomResourceDefinitions of podwire's own kinds: applied by each installation, and never deleted.

The objects of their kinds are users', and would go with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from podwire.install import gateway_definitions
from podwire.install.gateway_definitions import DEFINITIONS, Definition
from podwire.install.manifests.manifest import Manifest
from podwire.kube.client import Client


def published() -> list[dict[str, Any]]:
    """The definitions, labelled as podwire's."""
    from podwire.apiserver.definitions import bundle

    shipped = bundle.of_podwire()
    return [gateway_definitions.labelled(one) for one in bundle.definitions(shipped.channel, shipped.folder)]


def manifests() -> list[Manifest]:
    """The definitions as manifests."""
    return [Manifest(DEFINITIONS, body) for body in published()]


def changes(existing: Iterable[Definition]) -> Iterator[str]:
    """What an installation would create, a line each."""
    known = {one.metadata.name for one in existing}
    return (f"create {one}" for one in manifests() if one.key.name not in known)


async def bring(client: Client) -> None:
    """Apply the definitions, and wait until their kinds are served. Raises InstallError, ApiError."""
    await gateway_definitions.apply(client, published(), "podwire")
