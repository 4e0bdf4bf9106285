"""A link as a value: what names one end of a pod's cable on its node."""

from __future__ import annotations

import msgspec


class LinkEnd(msgspec.Struct, frozen=True):
    """A link of a network namespace. Its index distinguishes it from a later link of the same name."""

    name: str
    index: int
