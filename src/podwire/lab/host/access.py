"""How to reach a world from the host: the content of a kubeconfig."""

from __future__ import annotations

import msgspec


class Access(msgspec.Struct, frozen=True):
    """The name of the context, the server's URL, and PEM texts."""

    name: str
    server: str
    authority: bytes
    certificate: bytes
    key: bytes
