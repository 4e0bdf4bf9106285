"""A heartbeat: a Lease that its holder renews.

Source: kubernetes.io "Leases"; k8s.io/component-helpers `apimachinery/lease/controller.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import LEASES
from podwire.kube.meta import NamespacedName


class Heartbeat(msgspec.Struct, frozen=True):
    """The Lease of one holder. `metadata` is what it is created with, beside its name."""

    key: NamespacedName
    holder: str
    duration_seconds: int
    metadata: Mapping[str, Any] = {}

    async def renew(self, client: Client) -> None:
        """Write the time of day into the Lease; create it where it is missing. Raises ApiError and OSError."""
        spec = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.duration_seconds,
            "renewTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        try:
            await client.patch(LEASES, self.key, {"spec": spec})
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            body = {"metadata": {**self.metadata, "name": self.key.name}, "spec": spec}
            await client.create(LEASES, body, self.key.namespace)
