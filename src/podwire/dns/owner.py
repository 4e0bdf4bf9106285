"""What records belong to."""

from __future__ import annotations

import msgspec


class Owner(msgspec.Struct, frozen=True, gc=False):
    """A Service, a Namespace (its `name` empty), or the domain itself (both empty)."""

    namespace: str = ""
    name: str = ""


DOMAIN = Owner()
