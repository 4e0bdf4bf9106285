"""A listener as it is in use: of a Gateway, or of a ListenerSet that the Gateway admits."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.edge.gateway.kinds.references import ParentReference
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.listeners import GatewayPort
from podwire.edge.model.tls import ServerTls
from podwire.kube.meta import LabelSelector, NamespacedName
from podwire.kube.selectors import matches

STREAMS = {"TCP": "TCPRoute", "UDP": "UDPRoute", "TLS": "TLSRoute"}


class Problem(msgspec.Struct, frozen=True):
    """A condition other than that of a listener in order.

    Attributes:
        type: of the condition: Accepted, ResolvedRefs, Conflicted or OverlappingTLSConfig.
        status: `True` for Conflicted and OverlappingTLSConfig; `False` for Accepted and ResolvedRefs.

    """

    type: str
    status: str
    reason: str
    message: str


class Host(msgspec.Struct, frozen=True, order=True):
    """A domain of a port of a Gateway: what routes share, or have one after the other.

    Attributes:
        listener: hostname of the listener; empty for HTTP, where those of a port share one route table.
        domain: a hostname, a wildcard or `*`.

    """

    port: GatewayPort
    listener: str
    domain: str

    @property
    def gateway(self) -> NamespacedName:
        """Return the Gateway."""
        return NamespacedName(self.port.namespace, self.port.gateway)

    @property
    def table(self) -> str:
        """Return the name of the route table, of HTTP and HTTPS."""
        port = f"{self.port.namespace}:{self.port.gateway}:{self.port.port}"
        return f"{port}:{self.listener}" if self.listener else port


class ListenerState(msgspec.Struct, frozen=True):
    """One listener.

    Attributes:
        gateway: the Gateway whose port it is on.
        parent: the object that has it: a Gateway or a ListenerSet.
        protocol: HTTP, HTTPS, TLS, TCP or UDP, or a name that is not supported.
        hostname: lower case; `*` where it has none.
        mode: Terminate or Passthrough; empty without TLS.
        kinds: the kinds of routes that it takes; what is not supported is left out.
        from_namespaces: All, Same, Selector or None.
        tls: what the proxy terminates TLS with; None: plain text, passed through, or not resolved.
        problems: conditions that are not in order.

    """

    gateway: NamespacedName
    parent: Owner
    name: str
    port: int
    protocol: str
    hostname: str = "*"
    mode: str = ""
    kinds: tuple[str, ...] = ()
    from_namespaces: str = "Same"
    selector: LabelSelector | None = None
    tls: ServerTls | None = None
    problems: tuple[Problem, ...] = ()

    def problem(self, type_: str) -> Problem | None:
        """Return what is not in order about a condition."""
        return next((one for one in self.problems if one.type == type_), None)

    @property
    def is_accepted(self) -> bool:
        """Whether its Accepted condition is True: supported, and distinct from all others."""
        return self.problem("Accepted") is None

    @property
    def is_usable(self) -> bool:
        """Whether the proxy gets it: accepted, and its certificates are there."""
        unresolved = self.problem("ResolvedRefs")
        return self.is_accepted and (unresolved is None or (bool(self.kinds) and not self.needs_certificate))

    @property
    def needs_certificate(self) -> bool:
        """Whether it terminates TLS and has nothing to do that with."""
        return self.mode == "Terminate" and self.tls is None

    @property
    def transport(self) -> str:
        """Return UDP or TCP."""
        return "UDP" if self.protocol == "UDP" else "TCP"

    @property
    def gateway_port(self) -> GatewayPort:
        """Return the port that it shares with other listeners."""
        return GatewayPort(self.gateway.namespace, self.gateway.name, self.port, self.transport)

    @property
    def table(self) -> str:
        """Return the name of its route table: one a port for HTTP, its own for HTTPS; empty for other protocols."""
        return self.host(self.hostname).table if self.protocol in ("HTTP", "HTTPS") else ""

    def host(self, domain: str) -> Host:
        """Return what the routes of a domain are found by."""
        return Host(self.gateway_port, "" if self.protocol == "HTTP" else self.hostname, domain)

    @property
    def chain(self) -> str:
        """Return the name of its filter chain: of a ListenerSet's with the set's name."""
        if self.parent.kind == "Gateway":
            return self.name
        return f"{self.parent.namespace}/{self.parent.name}/{self.name}"

    def admits(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether routes of a namespace with these labels may be attached."""
        match self.from_namespaces:
            case "All":
                return True
            case "Selector":
                return self.selector is not None and matches(self.selector, labels)
            case "Same":
                return namespace == self.parent.namespace
            case _:
                return False

    def fits(self, reference: ParentReference) -> bool:
        """Whether a route's reference to the listener's parent is to this listener: by section name and port."""
        return reference.section_name in (None, "", self.name) and reference.port in (None, 0, self.port)
