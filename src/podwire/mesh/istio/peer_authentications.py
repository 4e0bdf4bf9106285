"""Istio's PeerAuthentication as an AuthorizationPolicy of this mesh. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podwire.mesh.istio.written import Converted, Object, made, selector


def converted(source: Mapping[str, Any]) -> Converted:
    """Return the policy that a PeerAuthentication means: who has no identity is denied, on ports in STRICT mode."""
    spec = source.get("spec") or {}
    mode = (spec.get("mtls") or {}).get("mode", "UNSET")
    ports = {int(port): (one or {}).get("mode", "UNSET") for port, one in (spec.get("portLevelMtls") or {}).items()}
    lost = [
        (path, "DISABLE has no counterpart: label the pods podwire.dev/mesh: disabled")
        for path, one in (("spec.mtls.mode", mode), *((f"spec.portLevelMtls.{port}", ports[port]) for port in ports))
        if one == "DISABLE"
    ]
    operations = list(_strict_ports(mode, ports))
    if operations is not None and not operations:
        return Converted((), tuple(lost))
    rule: Object = {"name": "mutual-tls", "from": [{"notIdentities": ["*"]}]}
    to = [one for one in operations if one]
    rules = [{**rule, **({"to": to} if to else {})}]
    return Converted(
        (
            made(
                "AuthorizationPolicy",
                source,
                {**selector(spec), "action": "DENY", "rules": rules},
                suffix="-mutual-tls",
            ),
        ),
        tuple(lost),
    )


def _strict_ports(mode: str, ports: Mapping[int, str]) -> Iterator[Object]:
    """Yield the ports in STRICT mode: an empty operation is all of them."""
    if mode == "STRICT":
        open_ports = sorted(port for port, one in ports.items() if one in ("PERMISSIVE", "DISABLE"))
        yield {"notPorts": open_ports} if open_ports else {}
    elif closed := sorted(port for port, one in ports.items() if one == "STRICT"):
        yield {"ports": closed}
