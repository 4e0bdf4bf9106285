"""The mesh's part of a connection that is proven: what the model answers, and what Envoys open in its place. Pure."""

from __future__ import annotations

from podwire.insight.answer_form import Verdict
from podwire.insight.mesh_policies.ends import Client
from podwire.insight.mesh_policies.judgement import verdict_of
from podwire.insight.verify.destinations import Destination
from podwire.insight.verify.outcome import Relay
from podwire.insight.verify.places import Place, Places


def modelled(source: Place, client: str, server: tuple[str, int], protocol: str, places: Places) -> Verdict:
    """Return what `podwire explain` reports of the mesh's part, by both addresses; allowed where it has none."""
    address, port = server
    found = places.workloads.get(address)
    if places.mesh is None or found is None or not found.enrolled or protocol != "TCP" or address in source.addresses:
        return Verdict.ALLOWED
    is_near = not source.is_pod and source.node == found.node
    return verdict_of(Client(places.workloads.get(client), (client,), is_near), found, port, places.mesh)


def relay(source: Place, client: str, destination: Destination, places: Places) -> Relay | None:
    """Return the connection that Envoys open to the pod; None where none is between."""
    servers = [places.workloads.get(address) for address, _ in destination.endpoints]
    own = places.workloads.get(client)
    is_led = any(one is not None and one.redirected for one in servers)
    is_routed = own is not None and own.redirected and destination.is_translated
    if destination.protocol != "TCP" or destination.address in source.addresses or not (is_led or is_routed):
        return None
    return Relay(source.addresses, tuple(dict.fromkeys(port for _, port in destination.endpoints)))
