"""The two images: of the agent, DNS and the controllers, and of the gateway controller and its Envoys.

Two, as Envoy and gRPC are larger than all of the other one, which every node needs; and as an Envoy, which strangers
send requests to, needs no rules of the kernel, no BGP and no CNI plugin beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tools.image import contents, lock


class Variant(msgspec.Struct, frozen=True):
    """One image.

    Attributes:
        name: of the image.
        packages: Debian packages, and patterns of the files that are taken.
        python: the lock of its Python packages.
        has_plugin: whether it brings the CNI plugin.

    """

    name: str
    packages: Mapping[str, tuple[str, ...]]
    python: Path
    has_plugin: bool


NODE = Variant(contents.NAME, {**contents.BASE, **contents.NODE}, lock.PYTHON, has_plugin=True)
GATEWAY = Variant(
    f"{contents.NAME}-gateway", {**contents.BASE, **contents.GATEWAY}, lock.PYTHON_GATEWAY, has_plugin=False
)
VARIANTS: Mapping[str, Variant] = {one.name: one for one in (NODE, GATEWAY)}
PACKAGES = tuple(sorted({name for one in VARIANTS.values() for name in one.packages}))
"""All Debian packages that are pinned."""
