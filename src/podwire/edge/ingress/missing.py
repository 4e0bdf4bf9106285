"""Why a reference of an Ingress resolves to nothing."""

from __future__ import annotations

import msgspec


class Missing(msgspec.Struct, frozen=True):
    """Why a reference resolves to nothing: requests that need it are answered by 503."""

    reason: str
    message: str
