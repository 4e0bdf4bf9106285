from pathlib import Path

from podwire.lab.host.policy_options import PolicyOptions
from podwire.lab.host.role_specs import LOW_PORTS, RELAY, world_roles
from podwire.lab.host.service_options import ServiceOptions
from podwire.lab.network.topology import Topology
from podwire.lab.relay.published import parse
from podwire.lab.supervisor.role_states import RoleSpec


def relay(services: ServiceOptions, *sockets: str) -> RoleSpec:
    roles = world_roles(Topology(nodes=1, zones=("a",)), services, Path("/world"), Path("/images"), sockets)
    return next(role for role in roles if role.name == RELAY)


def test_the_relay_starts_on_demand_where_nothing_is_published() -> None:
    lazy = relay(ServiceOptions(), LOW_PORTS)
    assert (lazy.on_demand, lazy.after, lazy.inherits, lazy.network) == (True, ("bootstrap",), (LOW_PORTS,), "")


def test_the_relay_serves_published_ports_from_the_start() -> None:
    port = parse("8080=shop/web:80")
    published = relay(ServiceOptions(published=(port,)), port.descriptor)
    assert (published.on_demand, published.inherits) == (False, ("publish-tcp-8080",))
    assert ServiceOptions.read(published.arguments).published == (port,)


def test_every_role_gets_the_options_of_the_world() -> None:
    services, topology = ServiceOptions((31000, 31999), external_ips=True), Topology(nodes=2, zones=("a", "b"))
    policies = PolicyOptions(flow_records="all", on_established="keep")
    for role in world_roles(topology, services, Path("/world"), Path("/images"), policies=policies):
        assert Topology.read(role.arguments) == topology, role.name
        assert ServiceOptions.read(role.arguments) == services, role.name
        assert PolicyOptions.read(role.arguments) == policies, role.name
