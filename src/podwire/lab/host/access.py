"""How to reach a world from the host: the content of a kubeconfig."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Access:
    """The name of the context, the server's URL, and PEM texts."""

    name: str
    server: str
    authority: bytes
    certificate: bytes
    key: bytes
