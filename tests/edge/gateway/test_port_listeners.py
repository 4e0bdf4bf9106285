"""The listener of a port: which chain the connections of a server name get."""

from __future__ import annotations

from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.owners import Owner
from podwire.edge.gateway.port_listeners import listener_rows
from podwire.edge.model.choice import chain_of
from podwire.edge.model.listeners import HttpChain, Listener, StreamChain
from podwire.edge.model.routes import RouteName, StreamRoute
from podwire.edge.model.tls import ServerTls
from podwire.kube.meta import NamespacedName

GATEWAY = NamespacedName("shop", "gw")
TLS = ServerTls(("secret",))


def state(protocol: str, hostname: str = "*", mode: str = "") -> ListenerState:
    tls = TLS if mode == "Terminate" else None
    parent = Owner("Gateway", "shop", "gw")
    return ListenerState(GATEWAY, parent, f"{protocol}-{hostname}-{mode}", 443, protocol, hostname, mode, tls=tls)


def route(name: str) -> StreamRoute:
    return StreamRoute(RouteName("TLSRoute", "shop", name), ())


def chosen(listener: Listener, server_name: str) -> tuple[str, bool]:
    """Return the route (or table) that connections for a server name get, and whether TLS ends in the proxy."""
    chain = chain_of(listener, server_name)
    if chain is None:
        return "closed", False
    action = chain.action
    if isinstance(action, HttpChain):
        return action.table, chain.tls is not None
    return action.route.name.name if action.route else "refused", chain.tls is not None


def test_listeners_of_both_modes_and_of_https_share_a_port_by_server_name() -> None:
    passing = state("TLS", "*.a.org", "Passthrough")
    ending = state("TLS", "b.org", "Terminate")
    https = state("HTTPS", "*.b.org", "Terminate")
    streams = {
        passing.host("x.a.org"): route("exact"),
        passing.host("*.y.a.org"): route("wild"),
        ending.host("b.org"): route("ended"),
    }
    (row,) = listener_rows([passing, ending, https], lambda _: 10000, streams=streams)
    assert row.inspects_tls
    assert chosen(row, "x.a.org") == ("exact", False)
    assert chosen(row, "1.y.a.org") == ("wild", False)
    assert chosen(row, "z.a.org") == ("refused", False)
    assert chosen(row, "b.org") == ("ended", True)
    assert chosen(row, "c.b.org") == ("shop:gw:443:*.b.org", True)
    assert chosen(row, "d.org") == ("closed", False)


def test_a_listener_without_tls_has_one_chain_for_its_route() -> None:
    for protocol in ("TCP", "UDP"):
        one = state(protocol)
        (found,) = listener_rows([one], lambda _: 10000, streams={one.host("*"): route("any")})
        (chain,) = found.chains
        assert isinstance(chain.action, StreamChain)
        assert chain.action.route == route("any")
        assert (found.port.protocol, found.inspects_tls, chain.server_names) == (protocol, False, ())
