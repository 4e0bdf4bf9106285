"""Destinations of Istio's VirtualService as backends of an HTTPRoute. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from podwire.kube.meta import NamespacedName
from podwire.mesh.istio.hosts import service_of
from podwire.mesh.istio.surroundings import Surroundings
from podwire.mesh.istio.written import ConversionError, Object

_ALL = 100


class Backends(msgspec.Struct, frozen=True):
    """What destinations of a route are: `service` is the one of its first host."""

    service: NamespacedName
    around: Surroundings

    def weighted(self, written: Mapping[str, Any]) -> Object:
        """Return a backend with its weight. Raises ConversionError."""
        if written.get("headers"):
            raise ConversionError("route[].headers cannot be converted: set headers of the whole rule")
        found = self._reference(written.get("destination") or {})
        if "weight" in written:
            found["weight"] = written["weight"]
        return found

    def mirrors(self, rule: Mapping[str, Any]) -> Iterator[Object]:
        """Yield the filters that copy requests. Raises ConversionError."""
        if mirror := rule.get("mirror"):
            yield self._mirror(mirror, rule.get("mirrorPercentage"))
        for one in rule.get("mirrors") or ():
            yield self._mirror(one.get("destination") or {}, one.get("percentage"))

    def _mirror(self, destination: Mapping[str, Any], share: Mapping[str, Any] | None) -> Object:
        percent = _ALL if share is None else share.get("value", 0)
        if percent != int(percent):
            raise ConversionError(f"{percent} percent of mirrored requests cannot be expressed: write a whole number")
        found: Object = {"backendRef": self._reference(destination)}
        if percent != _ALL:
            found["percent"] = int(percent)
        return {"type": "RequestMirror", "requestMirror": found}

    def _reference(self, destination: Mapping[str, Any]) -> Object:
        target = service_of(str(destination.get("host", "")), self.service.namespace)
        name = target.name
        if subset := destination.get("subset"):
            name = self.around.subset_service(target, str(subset))["metadata"]["name"]
        port = (destination.get("port") or {}).get("number") or self.around.port_of(target)
        if port is None:
            raise ConversionError(
                f"destination.port.number of {target.name} is needed: no Service of that name with a single port is in "
                "these files"
            )
        found: Object = {"name": name, "port": port}
        if target.namespace != self.service.namespace:
            found["namespace"] = target.namespace
        return found
