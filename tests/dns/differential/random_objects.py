"""Random Services and EndpointSlices, as an API server accepts them, and the names that are of interest."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]
NAMESPACES = ("alpha", "beta")
NAMES = ("web", "db", "a-b", "pods", "ext", "two")
HOSTS = ("", "", "h-0", "h-1")
PORTS = ("", "http", "dns-tcp")


class Cluster:
    """What exists: the bodies by path of the collection and name."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.services: dict[tuple[str, str], Object] = {}
        self.slices: dict[tuple[str, str], Object] = {}

    def change(self) -> Iterator[tuple[str, str, Object | None]]:
        """Yield requests that bring about one change: method, path, body."""
        key = self._draw.choice(NAMESPACES), self._draw.choice(NAMES)
        if key not in self.services:
            body = self.services[key] = self._service(*key)
            yield "POST", f"/api/v1/namespaces/{key[0]}/services", body
        elif self._draw.random() < 0.2:
            del self.services[key]
            yield "DELETE", f"/api/v1/namespaces/{key[0]}/services/{key[1]}", None
        path = f"/apis/discovery.k8s.io/v1/namespaces/{key[0]}/endpointslices"
        # As controllers have it: slices go with their Service, and one that is an alias has none.
        has_endpoints = key in self.services and "type" not in self.services[key]["spec"]
        for family in (4, 6):
            name = f"{key[1]}-{family}"
            if (key[0], name) in self.slices and (not has_endpoints or self._draw.random() < 0.5):
                del self.slices[key[0], name]
                yield "DELETE", f"{path}/{name}", None
            if has_endpoints and (key[0], name) not in self.slices and self._draw.random() < 0.7:
                body = self.slices[key[0], name] = self._slice(*key, family)
                yield "POST", path, body

    def _service(self, namespace: str, name: str) -> Object:
        kind = self._draw.choice(["ClusterIP", "ClusterIP", "None", "None", "ExternalName"])
        spec: Object = {"ports": self._ports("port")}
        if kind == "ExternalName":
            target = self._draw.choice(
                ["outside.example.org", "web.alpha.svc.cluster.local", "none.beta.svc.cluster.local"]
            )
            spec |= {"type": kind, "externalName": target}
        elif kind == "None":
            spec |= {"clusterIP": "None"}
        else:
            spec |= {"ipFamilyPolicy": self._draw.choice(["SingleStack", "PreferDualStack"])}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}

    def _ports(self, field: str) -> list[Object]:
        names = self._draw.choice([PORTS[:1], PORTS[1:2], PORTS[2:], PORTS[1:]])  # one alone may have no name
        protocols = [self._draw.choice(["TCP", "UDP"]) for _ in names]
        return [
            {field: 80 + n, "protocol": p} | ({"name": one} if one else {})
            for n, (one, p) in enumerate(zip(names, protocols, strict=True))
        ]

    def _slice(self, namespace: str, name: str, family: int) -> Object:
        endpoints = [self._endpoint(family) for _ in range(self._draw.randint(0, 4))]
        unique = {one["addresses"][0]: one for one in endpoints}
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{name}-{family}",
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": f"IPv{family}",
            "endpoints": list(unique.values()),
            "ports": self._ports("port"),
        }

    def _endpoint(self, family: int) -> Object:
        number = self._draw.randint(1, 12)
        address = f"10.244.1.{number}" if family == 4 else f"fd00:10:244:1::{number:x}"
        ready = self._draw.random() < 0.7
        # Those that serve while they end are a difference that the docs name, and have tests of their own.
        conditions = {"ready": ready, "serving": ready, "terminating": not ready and self._draw.random() < 0.5}
        found: Object = {"addresses": [address], "conditions": conditions}
        host = self._draw.choice(HOSTS)
        return found | ({"hostname": host} if host else {})


def questions() -> list[tuple[str, str]]:
    """All names and types that are compared."""
    found: list[tuple[str, str]] = []
    for namespace in (*NAMESPACES, "gone"):
        tail = f"{namespace}.svc.cluster.local"
        found += [(tail, "A"), (f"none.{tail}", "A")]
        for name in NAMES:
            own = f"{name}.{tail}"
            found += [(own, kind) for kind in ("A", "AAAA", "SRV", "TXT", "CNAME", "MX")]
            found += [
                (f"{label}.{own}", kind)
                for label in ("h-0", "10-244-1-3", "fd00-10-244-1--3")
                for kind in ("A", "AAAA")
            ]
            found += [(f"_{port}._{protocol}.{own}", "SRV") for port in PORTS[1:] for protocol in ("tcp", "udp")]
    for number in range(1, 13):
        for text in (f"10.244.1.{number}", f"fd00:10:244:1::{number:x}"):
            found.append((ipaddress.ip_address(text).reverse_pointer, "PTR"))
    found += [(f"10-1-2-3.{namespace}.pod.cluster.local", "A") for namespace in (*NAMESPACES, "gone")]
    return [*found, ("dns-version.cluster.local", "TXT"), ("svc.cluster.local", "A"), ("cluster.local", "SOA")]
